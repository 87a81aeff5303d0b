"""Options that every command about recordings shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["key_values", "reading_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


def key_values(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """Turn ``K=V`` texts into a mapping.

    Raises:
        click.BadParameter: One has no ``=``.
    """
    pairs = {}
    for text in value:
        key, equals, setting = text.partition("=")
        if not equals or not key:
            message = f"expected KEY=VALUE, but got {text!r}"
            raise click.BadParameter(message)
        pairs[key] = setting
    return pairs


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
