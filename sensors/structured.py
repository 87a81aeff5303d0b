"""Hands events to and from libraries that keep them in one structured array, such as Tonic."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hil.errors import FormatError, InvalidValueError
from hil.types import EventBatch

__all__ = ["TONIC_DTYPE", "from_structured", "to_tonic"]

TONIC_DTYPE = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])


def to_tonic(events: EventBatch) -> npt.NDArray[Any]:
    """Return (n_events,) records with the fields x, y, t and p, as Tonic's data sets give them.

    Raises:
        InvalidValueError: A coordinate is above 32767, which Tonic's signed 16 bits cannot hold.
    """
    highest = max(int(events.x.max(initial=0)), int(events.y.max(initial=0)))
    if highest > np.iinfo(np.int16).max:
        message = f"Tonic holds coordinates up to 32767, but got {highest}"
        raise InvalidValueError(message)
    records = np.empty(len(events), TONIC_DTYPE)
    for name in ("x", "y", "t", "p"):
        records[name] = getattr(events, name)
    return records


def from_structured(records: npt.NDArray[Any]) -> EventBatch:
    """Return a batch from records with the fields t, x, y and p in any order and of any integer type.

    Polarities may be 0 and 1, or -1 and 1.

    Raises:
        FormatError: A field is missing.
        InvalidValueError: A value does not fit, or times go back.
    """
    missing = {"t", "x", "y", "p"} - set(records.dtype.names or ())
    if missing:
        message = f"event records need the fields t, x, y and p, but lack {', '.join(sorted(missing))}"
        raise FormatError(message)
    return EventBatch(records["t"], records["x"], records["y"], records["p"] > 0)
