"""Spreads the 16-byte event structures of AEDAT4 packets into columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array
from sensors.formats.verdicts import BAD_POLARITY, OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["pack", "unpack"]


@njit(cache=True, nogil=True)
def unpack(
    words: npt.NDArray[np.uint32],
    width: int,
    height: int,
    floor_us: int,
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    p: BoolArray,
) -> tuple[int, int]:
    """Fill the columns; return how many events are sound and what is wrong with the next one.

    Args:
        words: (4 * n_events,) uint32, each event as time low, time high, x and y, polarity and padding.
        width: Columns of the sensor.
        height: Rows of the sensor.
        floor_us: No event may be earlier than this.
        t: (n_events,) int64 out.
        x: (n_events,) uint16 out.
        y: (n_events,) uint16 out.
        p: (n_events,) bool out.
    """
    last = np.int64(floor_us)
    for i in range(words.size // 4):
        time_us = np.int64(words[4 * i]) | (np.int64(words[4 * i + 1]) << 32)
        column = words[4 * i + 2] & 0xFFFF
        row = words[4 * i + 2] >> 16
        polarity = words[4 * i + 3] & 0xFF
        if column >= width or row >= height:
            return i, OUT_OF_RANGE
        if polarity > 1:
            return i, BAD_POLARITY
        if time_us < last:
            return i, TIME_BACK
        last = time_us
        t[i] = time_us
        x[i] = column
        y[i] = row
        p[i] = polarity == 1
    return words.size // 4, SOUND


@njit(cache=True, nogil=True)
def pack(t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray, words: npt.NDArray[np.uint32]) -> None:
    """Write columns as event structures into (4 * n_events,) uint32 words."""
    for i in range(t.size):
        words[4 * i] = t[i] & 0xFFFFFFFF
        words[4 * i + 1] = (t[i] >> 32) & 0xFFFFFFFF
        words[4 * i + 2] = np.uint32(x[i]) | (np.uint32(y[i]) << np.uint32(16))
        words[4 * i + 3] = p[i]
