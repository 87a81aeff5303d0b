"""Decodes Prophesee EVT 3.0 words.

After docs.prophesee.ai, "EVT 3.0 Format": 16-bit words whose top 4 bits are their type set parts of a state (row,
base column, low and high 12 bits of the time), and a column or a vector word makes events of it. A new time-high
word makes the low part 0. Words before the first time-high and row are passed over: a camera starts to record in the
middle of its stream. Type 1 is the row of an exposure measurement, whose columns are no events.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array
from sensors.formats.kernels.marks import mark
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import Columns
from sensors.formats.verdicts import NO_PLACE, OUT_OF_RANGE, SOUND, TIME_BACK, UNKNOWN_WORD

__all__ = ["STATE", "decode", "encode"]

ADDR_Y, EM_ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW, CONTINUED_4, TIME_HIGH = range(9)
EXT_TRIGGER, OTHERS, CONTINUED_12 = 0xA, 0xE, 0xF
HIGH_BITS = 12
LONGEST_STEP = 1 << (HIGH_BITS - 3)
NONE, LOST = -1, -2  # not seen yet; no longer known, because a damaged word may have set it
STATE = (np.iinfo(np.int64).min // 2, NONE, NONE, 0, 0, NONE, NONE, 0)


@njit(cache=True, nogil=True)
def decode(
    words: npt.NDArray[np.uint16],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel``.

    Limits are width, height and how late an event may be; state is the latest time, the time of the last time-high
    word, that word's own value, how often the counter started over, the low time, the row, the base column and its
    polarity; -1 is none yet.
    """
    width, height, late_us = limits[0], limits[1], limits[2]
    latest, high_us, raw_high, loops = state[0], state[1], state[2], state[3]
    low_us, row, base_x, base_p = state[4], state[5], state[6], state[7]
    salvage = room.offset.size > 0
    capacity = room.t.size
    filled = marked = i = 0
    verdict = SOUND
    while i < words.size:
        word = words[i]
        kind = word >> 12
        value = np.int64(word & 0xFFF)
        if kind in (ADDR_X, VECT_12, VECT_8):
            if kind == ADDR_X:
                column, polarity, count, last = value & 0x7FF, value >> 11, 1, 0
                mask = np.int64(1)
            else:
                column, polarity = base_x, base_p
                mask = value if kind == VECT_12 else value & 0xFF
                count = last = 0
                rest = mask
                while rest:
                    count += rest & 1
                    rest >>= 1
                    last += 1
                last -= 1
                if base_x >= 0:
                    base_x += 12 if kind == VECT_12 else 8
            if count and high_us >= 0 and LOST in (row, column):
                if marked == len(marks):
                    if kind != ADDR_X:
                        base_x = column
                    break
                marked = mark(marks, marked, base + 2 * i, 2, NO_PLACE, count)
            elif count and high_us >= 0 and row >= 0 and column >= 0:
                time_us = high_us | low_us
                problem = SOUND
                if row >= height or column + last >= width:
                    problem = OUT_OF_RANGE
                elif time_us < latest - late_us and not salvage:
                    problem = TIME_BACK
                if problem != SOUND:
                    if not salvage:
                        verdict = problem
                        break
                    if marked == len(marks):
                        if kind != ADDR_X:
                            base_x = column
                        break
                    marked = mark(marks, marked, base + 2 * i, 2, problem, count)
                else:
                    if filled + count > capacity:
                        if kind != ADDR_X:
                            base_x = column
                        break
                    latest = max(latest, time_us)
                    while mask:
                        if mask & 1:
                            room.t[filled] = time_us
                            room.x[filled] = column
                            room.y[filled] = row
                            room.p[filled] = polarity
                            if salvage:
                                room.offset[filled] = base + 2 * i
                                room.end[filled] = base + 2 * i + 2
                            filled += 1
                        mask >>= 1
                        column += 1
        elif kind == ADDR_Y:
            row = value & 0x7FF
        elif kind == TIME_LOW:
            low_us = value
        elif kind == VECT_BASE_X:
            base_x, base_p = value & 0x7FF, value >> 11
        elif kind == TIME_HIGH:
            if value != raw_high:
                low_us = 0
                if value < raw_high and wraps(value, raw_high, HIGH_BITS):
                    loops += 1
            raw_high = value
            high_us = ((loops << HIGH_BITS) | value) << 12
        elif kind == EM_ADDR_Y:
            row = NONE
        elif kind not in (EXT_TRIGGER, OTHERS, CONTINUED_4, CONTINUED_12):
            if not salvage:
                verdict = UNKNOWN_WORD
                break
            if marked == len(marks):
                break
            marked = mark(marks, marked, base + 2 * i, 2, UNKNOWN_WORD, -1)
            row = base_x = LOST
        i += 1
    state[0], state[1], state[2], state[3] = latest, high_us, raw_high, loops
    state[4], state[5], state[6], state[7] = low_us, row, base_x, base_p
    return i, filled, marked, verdict


@njit(cache=True, nogil=True)
def encode(
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    p: BoolArray,
    width: int,
    state: Int64Array,
    words: npt.NDArray[np.uint16],
) -> tuple[int, int]:
    """Write columns as EVT 3.0 words until either runs out, neighbours that fire together as vectors.

    Args:
        t: (n_events,) never decreasing, from 0.
        x: (n_events,) below the width.
        y: (n_events,) below 2048.
        p: (n_events,).
        width: Columns of the sensor, at most 2048.
        state: High time, low time and row last written, -1 for none; remembered between calls.
        words: (n_words,) out.

    Returns:
        How many events were taken and how many words written.
    """
    written = i = 0
    while i < t.size and written + 4 <= words.size:
        high = t[i] >> 12
        if high != state[0]:
            # a silence longer than a quarter of the counter's range is crossed in steps, or its wraps go unseen;
            # a late start is one, too
            if high - max(state[0], 0) > LONGEST_STEP:
                high = max(state[0], 0) + LONGEST_STEP
            state[0], state[1] = high, 0
            words[written] = (TIME_HIGH << 12) | (high & 0xFFF)
        elif t[i] & 0xFFF != state[1]:
            state[1] = t[i] & 0xFFF
            words[written] = (TIME_LOW << 12) | state[1]
        elif y[i] != state[2]:
            state[2] = y[i]
            words[written] = (ADDR_Y << 12) | y[i]
        else:
            start = max(min(np.int64(x[i]), width - 32), 0)
            count = 1
            mask = np.int64(1) << (np.int64(x[i]) - start)
            while i + count < t.size and t[i + count] == t[i] and y[i + count] == y[i] and p[i + count] == p[i]:
                if x[i + count] <= x[i + count - 1] or x[i + count] >= start + 32:
                    break
                mask |= np.int64(1) << (np.int64(x[i + count]) - start)
                count += 1
            if count < 5 or width < 32:
                words[written] = (ADDR_X << 12) | (np.int64(p[i]) << 11) | x[i]
                count = 1
            else:
                words[written] = (VECT_BASE_X << 12) | (np.int64(p[i]) << 11) | start
                words[written + 1] = (VECT_12 << 12) | (mask & 0xFFF)
                words[written + 2] = (VECT_12 << 12) | ((mask >> 12) & 0xFFF)
                words[written + 3] = (VECT_8 << 12) | ((mask >> 24) & 0xFF)
                written += 3
            i += count
        written += 1
    return i, written
