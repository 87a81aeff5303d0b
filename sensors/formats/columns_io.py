"""Takes columns as other programs name and type them, and makes events of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError
from hil.types import BoolArray, Geometry
from sensors.formats.sink import EARLIEST_US, Sink
from sensors.formats.time_units import split_unit

__all__ = ["NAMES", "commit", "name_columns"]

Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
        "x": ("x", "xs"),
        "y": ("y", "ys"),
        "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
    }
)


def name_columns(available: Iterable[str]) -> dict[str, str]:
    """Return which of some names is which column: ``t``, ``x``, ``y``, ``p``; those that are not found are left out."""
    by_lower = {split_unit(name)[0]: name for name in available}
    found = {}
    for column, names in NAMES.items():
        matches = [by_lower[name] for name in names if name in by_lower]
        if matches:
            found[column] = matches[0]
    return found


def commit(
    sink: Sink,
    columns: Columns,
    geometry: Geometry,
    place: tuple[int, int],
    first: int,
) -> None:
    """Commit a stretch of events that came as columns.

    Args:
        sink: Takes them.
        columns: (n_events,) each of ``t`` in microseconds, ``x``, ``y``, ``p``.
        geometry: Size of the sensor.
        place: Byte offset and length of what holds them, for errors; columns have no bytes of an event's own.
        first: Number of the first event in the file.

    Raises:
        DamagedFileError: An event is none, or earlier than the one before; in salvage it is left out.
    """
    for what, is_wrong in PROBLEMS.items():
        bad = is_wrong(columns, geometry)
        if not sink.salvage:
            _refuse(bad, what, place[0], first)
        elif bad.any():
            sink.account.add(place[0], 0, f"an event {what}", events=int(bad.sum()))
            columns = {name: column[~bad] for name, column in columns.items()}
    t, x, y, p = (columns[name] for name in "txyp")
    if not sink.salvage:
        back = np.diff(t, prepend=max(sink.last_us, EARLIEST_US)) < 0
        _refuse(back, "is earlier than the one before", place[0], first)
    count = len(t)
    room = sink.room(count)
    room.t[:count], room.x[:count], room.y[:count], room.p[:count] = t, x, y, p > 0
    if sink.salvage:
        room.offset[:count], room.end[:count] = place[0], place[0]
    sink.commit(count)


def _is_outside(columns: Columns, geometry: Geometry) -> BoolArray:
    x, y = columns["x"], columns["y"]
    return ~((x >= 0) & (y >= 0) & (x < geometry.width) & (y < geometry.height))  # what is no number lies nowhere


def _is_between(columns: Columns, _geometry: Geometry) -> BoolArray:
    x, y = columns["x"], columns["y"]
    if "f" not in (x.dtype.kind, y.dtype.kind):
        return np.zeros(len(x), np.bool_)
    between: BoolArray = (x % 1 != 0) | (y % 1 != 0)
    return between


def _has_no_polarity(columns: Columns, _geometry: Geometry) -> BoolArray:
    p = columns["p"]
    return np.zeros(len(p), np.bool_) if p.dtype.kind == "b" else ~((p == 0) | (p == 1) | (p == -1))


PROBLEMS: Mapping[str, Callable[[Columns, Geometry], BoolArray]] = MappingProxyType(
    {
        "lies outside the sensor": _is_outside,
        "lies between pixels": _is_between,
        "has a polarity that is none of 0, 1 and -1": _has_no_polarity,
    }
)


def _refuse(bad: npt.NDArray[np.bool_], what: str, offset: int, first: int) -> None:
    if bad.any():
        message = f"event {first + int(np.argmax(bad))} {what}"
        raise DamagedFileError(message, offset_bytes=offset)
