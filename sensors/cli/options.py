"""Options that every command about recordings shares."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from hil.cli import key_values
from hil.errors import DamagedFileError

__all__ = ["reading_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


def reading_options(function: Command) -> Command:
    """Add ``--format``, ``--option`` and ``--salvage`` to a command, and name the last where it is needed."""

    @wraps(function)
    def run(*arguments: Any, salvage: bool, **more: Any) -> Any:
        try:
            return function(*arguments, salvage=salvage, **more)
        except DamagedFileError as error:
            if salvage:
                raise
            message = f"{error.message}; --salvage reads what is sound"
            raise DamagedFileError(message, offset_bytes=error.offset_bytes) from error

    decorated = cast("Command", run)
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
        decorated = option(decorated)
    return decorated
