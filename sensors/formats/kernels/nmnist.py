"""Decodes the 40-bit events of N-MNIST."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import Int64Array
from sensors.formats.kernels.marks import mark
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import Columns
from sensors.formats.verdicts import OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["decode"]

OVERFLOW_ROW = 240
OVERFLOW_US = 1 << 13
TIME_BITS = 23


@njit(cache=True, nogil=True)
def decode(
    words: npt.NDArray[np.uint8],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel``; limits are width and height, state is last time, last raw, shift."""
    width, height = limits[0], limits[1]
    salvage = room.offset.size > 0
    filled = marked = np.int64(0)
    consumed = words.size - words.size % 5
    for i in range(0, consumed, 5):
        column, row = words[i], words[i + 1]
        if row == OVERFLOW_ROW:
            state[2] += OVERFLOW_US
            continue
        raw = (np.int64(words[i + 2] & 0x7F) << 16) | (np.int64(words[i + 3]) << 8) | np.int64(words[i + 4])
        outside = column >= width or row >= height
        if not outside:
            if raw < state[1] and wraps(raw, state[1], TIME_BITS):
                state[2] += 1 << TIME_BITS
            state[1] = raw
        time_us = raw + state[2]
        back = time_us < state[0]
        if not salvage and (outside or back):
            return i, filled, 0, OUT_OF_RANGE if outside else TIME_BACK
        if outside:
            if marked == len(marks):
                return i, filled, marked, SOUND
            marked = mark(marks, marked, np.int64(base + i), np.int64(5), np.int64(OUT_OF_RANGE), np.int64(1))
            continue
        if filled == room.t.size:
            return i, filled, marked, SOUND
        state[0] = time_us
        room.t[filled], room.x[filled], room.y[filled] = time_us, column, row
        room.p[filled] = words[i + 2] >= 0x80
        if salvage:
            room.offset[filled], room.end[filled] = base + i, base + i + 5
        filled += 1
    return consumed, filled, marked, SOUND
