"""What every command returns: an answer, printed as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Answer", "command"]

UNFOLDED = 100_000
"""Columns of what is no terminal: whoever searches the lines of a pipe or a file wants them whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says.

    Attributes:
        document: JSON-ready values, printed with ``--json``.
        text: People's text: a string or anything rich can print.
        exit_code: 0 good, 1 the comparison or verification failed.
    """

    document: Any
    text: RenderableType
    exit_code: int = 0

    def show(self, *, as_json: bool) -> None:
        """Print the answer on stdout."""
        if as_json:
            click.echo(json.dumps(self.document, indent=2, allow_nan=False))
            return
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=isinstance(self.text, str))
        if console.is_terminal:
            console.print(self.text, markup=False, emoji=False)
            return
        console.width = UNFOLDED
        with console.capture() as captured:
            console.print(self.text, markup=False, emoji=False)
        click.echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def command(name: str, **settings: Any) -> Callable[[Callable[..., Answer]], click.Command]:
    """Make a click command of a function that returns an ``Answer``; adds ``--json``."""

    def wrap(function: Callable[..., Answer]) -> click.Command:
        @wraps(function)
        def run(*, as_json: bool, **arguments: Any) -> None:
            answer = function(**arguments)
            answer.show(as_json=as_json)
            if answer.exit_code:
                click.get_current_context().exit(answer.exit_code)

        option = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document on stdout.")
        made: click.Command = click.command(name, **settings)(run)  # type: ignore[no-untyped-call,unused-ignore]
        made.params.append(option)
        return made

    return wrap
