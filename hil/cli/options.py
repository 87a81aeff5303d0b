"""Options that commands of several packages share."""

from __future__ import annotations

import click

__all__ = ["key_values"]


def key_values(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """Turn the ``K=V`` texts of a repeated option into a mapping.

    Raises:
        click.BadParameter: One has no ``=``, or a key is given twice.
    """
    pairs: dict[str, str] = {}
    for text in value:
        key, equals, setting = text.partition("=")
        if not equals or not key:
            message = f"expected KEY=VALUE, but got {text!r}"
            raise click.BadParameter(message)
        if key in pairs:
            message = f"{key!r} is given twice, as {pairs[key]!r} and {setting!r}"
            raise click.BadParameter(message)
        pairs[key] = setting
    return pairs
