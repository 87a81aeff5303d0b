"""Decodes Event Stream files: bytes whose first one says how much time passed since the event before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import Int64Array
from sensors.formats.kernels.marks import mark
from sensors.formats.sink import Columns
from sensors.formats.verdicts import OUT_OF_RANGE, SOUND

__all__ = ["decode"]

EVENT_BYTES = 5


@njit(cache=True, nogil=True)
def decode(
    words: npt.NDArray[np.uint8],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel``.

    Limits are width, height and the bits of a first byte that are no time: 1 for a DVS stream (the polarity), 2 for
    an ATIS stream (also whether it is a threshold crossing, which is no event here); state is the time.
    """
    width, height, flag_bits = limits[0], limits[1], limits[2]
    largest_us = (1 << (8 - flag_bits)) - 1
    salvage = room.offset.size > 0
    filled = marked = i = np.int64(0)
    while i < words.size:
        first = np.int64(words[i])
        passed_us = first >> flag_bits
        if passed_us == largest_us:
            # overflow: DVS adds one span with 0xFF and resets with 0xFE, ATIS adds as many spans as its low bits say
            spans = first & 3 if flag_bits == 2 else first & 1
            state[0] += spans * largest_us
            i += 1
            continue
        if i + EVENT_BYTES > words.size:
            break
        column = np.int64(words[i + 1]) | (np.int64(words[i + 2]) << 8)
        row = np.int64(words[i + 3]) | (np.int64(words[i + 4]) << 8)
        if column >= width or row >= height:
            if not salvage:
                return i, filled, 0, OUT_OF_RANGE
            if marked == len(marks):
                break
            marked = mark(marks, marked, base + i, np.int64(1), np.int64(OUT_OF_RANGE), np.int64(-1))
            i += 1
            continue
        if filled == room.t.size:
            break
        state[0] += passed_us
        crossing = flag_bits == 2 and first & 1
        if not crossing:
            room.t[filled], room.x[filled] = state[0], column
            room.y[filled] = height - 1 - row
            room.p[filled] = (first >> (flag_bits - 1)) & 1
            if salvage:
                room.offset[filled], room.end[filled] = base + i, base + i + EVENT_BYTES
            filled += 1
        i += EVENT_BYTES
    return i, filled, marked, SOUND
