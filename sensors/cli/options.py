"""Options that every command about recordings shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hil.cli import key_values

__all__ = ["reading_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


def reading_options(function: Command) -> Command:
    """Add ``--format``, ``--option`` and ``--salvage`` to a command."""
    for option in (
        click.option("--salvage", is_flag=True, help="Step over damage and account for it."),
        click.option(
            "--option",
            "options",
            multiple=True,
            metavar="KEY=VALUE",
            callback=key_values,
            help="A setting of the format; may be repeated.",
        ),
        click.option("--format", "format_name", help="Read as this format; headerless files need it."),
    ):
        function = option(function)
    return function
