"""Spreads the 16-byte event structures of AEDAT4 packets into columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array
from sensors.formats.sink import Columns
from sensors.formats.verdicts import BAD_POLARITY, OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["pack", "unpack"]

BLOCK = 1024


@njit(cache=True, nogil=True)
def unpack(words: npt.NDArray[np.uint64], width: int, height: int, floor_us: int, room: Columns) -> tuple[int, int]:
    """Fill the columns; return how many events are sound and what is wrong with the next one.

    Args:
        words: (2 * n_events,) uint64, each event as its time, and column, row, polarity and padding.
        width: Columns of the sensor.
        height: Rows of the sensor.
        floor_us: No event may be earlier than this.
        room: For at least ``n_events``.
    """
    n = words.size // 2
    last = np.int64(floor_us)
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        block = words[2 * start : 2 * stop]
        t, x = room.t[start:stop], room.x[start:stop]
        y, p = room.y[start:stop], room.p[start:stop]
        widest = highest = any_p = np.uint64(0)
        for i in range(t.size):
            address = block[2 * i + 1]
            column = address & np.uint64(0xFFFF)
            row = (address >> np.uint64(16)) & np.uint64(0xFFFF)
            polarity = (address >> np.uint64(32)) & np.uint64(0xFF)
            t[i] = np.int64(block[2 * i])
            x[i] = column
            y[i] = row
            p[i] = polarity != np.uint64(0)
            widest, highest, any_p = max(widest, column), max(highest, row), any_p | polarity
        back = t[0] < last
        for i in range(1, t.size):
            back |= t[i] < t[i - 1]
        if back or widest >= width or highest >= height or any_p > np.uint64(1):
            return _first_problem(block, width, height, last, start)
        last = t[t.size - 1]
    return n, SOUND


@njit(cache=True, nogil=True)
def _first_problem(block: npt.NDArray[np.uint64], width: int, height: int, last: int, start: int) -> tuple[int, int]:
    for i in range(block.size // 2):
        address = block[2 * i + 1]
        time_us = np.int64(block[2 * i])
        if address & np.uint64(0xFFFF) >= width or (address >> np.uint64(16)) & np.uint64(0xFFFF) >= height:
            return start + i, OUT_OF_RANGE
        if (address >> np.uint64(32)) & np.uint64(0xFF) > np.uint64(1):
            return start + i, BAD_POLARITY
        if time_us < last:
            return start + i, TIME_BACK
        last = time_us
    return start + block.size // 2, SOUND


@njit(cache=True, nogil=True)
def pack(t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray, words: npt.NDArray[np.uint32]) -> None:
    """Write columns as event structures into (4 * n_events,) uint32 words."""
    for i in range(t.size):
        words[4 * i] = t[i] & 0xFFFFFFFF
        words[4 * i + 1] = (t[i] >> 32) & 0xFFFFFFFF
        words[4 * i + 2] = np.uint32(x[i]) | (np.uint32(y[i]) << np.uint32(16))
        words[4 * i + 3] = p[i]
