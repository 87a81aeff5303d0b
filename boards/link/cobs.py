"""Consistent overhead byte stuffing, so that a zero byte can only ever be the end of a frame.

Cheshire & Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7 (1999).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from boards.link.errors import FrameError
from boards.link.verbs import Status
from hil.types import Int64Array

__all__ = ["decode", "encode"]

FULL = 254
"""Bytes in a group that ends without an implied zero."""


def encode(data: bytes) -> bytes:
    """Return the data without a zero byte, at most one byte in 254 longer plus one.

    Every zero, and a marker before the data and behind each full group, becomes the distance to the next.

    Example:
        >>> encode(bytes([0x11, 0x22, 0x00, 0x33])).hex(" ")
        '03 11 22 02 33'
    """
    marked = np.frombuffer(b"\x00" + data + b"\x00", np.uint8)
    marks = np.flatnonzero(marked == 0)
    distance = marks[1:] - marks[:-1]
    if distance.max() > FULL:
        marked = np.insert(marked, _ends_of_full_groups(marks, distance), 0)
        marks = np.flatnonzero(marked == 0)
        distance = marks[1:] - marks[:-1]
    stuffed = marked[:-1].copy()
    stuffed[marks[:-1]] = distance
    return stuffed.tobytes()


def _ends_of_full_groups(marks: Int64Array, distance: Int64Array) -> Int64Array:
    """Return where markers must go in so that none are further apart than a full group; none at the very end."""
    full = (distance - 1) // FULL
    nth = np.arange(1, full.sum() + 1) - np.repeat(np.cumsum(full) - full, full)
    places = np.repeat(marks[:-1] + 1, full) + nth * FULL
    before_end: Int64Array = places[places < marks[-1]]
    return before_end


def decode(stuffed: bytes) -> bytes:
    """Return what ``encode`` was given.

    Raises:
        FrameError: A zero byte inside, or a group longer than what is left.
    """
    if 0 in stuffed:
        message = f"stuffed bytes hold no zero, but byte {stuffed.index(0)} is one"
        raise FrameError(message, status=Status.BAD_FRAME)
    marks = []
    at, stop = 0, len(stuffed)
    while at < stop:
        marks.append(at)
        at += stuffed[at]
    if at > stop:
        first = marks[-1]
        message = f"group of {at - first - 1} bytes at byte {first} must fit, but only {stop - first - 1} are left"
        raise FrameError(message, status=Status.BAD_FRAME)
    return _unmarked(np.frombuffer(stuffed, np.uint8).copy(), np.array(marks, np.int64))


def _unmarked(plain: npt.NDArray[np.uint8], marks: Int64Array) -> bytes:
    """Return zeros in place of the marks, except the first and those behind full groups, which stand for nothing."""
    full = np.flatnonzero(plain[marks[:-1]] > FULL)
    plain[marks] = 0
    if not len(full):
        return plain[1:].tobytes()
    return np.delete(plain, np.append(marks[:1], marks[full + 1])).tobytes()
