"""Decodes the 8-byte events of Prophesee DAT files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array
from sensors.formats.kernels.marks import mark
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import Columns
from sensors.formats.verdicts import BAD_POLARITY, OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["decode", "encode"]

TIME_BITS = 32
BLOCK = 1024


@njit(cache=True, nogil=True)
def decode(
    words: npt.NDArray[np.uint32],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel``; an event is two words, so an odd last one is left.

    Limits are width, height, and the bits of column and row; state is the latest time, the last stored time and how
    often it started over.
    """
    sound = _decode_sound(words, limits, state, room) if not room.offset.size else 0
    if 2 * sound == words.size - words.size % 2:
        return 2 * sound, sound, 0, SOUND
    used, filled, marked, verdict = _decode_any(words[2 * sound :], base + 8 * sound, limits, state, room, sound, marks)
    return 2 * sound + used, filled, marked, verdict


@njit(cache=True, nogil=True)
def _decode_sound(words: npt.NDArray[np.uint32], limits: Int64Array, state: Int64Array, room: Columns) -> int:
    """Decode blocks that are sound without a branch, so that the loop runs on vectors; stop before the first other."""
    width, height = np.uint32(limits[0]), np.uint32(limits[1])
    row_shift, p_shift = np.uint32(limits[2]), np.uint32(limits[2] + limits[3])
    x_mask, y_mask = np.uint32((1 << limits[2]) - 1), np.uint32((1 << limits[3]) - 1)
    shift_us = state[2] << TIME_BITS
    n = min(words.size // 2, room.t.size)
    last = np.uint32(max(state[1], 0))
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        bad = words[2 * start] < last
        for i in range(start + 1, stop):
            bad |= words[2 * i] < words[2 * i - 2]
        for i in range(start, stop):
            address = words[2 * i + 1]
            column = address & x_mask
            row = (address >> row_shift) & y_mask
            polarity = address >> p_shift
            bad |= (column >= width) | (row >= height) | (polarity > 1)
            room.t[i] = np.int64(words[2 * i]) + shift_us
            room.x[i] = column
            room.y[i] = row
            room.p[i] = polarity & np.uint32(1)
        if bad:
            return start
        last = words[2 * stop - 2]
        state[0], state[1] = np.int64(last) + shift_us, np.int64(last)
    return n


@njit(cache=True, nogil=True)
def _decode_any(
    words: npt.NDArray[np.uint32],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    filled: int,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Decode a block that needs a closer look: wraps and damage."""
    width, height, x_bits, y_bits = limits[0], limits[1], limits[2], limits[3]
    salvage = room.offset.size > 0
    marked = 0
    for i in range(min(words.size // 2, BLOCK) if not salvage else words.size // 2):
        raw = np.int64(words[2 * i])
        address = np.int64(words[2 * i + 1])
        column = address & ((1 << x_bits) - 1)
        row = (address >> x_bits) & ((1 << y_bits) - 1)
        polarity = address >> (x_bits + y_bits)
        reason = SOUND
        if column >= width or row >= height:
            reason = OUT_OF_RANGE
        elif polarity > 1:
            reason = BAD_POLARITY
        else:
            if raw < state[1] and wraps(raw, state[1], TIME_BITS):
                state[2] += 1
            time_us = (state[2] << TIME_BITS) + raw
            if time_us < state[0] and not salvage:
                reason = TIME_BACK
        if reason != SOUND:
            if not salvage:
                return 2 * i, filled, 0, reason
            if marked == len(marks):
                return 2 * i, filled, marked, SOUND
            marked = mark(marks, marked, base + 8 * i, 8, reason, 1)
            continue
        if filled == room.t.size:
            return 2 * i, filled, marked, SOUND
        state[0], state[1] = max(state[0], time_us), raw
        room.t[filled], room.x[filled], room.y[filled], room.p[filled] = time_us, column, row, polarity
        if salvage:
            room.offset[filled], room.end[filled] = base + 8 * i, base + 8 * i + 8
        filled += 1
    return 2 * i + 2, filled, marked, SOUND


@njit(cache=True, nogil=True)
def encode(t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray, words: npt.NDArray[np.uint32]) -> None:
    """Write columns as version 2 events into (2 * n_events,) words; times lose what is above 32 bits."""
    for i in range(t.size):
        words[2 * i] = np.uint32(t[i] & 0xFFFFFFFF)
        words[2 * i + 1] = np.uint32(np.int64(x[i]) | (np.int64(y[i]) << 14) | (np.int64(p[i]) << 28))
