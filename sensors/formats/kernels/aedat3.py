"""Spreads the polarity events of AEDAT 3.1 packets into columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from sensors.formats.sink import Columns
from sensors.formats.verdicts import OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["unpack"]


@njit(cache=True, nogil=True)
def unpack(
    words: npt.NDArray[np.uint32], shift_us: int, width: int, height: int, floor_us: int, room: Columns
) -> tuple[int, int, int]:
    """Fill the columns with the valid events; return how many, how many were looked at, and what is wrong next.

    Args:
        words: (2 * n_events,) uint32: address and time.
        shift_us: Added to every time.
        width: Columns of the sensor.
        height: Rows of the sensor.
        floor_us: No event may be earlier than this.
        room: Columns for at least ``n_events``.
    """
    last = np.int64(floor_us)
    filled = 0
    for i in range(words.size // 2):
        address = np.int64(words[2 * i])
        if address & 1 == 0:
            continue
        time_us = np.int64(words[2 * i + 1]) + shift_us
        column, row = address >> 17, (address >> 2) & 0x7FFF
        if column >= width or row >= height:
            return filled, i, OUT_OF_RANGE
        if time_us < last:
            return filled, i, TIME_BACK
        last = time_us
        room.t[filled], room.x[filled], room.y[filled] = time_us, column, row
        room.p[filled] = (address >> 1) & 1
        filled += 1
    return filled, words.size // 2, SOUND
