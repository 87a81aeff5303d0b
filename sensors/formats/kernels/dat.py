"""Decodes the 8-byte events of Prophesee DAT files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array
from sensors.formats.kernels.marks import mark
from sensors.formats.kernels.order import are_sound
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import Columns
from sensors.formats.verdicts import BAD_POLARITY, OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["decode", "encode"]

TIME_BITS = 32
BLOCK = 1024


@njit(cache=True, nogil=True)
def decode(
    words: npt.NDArray[np.uint64],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel``.

    Limits are width, height, and the bits of column and row; state is the latest time, the last stored time and how
    often it started over.
    """
    sound = np.int64(0)
    if not room.offset.size:
        sound = _sprint(words, limits, state, room)
    if sound == words.size:
        return sound, sound, 0, SOUND
    used, filled, marked, verdict = _walk(words[sound:], base + 8 * sound, limits, state, room, sound, marks)
    return sound + used, filled, marked, verdict


@njit(cache=True, nogil=True)
def _sprint(words: npt.NDArray[np.uint64], limits: Int64Array, state: Int64Array, room: Columns) -> int:
    """Decode blocks without a branch, so that the loops run on vectors; stop before the first that is not sound."""
    width, height = np.uint16(min(limits[0], 0x4000)), np.uint16(min(limits[1], 0x4000))
    row_shift, p_shift = np.uint64(32 + limits[2]), np.uint64(32 + limits[2] + limits[3])
    x_mask, y_mask = np.uint64((1 << limits[2]) - 1), np.uint64((1 << limits[3]) - 1)
    shift_us = state[2] << TIME_BITS
    n = min(words.size, room.t.size)
    last = state[1] + shift_us
    for start in range(0, n, BLOCK):
        block = words[start : min(start + BLOCK, n)]
        stop = start + block.size
        t, x, y, p = room.t[start:stop], room.x[start:stop], room.y[start:stop], room.p[start:stop]
        seen = np.uint64(0)
        for i in range(block.size):
            word = block[i]
            t[i] = np.int64(word & np.uint64(0xFFFFFFFF)) + shift_us
            x[i] = (word >> np.uint64(32)) & x_mask
            y[i] = (word >> row_shift) & y_mask
            p[i] = word >> p_shift
            seen |= word
        if seen >> p_shift > np.uint64(1) or not are_sound(t, x, y, last, width, height):
            return start
        last = t[block.size - 1]
        state[0], state[1] = last, last - shift_us
    return n


@njit(cache=True, nogil=True)
def _walk(
    words: npt.NDArray[np.uint64],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    filled: int,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Decode a block that needs a closer look: wraps and damage."""
    t, x, y, p, offset, end = room.t, room.x, room.y, room.p, room.offset, room.end
    width, height, x_bits, y_bits = limits[0], limits[1], limits[2], limits[3]
    salvage = offset.size > 0
    marked = np.int64(0)
    n = words.size if salvage else min(words.size, BLOCK)
    for i in range(n):
        raw = np.int64(words[i] & np.uint64(0xFFFFFFFF))
        address = np.int64(words[i] >> np.uint64(32))
        column = address & ((1 << x_bits) - 1)
        row = (address >> x_bits) & ((1 << y_bits) - 1)
        polarity = address >> (x_bits + y_bits)
        reason = np.int64(SOUND)
        time_us = state[0]
        if column >= width or row >= height:
            reason = np.int64(OUT_OF_RANGE)
        elif polarity > 1:
            reason = np.int64(BAD_POLARITY)
        else:
            if raw < state[1] and wraps(raw, state[1], TIME_BITS):
                state[2] += 1
            time_us = (state[2] << TIME_BITS) + raw
            if time_us < state[0] and not salvage:
                reason = np.int64(TIME_BACK)
        if reason != SOUND:
            if not salvage:
                return i, filled, 0, reason
            if marked == len(marks):
                return i, filled, marked, SOUND
            marked = mark(marks, marked, base + 8 * i, np.int64(8), reason, np.int64(1))
            continue
        if filled == t.size:
            return i, filled, marked, SOUND
        state[0], state[1] = max(state[0], time_us), raw
        t[filled], x[filled], y[filled], p[filled] = time_us, column, row, polarity
        if salvage:
            offset[filled], end[filled] = base + 8 * i, base + 8 * i + 8
        filled += 1
    return n, filled, marked, SOUND


@njit(cache=True, nogil=True)
def encode(t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray, words: npt.NDArray[np.uint32]) -> None:
    """Write columns as version 2 events into (2 * n_events,) words; times lose what is above 32 bits."""
    for i in range(t.size):
        words[2 * i] = np.uint32(t[i] & 0xFFFFFFFF)
        words[2 * i + 1] = np.uint32(np.int64(x[i]) | (np.int64(y[i]) << 14) | (np.int64(p[i]) << 28))
