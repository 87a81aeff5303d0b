"""Takes columns as other programs name and type them, and makes events of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError
from hil.types import Geometry, Int64Array
from sensors.formats.sink import EARLIEST_US, Sink

__all__ = ["NAMES", "commit", "microseconds", "name_columns"]

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
    by_lower = {name.lower(): name for name in available}
    found = {}
    for column, names in NAMES.items():
        matches = [by_lower[name] for name in names if name in by_lower]
        if matches:
            found[column] = matches[0]
    return found


def microseconds(t: npt.NDArray[Any], unit_us: int | None = None) -> Int64Array:
    """Return times as whole microseconds: numbers with a point are seconds, others microseconds.

    Raises:
        ValueError: A time is no number, or beyond what 63 bits hold.
    """
    if t.dtype.kind == "f":
        scaled = t.astype(np.float64) * (unit_us or 1_000_000)
        if not np.all(np.isfinite(scaled)) or np.any(np.abs(scaled) > 2.0**62):
            message = "a time is no number that microseconds can hold"
            raise ValueError(message)
        return np.rint(scaled).astype(np.int64)
    if t.dtype.kind == "u" and t.size and int(t.max()) >= 1 << 62:
        message = f"a time of {int(t.max())} us is beyond what 63 bits hold"
        raise ValueError(message)
    return t.astype(np.int64) * (unit_us or 1)


def commit(
    sink: Sink,
    columns: Mapping[str, npt.NDArray[Any]],
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
        DamagedFileError: An event is outside the sensor or earlier than the one before; in salvage it is left out.
    """
    t, x, y, p = (columns[name] for name in "txyp")
    outside = ~((x >= 0) & (y >= 0) & (x < geometry.width) & (y < geometry.height))  # what is no number lies nowhere
    if sink.salvage:
        _account(sink, outside, place[0])
        t, x, y, p = (column[~outside] for column in (t, x, y, p))
    else:
        _refuse(outside, "lies outside the sensor", place[0], first)
        _refuse(
            np.diff(t, prepend=max(sink.last_us, EARLIEST_US)) < 0, "is earlier than the one before", place[0], first
        )
    count = len(t)
    room = sink.room(count)
    room.t[:count], room.x[:count], room.y[:count], room.p[:count] = t, x, y, p > 0
    if sink.salvage:
        room.offset[:count], room.end[:count] = place[0], place[0]
    sink.commit(count)


def _account(sink: Sink, outside: npt.NDArray[np.bool_], offset: int) -> None:
    if outside.any():
        sink.account.add(offset, 0, "an event lies outside the sensor", events=int(outside.sum()))


def _refuse(bad: npt.NDArray[np.bool_], what: str, offset: int, first: int) -> None:
    if bad.any():
        message = f"event {first + int(np.argmax(bad))} {what}"
        raise DamagedFileError(message, offset_bytes=offset)
