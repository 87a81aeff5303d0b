"""Makes frozen configurations of plain documents, and says in one line what is wrong with a document."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from hil.errors import ConfigError, HilError

__all__ = ["read_toml", "structured", "toml_value", "unknown_key"]

Config = TypeVar("Config")

NUMBERS: Mapping[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file as a document.

    Raises:
        ConfigError: It is not TOML.
        FileNotFoundError: There is no such file.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def toml_value(text: str) -> Any:
    """Return what a text means in TOML, or the text itself where it means nothing.

    Example:
        >>> toml_value("[1, 2]"), toml_value("0.5"), toml_value("digits")
        ([1, 2], 0.5, 'digits')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def structured(document: Mapping[str, Any], kind: type[Config], *, where: str) -> Config:
    """Return a configuration dataclass of a document.

    Args:
        document: As TOML gives it.
        kind: The dataclass.
        where: What to call the document in messages.

    Raises:
        ConfigError: A key is unknown or missing, or a value is impossible.
    """
    from cattrs import Converter
    from cattrs.errors import BaseValidationError

    converter = Converter(forbid_extra_keys=True)
    for number in (int, float, bool):
        converter.register_structure_hook(number, _exactly)
    try:
        return converter.structure(document, kind)
    except BaseValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(_reasons(error))}") from error


def _exactly(value: Any, kind: type) -> Any:
    """Return a value as a number of a kind if it is one: ``int("3")``, ``int(2.5)`` and ``bool("false")`` are not."""
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    whole = isinstance(value, float) and value.is_integer()
    if (kind is float and type(value) is int) or (kind is int and whole):
        return kind(value)
    raise ConfigError(f"must be {NUMBERS[kind]}, but is {value!r}")


def _reasons(error: BaseException) -> list[str]:
    """Say what is wrong and where, in the words of our own errors where there are any."""
    from cattrs import transform_error
    from cattrs.errors import ForbiddenExtraKeysError
    from cattrs.v import format_exception

    def told(reason: BaseException, kind: type | None) -> str:
        if isinstance(reason, ForbiddenExtraKeysError):
            known = [field.name for field in fields(reason.cl)]
            return "; ".join(unknown_key(key, known) for key in sorted(reason.extra_fields))
        if get_origin(kind) is Literal:
            return f"must be {' or '.join(map(repr, get_args(kind)))}, but is {str(reason).partition(' not in')[0]!r}"
        return str(reason) if isinstance(reason, HilError) else format_exception(reason, kind)

    return transform_error(error, path="config", format_exception=told)


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Say that a key is unknown and which there are, the one most like it first.

    Example:
        >>> unknown_key("epoch", ["layers", "epochs"])
        "unknown key 'epoch'; known, nearest first: epochs, layers"
    """
    nearest = sorted(known, key=lambda each: SequenceMatcher(None, key, each).ratio(), reverse=True)
    return f"unknown key {key!r}; known, nearest first: {', '.join(nearest) or 'none'}"
