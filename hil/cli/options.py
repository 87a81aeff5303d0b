"""Options that commands of several packages share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["figure_path", "key_values"]

FIGURES = (".pdf", ".png", ".svg")


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


def figure_path(_ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse, before the work, a figure that could not be written after it.

    Raises:
        click.BadParameter: The suffix says no format we draw, or the folder is not there.
    """
    if value is None:
        return None
    if value.suffix not in FIGURES:
        message = f"a figure is named *{', *'.join(FIGURES)}, but got {value.name!r}"
        raise click.BadParameter(message)
    if not value.parent.is_dir():
        message = f"there is no folder {str(value.parent)!r} to write {value.name!r} to"
        raise click.BadParameter(message)
    return value
