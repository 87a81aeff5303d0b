"""Tables of measured cells as people keep them: separators, units and repeated readings are found, never guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from csv import reader as split_csv
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Final, Literal, TypeAlias

import numpy as np

from hil.errors import FormatError, InvalidValueError
from hil.types import Float64Array

__all__ = ["Unit", "read_table"]

Unit: TypeAlias = Literal["siemens", "microsiemens"]
SIEMENS: Final = {"siemens": 1.0, "millisiemens": 1e3, "microsiemens": 1e6, "nanosiemens": 1e9}
"""How many make one siemens: dividing by a power of ten is exact where multiplying by its inverse is not."""
SIEMENS_SHORT: Final = {"s": "siemens", "ms": "millisiemens", "us": "microsiemens", "ns": "nanosiemens"}
SECONDS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "microseconds"), 1e-6),
    **dict.fromkeys(("min", "minutes"), 60.0),
    **dict.fromkeys(("h", "hours"), 3600.0),
    **dict.fromkeys(("d", "days"), 86400.0),
}
STATISTICS: Final = ("g", "t", "mean", "std")
READINGS: Final = ("g", "t", "read")
SEPARATORS: Final = ",;\t"
LARGEST_SIEMENS: Final = 1e-2
SMALLEST_SIEMENS: Final = 1e-10
"""Of the largest conductance of a table: beyond these, somebody took one unit for another."""
HEADER: Final = re.compile(r"([a-z]+)(?:[\s_(\[]+([a-z]+)[)\]]*)?")
EXAMPLE: Final = "g_microsiemens,t_s,mean_microsiemens,std_microsiemens (or read_microsiemens for single readings)"


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a quantity stands in a row, and how its numbers become siemens or seconds."""

    name: str
    place: int
    multiplier: float
    divisor: float


def read_table(path: Path, unit: Unit) -> Float64Array:
    """Return (n, 4) g, t, mean and std of a file, in siemens and seconds.

    The first line names the columns, in any order: g, t, mean and std; or g, t and read, one row a reading, whose means
    and standard deviations (n - 1) are taken. A unit may follow the name (``g_microsiemens``, ``g (uS)``, ``t [h]``).
    Columns are separated by commas, semicolons or tabs; with the latter two, numbers may have a decimal comma. Empty
    lines, and lines that start with ``#``, say nothing.

    Args:
        path: The file.
        unit: Of the conductance columns that do not say.

    Raises:
        FormatError: A column is missing, named twice or in a unit nobody knows, or a field is not a number.
        InvalidValueError: The numbers cannot be conductances, or a level was read only once.
    """
    lines = list(_lines(path))
    if not lines:
        raise FormatError(f"{path} is empty; its first line must name the columns, as {EXAMPLE}")
    separator = max(SEPARATORS, key=lines[0][1].count)
    rows = [(number, next(split_csv([line], delimiter=separator))) for number, line in lines]
    columns = _columns(path, rows[0][1], unit)
    decimal = "." if separator == "," else ","
    filled = [(number, row) for number, row in rows[1:] if any(field.strip() for field in row)]
    if not filled:
        raise FormatError(f"{path} must hold measurements below its header, but has none")
    width = len(rows[0][1])
    values = np.array([_values(f"{path}, line {number}", row, columns, width, decimal) for number, row in filled])
    found = values if len(columns) == len(STATISTICS) else _statistics(path, values)
    _check_magnitude(path, float(found[:, (0, 2)].max()))
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} must be a table in CSV, UTF-8, but is no such text: {error}") from error
    if "\x00" in text:
        raise FormatError(f"{path} must be a table in CSV, UTF-8, but holds a zero byte")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _columns(path: Path, header: list[str], unit: Unit) -> list[_Column]:
    """Return the columns that matter, in the order of ``STATISTICS`` or ``READINGS``."""
    found: dict[str, _Column] = {}
    for place, title in enumerate(header):
        plain = title.strip().strip('"').lower().replace("\u00b5", "u").replace("\u03bc", "u")
        match = HEADER.fullmatch(plain)
        if match is None or match[1] not in {*STATISTICS, *READINGS}:
            continue
        if match[1] in found:
            raise FormatError(f"{path} has two columns for {match[1]}; keep one")
        found[match[1]] = _Column(match[1], place, *_scale(path, title.strip(), match[1], match[2], unit))
    wanted = READINGS if "read" in found else STATISTICS
    if missing := [name for name in wanted if name not in found]:
        titles = shorten(", ".join(title.strip() for title in header), 80)
        raise FormatError(f"{path} must have columns as {EXAMPLE}, but {', '.join(missing)} is missing among {titles}")
    if "read" in found and ("mean" in found or "std" in found):
        raise FormatError(f"{path} has single readings and statistics of them; keep either read, or mean and std")
    return [found[name] for name in wanted]


def _scale(path: Path, title: str, name: str, suffix: str | None, unit: Unit) -> tuple[float, float]:
    """Return what numbers of a column are multiplied and divided by."""
    if name == "t":
        known, multiplier, divisor = sorted(SECONDS), SECONDS.get(suffix or "s"), 1.0
    else:
        full = SIEMENS_SHORT.get(suffix or unit, suffix or unit)
        known, multiplier, divisor = [*SIEMENS, "uS"], 1.0 if full in SIEMENS else None, SIEMENS.get(full, 1.0)
    if multiplier is None:
        raise FormatError(f"{path}: column {title!r} must be in one of {', '.join(known)}, but says {suffix!r}")
    return multiplier, divisor


def _values(where: str, row: list[str], columns: list[_Column], width: int, decimal: str) -> list[float]:
    if len(row) != width:
        raise FormatError(f"{where} has {len(row)} fields where the header has {width}")
    return [_value(where, column, row[column.place].strip(), decimal) for column in columns]


def _value(where: str, column: _Column, text: str, decimal: str) -> float:
    try:
        value = float(text.replace(decimal, "."))
    except ValueError as error:
        shown = shorten(text, 40) or "empty"
        raise FormatError(
            f"{where}: {column.name} must be a number, but is {shown}; leave out a row that lacks one"
        ) from error
    # A single reading of a cell that hardly conducts may be negative by the noise of its reader; a mean may not.
    if not math.isfinite(value) or (value < 0 and column.name != "read"):
        raise InvalidValueError(f"{where}: {column.name} must be finite and zero or positive, but is {text}")
    return value * column.multiplier / column.divisor


def _statistics(path: Path, readings: Float64Array) -> Float64Array:
    """Return (n, 4) statistics of (m, 3) readings g, t, value: one row a level and time."""
    levels, which, counts = np.unique(readings[:, :2], axis=0, return_inverse=True, return_counts=True)
    if (counts < 2).any():
        g, t = levels[np.argmin(counts)]
        raise InvalidValueError(
            f"{path}: {g * 1e6:g} uS was read once at {t:g} s; a spread takes at least two readings of a level and time"
        )
    groups = [readings[which.ravel() == k, 2] for k in range(len(levels))]
    statistics = [(group.mean(), group.std(ddof=1)) for group in groups]
    return np.hstack([levels, np.array(statistics)])


def _check_magnitude(path: Path, largest_siemens: float) -> None:
    if largest_siemens > LARGEST_SIEMENS:
        raise InvalidValueError(
            f"conductances of {path} reach {largest_siemens:g} siemens, which no cell has; if they are microsiemens, "
            "say so with a column called g_microsiemens, --unit microsiemens or unit='microsiemens'"
        )
    if largest_siemens < SMALLEST_SIEMENS:
        raise InvalidValueError(
            f"conductances of {path} reach only {largest_siemens:g} siemens; are they siemens in a column, or under a "
            "--unit, that says otherwise?"
        )
