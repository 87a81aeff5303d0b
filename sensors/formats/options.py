"""Reads a format's settings, which arrive as text."""

from __future__ import annotations

from collections.abc import Mapping

from hil.errors import InvalidValueError
from hil.types import Geometry

__all__ = ["choice", "geometry", "number"]


def number(options: Mapping[str, str], key: str, default: int | None, *, low: int, high: int) -> int:
    """Return an integer option.

    Raises:
        InvalidValueError: It is absent and has no default, is no integer, or is out of range.
    """
    text = options.get(key)
    if text is None and default is not None:
        return default
    try:
        value = int(text or "", 0)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        got = "is not given" if text is None else f"is {text!r}"
        message = f"option {key} must be an integer from {low} to {high}, but {got}"
        raise InvalidValueError(message)
    return value


def choice(options: Mapping[str, str], key: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return an option that is one of a few words.

    Raises:
        InvalidValueError: It is none of them.
    """
    value = options.get(key, default)
    if value not in allowed:
        message = f"option {key} must be one of {', '.join(allowed)}, but is {value!r}"
        raise InvalidValueError(message)
    return value


def geometry(options: Mapping[str, str], default: Geometry) -> Geometry:
    """Return the size of the sensor, from options ``width`` and ``height`` where they are given."""
    return Geometry(
        number(options, "width", default.width, low=1, high=65536),
        number(options, "height", default.height, low=1, high=65536),
    )
