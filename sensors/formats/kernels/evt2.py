"""Decodes Prophesee EVT 2.0 and 2.1 words.

After docs.prophesee.ai, "EVT 2.0 Format" and "EVT 2.1 Format": a word's top 4 bits are its type; a time-high word
holds bits 33 to 6 of the time, an event bits 5 to 0. Events before the first time-high word have no time: a camera
starts to record in the middle of its stream, so they are passed over as the vendor's decoder does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array
from sensors.formats.kernels.marks import mark
from sensors.formats.kernels.order import are_sound
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import Columns
from sensors.formats.verdicts import LATE, OUT_OF_RANGE, SOUND, TIME_BACK, UNKNOWN_WORD

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
def _walk(
    words: npt.NDArray[np.uint32],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    filled: int,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Decode a stretch that needs a closer look: other words, wraps, late events and damage."""
    t, x, y, p, offset, end = room.t, room.x, room.y, room.p, room.offset, room.end
    width, height, late_us = limits[0], limits[1], limits[2]
    latest, high_us, raw_high, loops = state[0], state[1], state[2], state[3]
    salvage = offset.size > 0
    marked = i = np.int64(0)
    verdict = SOUND
    while i < words.size:
        word = words[i]
        kind = word >> np.uint32(28)
        reason = np.int64(SOUND)
        if kind <= CD_ON:
            time_us = high_us | np.int64((word >> np.uint32(22)) & np.uint32(0x3F))
            column, row = (word >> np.uint32(11)) & np.uint32(0x7FF), word & np.uint32(0x7FF)
            if high_us < 0:
                pass
            elif column >= width or row >= height:
                reason = np.int64(OUT_OF_RANGE)
            elif time_us < latest - late_us and not salvage:
                reason = np.int64(TIME_BACK)
            else:
                if filled == t.size:
                    break
                if time_us < latest:
                    verdict = LATE
                latest = max(latest, time_us)
                t[filled], x[filled], y[filled], p[filled] = time_us, column, row, kind == CD_ON
                if salvage:
                    offset[filled], end[filled] = base + 4 * i, base + 4 * i + 4
                filled += 1
        elif kind == TIME_HIGH:
            value = np.int64(word & np.uint32(0x0FFFFFFF))
            if value < raw_high and wraps(value, raw_high, HIGH_BITS):
                loops += 1
            raw_high = value
            high_us = ((loops << HIGH_BITS) | value) << 6
        elif kind not in (EXT_TRIGGER, OTHERS, CONTINUED):
            reason = np.int64(UNKNOWN_WORD)
        if reason != SOUND:
            if not salvage:
                verdict = reason
                break
            if marked == len(marks):
                break
            events = np.int64(1) if reason == OUT_OF_RANGE else np.int64(-1)
            marked = mark(marks, marked, base + 4 * i, np.int64(4), reason, events)
        i += 1
    state[0], state[1], state[2], state[3] = latest, high_us, raw_high, loops
    return i, filled, marked, verdict


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
    width, height, late_us, swapped = limits[0], limits[1], limits[2], limits[3]
    latest, high_us, raw_high, loops = state[0], state[1], state[2], state[3]
    t, x, y, p, offset, end = room.t, room.x, room.y, room.p, room.offset, room.end
    salvage = offset.size > 0
    filled = marked = i = np.int64(0)
    verdict = SOUND
    while i < words.size:
        low = words[i] & np.uint64(0xFFFFFFFF)
        top = words[i] >> np.uint64(32)
        if swapped:
            low, top = top, low
        kind = top >> np.uint64(28)
        if kind <= CD_ON:
            if high_us >= 0:
                time_us = high_us | np.int64((top >> np.uint64(22)) & np.uint64(0x3F))
                column = np.int64((top >> np.uint64(11)) & np.uint64(0x7FF))
                row = np.int64(top & np.uint64(0x7FF))
                last_bit = -1
                count = 0
                for bit in range(32):
                    if (low >> np.uint64(bit)) & np.uint64(1):
                        last_bit = bit
                        count += 1
                if count and (column + last_bit >= width or row >= height):
                    if not salvage:
                        verdict = OUT_OF_RANGE
                        break
                    if marked == len(marks):
                        break
                    marked = mark(marks, marked, base + 8 * i, np.int64(8), np.int64(OUT_OF_RANGE), np.int64(count))
                elif count:
                    if filled + count > t.size:
                        break
                    if time_us < latest:
                        if time_us < latest - late_us and not salvage:
                            verdict = TIME_BACK
                            break
                        verdict = LATE
                    latest = max(latest, time_us)
                    for bit in range(last_bit + 1):
                        if (low >> np.uint64(bit)) & np.uint64(1):
                            t[filled] = time_us
                            x[filled] = column + bit
                            y[filled] = row
                            p[filled] = kind == CD_ON
                            if salvage:
                                offset[filled] = base + 8 * i
                                end[filled] = base + 8 * i + 8
                            filled += 1
        elif kind == TIME_HIGH:
            value = np.int64(top & np.uint64(0x0FFFFFFF))
            if value < raw_high and wraps(value, raw_high, HIGH_BITS):
                loops += 1
            raw_high = value
            high_us = ((loops << HIGH_BITS) | value) << 6
        elif kind not in (EXT_TRIGGER, OTHERS, CONTINUED):
            if not salvage:
                verdict = UNKNOWN_WORD
                break
            if marked == len(marks):
                break
            marked = mark(marks, marked, base + 8 * i, np.int64(8), np.int64(UNKNOWN_WORD), np.int64(-1))
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
