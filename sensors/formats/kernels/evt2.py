"""Decodes Prophesee EVT 2.0 and 2.1 words.

After docs.prophesee.ai, "EVT 2.0 Format" and "EVT 2.1 Format": a word's top 4 bits are its type; a time-high word
holds bits 33 to 6 of the time, an event bits 5 to 0. Events before the first time-high word have no time: a camera
starts to record in the middle of its stream, so they are passed over as the vendor's decoder does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array
from sensors.formats.kernels.marks import mark
from sensors.formats.kernels.neighbours import how_many, judge, place
from sensors.formats.kernels.order import are_sound
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import EARLIEST_US, Columns
from sensors.formats.verdicts import SOUND, UNKNOWN_WORD

__all__ = ["decode", "decode_vectors", "encode"]

CD_OFF, CD_ON, TIME_HIGH, EXT_TRIGGER, OTHERS, CONTINUED = 0x0, 0x1, 0x8, 0xA, 0xE, 0xF
HIGH_BITS = 28
LONGEST_STEP = 1 << (HIGH_BITS - 3)
STRIDE = 256  # words to look at closely before trying to sprint again
BLOCK, STRETCH = 64, 2048  # words to decode at once, and to check at once


@njit(cache=True, nogil=True)
def decode(
    words: npt.NDArray[np.uint32],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel`` for EVT 2.0.

    Limits are width, height and how late an event may be; state is the latest time, the time of the last time-high
    word (-1 before the first), that word's own value, and how often the counter started over.
    """
    used, filled, stop = np.int64(0), np.int64(0), words.size
    if not room.offset.size:
        used, filled = _sprint(words, limits, state, room)
        if used == words.size:
            return used, filled, 0, SOUND
        stop = min(used + STRIDE, words.size)
    walked, filled, marked, verdict = _walk(words[used:stop], base + 4 * used, limits, state, room, filled, marks)
    return used + walked, filled, marked, verdict


@njit(cache=True, nogil=True)
def _sprint(words: npt.NDArray[np.uint32], limits: Int64Array, state: Int64Array, room: Columns) -> tuple[int, int]:
    """Decode stretches of events and time-high words on vectors; stop before the first that holds anything else.

    Every block is decoded as if it held events only, and what a time-high word cuts off is done again: that is faster
    than to look for the word first.
    """
    t, x, y, p = room.t, room.x, room.y, room.p
    width, height = np.uint16(min(limits[0], 0x800)), np.uint16(min(limits[1], 0x800))
    latest, high_us, raw_high = state[0], state[1], state[2]
    if high_us < 0 or words.size < BLOCK or t.size < BLOCK:
        return 0, 0
    last_block, last_room, one = np.uint64(words.size - BLOCK), np.uint64(t.size - BLOCK), np.uint64(1)
    used = filled = np.uint64(0)
    usual = True
    while usual and used <= last_block and filled <= last_room:
        at, to = used, filled
        until = min(last_block, used + np.uint64(STRETCH))
        while usual and at <= until and to <= last_room:
            kinds = np.uint32(0)
            for i in range(np.uint64(BLOCK)):
                word = words[at + i]
                t[to + i] = high_us | np.int64((word >> np.uint32(22)) & np.uint32(0x3F))
                x[to + i] = (word >> np.uint32(11)) & np.uint32(0x7FF)
                y[to + i] = word & np.uint32(0x7FF)
                p[to + i] = word >> np.uint32(28)
                kinds |= word
            count = np.uint64(BLOCK)
            if kinds >> np.uint32(29):
                count = np.uint64(0)
                while words[at + count] >> np.uint32(29) == 0:
                    count += one
                other = words[at + count]
                value = np.int64(other & np.uint32(0x0FFFFFFF))
                usual = other >> np.uint32(28) == TIME_HIGH and value >= raw_high
                if usual:
                    raw_high = value
                    high_us = ((state[3] << HIGH_BITS) | value) << 6
                    at += one
            at, to = at + count, to + count
        if not are_sound(t[filled:to], x[filled:to], y[filled:to], latest, width, height):
            break
        if to > filled:
            latest = t[to - one]
        used, filled = at, to
        state[0], state[1], state[2] = latest, high_us, raw_high
    return np.int64(used), np.int64(filled)


@njit(cache=True, nogil=True)
def decode_vectors(
    words: npt.NDArray[np.uint64],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel`` for EVT 2.1: an event word holds 32 neighbouring pixels as a mask.

    Limits and state as ``decode``; a fourth limit is 1 where the halves of a word are swapped.
    """
    return _walk(words, base, limits, state, room, np.int64(0), marks)


@njit(cache=True, nogil=True)
def _halves(word: int, size: int, are_swapped: int) -> tuple[int, int]:
    """Return what a word says, and which of its pixels fired: one, where it has no mask."""
    if size < 8:
        return np.int64(word), np.int64(1)
    low, high = np.int64(word & np.uint64(0xFFFFFFFF)), np.int64(np.uint64(word) >> np.uint64(32))
    return (low, high) if are_swapped else (high, low)


@njit(cache=True, nogil=True)
def _walk(
    words: npt.NDArray[Any],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    filled: int,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Decode words of either size, with a close look: other words, wraps, late events and damage."""
    t, x, y, p, offset, end = room.t, room.x, room.y, room.p, room.offset, room.end
    width, height, late_us = limits[0], limits[1], limits[2]
    latest, high_us, raw_high, loops = state[0], state[1], state[2], state[3]
    size, salvage = words.itemsize, offset.size > 0
    marked = i = np.int64(0)
    verdict = SOUND
    while i < words.size:
        word, mask = _halves(words[i], size, limits[3])
        kind = word >> 28
        value = word & 0x0FFFFFFF
        reason, events, at = SOUND, np.int64(-1), base + size * i
        if kind <= CD_ON:
            if high_us >= 0 and mask:
                time_us = high_us | (value >> 22)
                column, row = (value >> 11) & 0x7FF, value & 0x7FF
                events = how_many(mask)
                earliest_us = EARLIEST_US if salvage else latest - late_us
                reason = judge(width, height, earliest_us, latest, time_us, column, row, mask)
                if reason <= SOUND:
                    if filled + events > t.size:
                        break
                    for k in range(filled, filled + events):
                        lowest = mask & -mask
                        t[k], x[k], y[k], p[k] = time_us, column + place(lowest), row, kind == CD_ON
                        if salvage:
                            offset[k], end[k] = at, at + size
                        mask ^= lowest
                    filled += events
                    latest = max(latest, time_us)
                    verdict = min(verdict, reason)
        elif kind == TIME_HIGH:
            if value < raw_high and wraps(value, raw_high, HIGH_BITS):
                loops += 1
            raw_high = value
            high_us = ((loops << HIGH_BITS) | value) << 6
        elif kind not in (EXT_TRIGGER, OTHERS, CONTINUED):
            reason = UNKNOWN_WORD
        if reason > SOUND:
            if not salvage:
                verdict = reason
                break
            if marked == len(marks):
                break
            marked = mark(marks, marked, at, size, reason, events)
        i += 1
    state[0], state[1], state[2], state[3] = latest, high_us, raw_high, loops
    return i, filled, marked, verdict


@njit(cache=True, nogil=True)
def encode(
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    p: BoolArray,
    state: Int64Array,
    words: npt.NDArray[np.uint32],
) -> tuple[int, int]:
    """Write columns as EVT 2.0 words until either runs out.

    Args:
        t: (n_events,) never decreasing, from 0.
        x: (n_events,) below 2048.
        y: (n_events,) below 2048.
        p: (n_events,).
        state: Time above bit 6 of the last time-high word written, -1 for none; remembered between calls.
        words: (n_words,) out.

    Returns:
        How many events were taken and how many words written.
    """
    written = i = 0
    while i < t.size and written + 2 <= words.size:
        high = t[i] >> 6
        if high != state[0]:
            # a silence longer than a quarter of the counter's range is crossed in steps, or its wraps go unseen
            if state[0] >= 0 and high - state[0] > LONGEST_STEP:
                high = state[0] + LONGEST_STEP
            state[0] = high
            words[written] = np.uint32(0x80000000) | np.uint32(high & 0x0FFFFFFF)
            written += 1
            continue
        words[written] = np.uint32((np.int64(p[i]) << 28) | ((t[i] & 0x3F) << 22) | (np.int64(x[i]) << 11) | y[i])
        written += 1
        i += 1
    return i, written
