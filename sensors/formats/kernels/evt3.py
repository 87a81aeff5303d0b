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
from sensors.formats.kernels.neighbours import how_many, judge, place
from sensors.formats.kernels.order import are_sound
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import EARLIEST_US, Columns
from sensors.formats.verdicts import NO_PLACE, SOUND, UNKNOWN_WORD

__all__ = ["STATE", "decode", "encode"]

ADDR_Y, EM_ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW, CONTINUED_4, TIME_HIGH = range(9)
EXT_TRIGGER, OTHERS, CONTINUED_12 = 0xA, 0xE, 0xF
HIGH_BITS = 12
LONGEST_STEP = 1 << (HIGH_BITS - 3)
STRIDE = 256  # words to look at closely before trying to sprint again
STRETCH = 2048  # words to check at once
MOST_WORDS, MOST_EVENTS = 4, 36  # that one step of the sprint can take, and write: a pair of columns and a vector
NEITHER = np.uint16(0xD000)  # bits of a word's type that neither a row nor a column has
NONE, LOST = -1, -2  # not seen yet; no longer known, because a damaged word may have set it
STATE = (np.iinfo(np.int64).min // 2, NONE, NONE, 0, 0, NONE, NONE, 0, 0)


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
    polarity, and where a sprint was last sound; -1 is none yet.
    """
    used, filled, stop = np.int64(0), np.int64(0), words.size
    if not room.offset.size:
        state[8] = 0
        used, filled = _sprint(words, limits, state, room)
        if used == words.size:
            return used, filled, 0, SOUND
        stop = min(used + STRIDE, words.size)
    walked, filled, marked, verdict = _walk(words[used:stop], base + 2 * used, limits, state, room, filled, marks)
    return used + walked, filled, marked, verdict


@njit(cache=True, nogil=True)
def _sprint(words: npt.NDArray[np.uint16], limits: Int64Array, state: Int64Array, room: Columns) -> tuple[int, int]:
    """Decode stretches of the usual words with as few branches as they allow; stop before one that is not sound.

    A row and a column word go the same way: an event is written either way, and kept if it was a column. Words are
    written as they are; that a column's holds the polarity too is sorted out for a stretch at once, on vectors.
    """
    t, x, y, p = room.t, room.x, room.y, room.p
    width, height = np.uint16(min(limits[0], 0x800)), np.uint16(min(limits[1], 0x800))
    high_us, raw_high, low_us, base_x = state[1], state[2], state[4], state[6]
    if high_us < 0 or state[5] < 0 or words.size < MOST_WORDS:
        return 0, 0
    row, base_p = np.uint16(state[5]), state[7] << 11
    now_us = high_us | low_us
    used, filled, one = np.uint64(0), np.uint64(0), np.uint64(1)
    usual = True
    while usual:
        first = filled
        until = used + np.uint64(_budget(words.size, used, t.size, filled))
        if until == used:
            break
        while used < until:
            word = words[used]
            while used < until and word & NEITHER == 0:
                is_event = np.uint64(word >> np.uint16(13))
                t[filled], x[filled], y[filled] = now_us, word, row
                filled += is_event
                row = row if is_event else word
                used += one
                word = words[used]
            if used >= until:
                break
            kind = word >> np.uint16(12)
            if kind == VECT_BASE_X:
                base_x, base_p = np.int64(word & np.uint16(0x7FF)), np.int64(word & np.uint16(0x800))
                used += one
                word = words[used]
                kind = word >> np.uint16(12)
                if kind != VECT_12:
                    continue
            if kind == VECT_12:
                second, third = words[used + one], words[used + one + one]
                whole = (second >> np.uint16(12) == VECT_12) & (third >> np.uint16(12) == VECT_8)
                if not whole or not 0 <= base_x <= 0x7E0:
                    usual = False
                    break
                mask = np.uint64(word & np.uint16(0xFFF)) | np.uint64(second & np.uint16(0xFFF)) << np.uint64(12)
                mask |= np.uint64(third & np.uint16(0xFF)) << np.uint64(24)
                while mask:
                    lowest = mask & (~mask + one)
                    t[filled], x[filled], y[filled] = now_us, base_x + place(lowest) | base_p, row
                    filled += one
                    mask ^= lowest
                base_x += 32
                used += one + one
                until = min(until, used + one + np.uint64(_budget(words.size, used + one, t.size, filled)))
            elif kind == TIME_LOW:
                low_us = np.int64(word & np.uint16(0xFFF))
                now_us = high_us | low_us
            elif kind == TIME_HIGH and np.int64(word & np.uint16(0xFFF)) >= raw_high:
                if np.int64(word & np.uint16(0xFFF)) != raw_high:
                    raw_high, low_us = np.int64(word & np.uint16(0xFFF)), np.int64(0)
                    high_us = ((state[3] << HIGH_BITS) | raw_high) << 12
                    now_us = high_us
            else:
                usual = False
                break
            used += one
        for i in range(first, filled):
            p[i] = (x[i] >> np.uint16(11)) & np.uint16(1)
            x[i] &= np.uint16(0x7FF)
            y[i] &= np.uint16(0x7FF)
        if not are_sound(t[first:filled], x[first:filled], y[first:filled], state[0], width, height):
            return np.int64(state[8]), np.int64(first)
        if filled > first:
            state[0] = t[filled - one]
        state[1], state[2], state[4], state[5] = high_us, raw_high, low_us, np.int64(row & np.uint16(0x7FF))
        state[6], state[7], state[8] = base_x, base_p >> 11, np.int64(used)
    return np.int64(used), np.int64(filled)


@njit(cache=True, nogil=True)
def _budget(n_words: int, used: int, capacity: int, filled: int) -> int:
    """Return how many words may be taken unseen, as each may write an event and the last a vector of them."""
    words_left = np.int64(n_words) - np.int64(used) - (MOST_WORDS - 1)
    room_left = np.int64(capacity) - np.int64(filled) - MOST_EVENTS
    return max(min(words_left, room_left, STRETCH), 0)


@njit(cache=True, nogil=True)
def _walk(
    words: npt.NDArray[np.uint16],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    filled: int,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Decode a stretch that needs a closer look: the start, other words, wraps, late events and damage."""
    t, x, y, p, offset, end = room.t, room.x, room.y, room.p, room.offset, room.end
    width, height, late_us = limits[0], limits[1], limits[2]
    latest, high_us, raw_high, loops = state[0], state[1], state[2], state[3]
    low_us, row, base_x, base_p = state[4], state[5], state[6], state[7]
    salvage = offset.size > 0
    marked = i = np.int64(0)
    verdict = SOUND
    while i < words.size:
        kind = words[i] >> np.uint16(12)
        value = np.int64(words[i] & np.uint16(0xFFF))
        reason, events, at = SOUND, np.int64(-1), base + 2 * i
        if kind in (ADDR_X, VECT_12, VECT_8):
            is_vector = kind != ADDR_X
            mask = np.int64(1) if not is_vector else value if kind == VECT_12 else value & 0xFF
            column = base_x if is_vector else value & 0x7FF
            polarity = base_p if is_vector else value >> 11
            if mask and high_us >= 0:
                time_us, events = high_us | low_us, how_many(mask)
                if LOST in (row, column):
                    reason = NO_PLACE
                elif row >= 0 and column >= 0:
                    earliest_us = EARLIEST_US if salvage else latest - late_us
                    reason = judge(width, height, earliest_us, latest, time_us, column, row, mask)
                if reason <= SOUND and row >= 0 and column >= 0:
                    if filled + events > t.size:
                        break
                    for k in range(filled, filled + events):
                        lowest = mask & -mask
                        t[k], x[k], y[k], p[k] = time_us, column + place(lowest), row, polarity
                        if salvage:
                            offset[k], end[k] = at, at + 2
                        mask ^= lowest
                    filled += events
                    latest = max(latest, time_us)
                    verdict = min(verdict, reason)
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
            reason = UNKNOWN_WORD
        if reason > SOUND:
            if not salvage:
                verdict = reason
                break
            if marked == len(marks):
                break
            marked = mark(marks, marked, at, 2, reason, events)
            if reason == UNKNOWN_WORD:
                row = base_x = LOST
        if base_x >= 0 and kind in (VECT_12, VECT_8):
            base_x += 12 if kind == VECT_12 else 8
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
    vector_events: int,
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
        vector_events: Fewest neighbours to write as a vector.
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
            state[0], state[1] = high, -1  # some readers keep the old low part
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
            if count < vector_events or width < 32:
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
