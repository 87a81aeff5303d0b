"""Decodes pairs of address and time as address-event chips send them: jAER's AEDAT 2 and the NAS cochlea."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import Int64Array
from sensors.formats.kernels.marks import mark
from sensors.formats.kernels.wrap import wraps
from sensors.formats.sink import Columns
from sensors.formats.verdicts import OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["decode_camera", "decode_cochlea"]

TIME_BITS = 32


@njit(cache=True, nogil=True)
def _big_endian(words: npt.NDArray[np.uint8], start: int, length: int) -> int:
    value = np.int64(0)
    for i in range(start, start + length):
        value = (value << 8) | np.int64(words[i])
    return value


@njit(cache=True, nogil=True)
def _unwrapped(raw: int, state: Int64Array) -> int:
    if raw < state[1] and wraps(raw, state[1], TIME_BITS):
        state[2] += 1
    state[1] = raw
    return (state[2] << TIME_BITS) + raw


@njit(cache=True, nogil=True)
def decode_camera(
    words: npt.NDArray[np.uint8],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel`` for AEDAT 2 cameras, 4 bytes of address and 4 of time.

    Limits are width, height, the mask of addresses that are no events, shift and mask of the column, of the row, the
    bit of the polarity and its value for ON; both axes run backwards in the file. State is the latest time, the last
    stored time and how often it started over.
    """
    width, height, other_mask = limits[0], limits[1], limits[2]
    salvage = room.offset.size > 0
    filled = marked = np.int64(0)
    whole = words.size - words.size % 8
    for i in range(0, whole, 8):
        address = _big_endian(words, i, 4)
        if address & other_mask:
            continue
        column = (address >> limits[3]) & limits[4]
        row = (address >> limits[5]) & limits[6]
        reason = np.int64(SOUND)
        if column >= width or row >= height:
            reason = np.int64(OUT_OF_RANGE)
        elif filled == room.t.size:
            return i, filled, marked, SOUND
        else:
            time_us = _unwrapped(_big_endian(words, i + 4, 4), state)
            if time_us < state[0] and not salvage:
                reason = np.int64(TIME_BACK)
        if reason != SOUND:
            if not salvage:
                return i, filled, 0, reason
            if marked == len(marks):
                return i, filled, marked, SOUND
            marked = mark(marks, marked, base + i, np.int64(8), reason, np.int64(1))
            continue
        state[0] = max(state[0], time_us)
        room.t[filled], room.x[filled], room.y[filled] = time_us, width - 1 - column, height - 1 - row
        room.p[filled] = (address >> limits[7]) & 1 == limits[8]
        if salvage:
            room.offset[filled], room.end[filled] = base + i, base + i + 8
        filled += 1
    return whole, filled, marked, SOUND


@njit(cache=True, nogil=True)
def decode_cochlea(
    words: npt.NDArray[np.uint8],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel`` for NAS files: address = 2 * channel + polarity, the right ear after.

    Limits are channels, ears, bytes of an address, and numerator and denominator of a tick in microseconds; state as
    ``decode_camera``, its latest time in ticks.
    """
    channels, ears, address_bytes = limits[0], limits[1], limits[2]
    record = address_bytes + 4
    salvage = room.offset.size > 0
    filled = marked = np.int64(0)
    whole = words.size - words.size % record
    for i in range(0, whole, record):
        address = _big_endian(words, i, address_bytes)
        reason = np.int64(SOUND)
        if address >= 2 * channels * ears:
            reason = np.int64(OUT_OF_RANGE)
        elif filled == room.t.size:
            return i, filled, marked, SOUND
        else:
            ticks = _unwrapped(_big_endian(words, i + address_bytes, 4), state)
            if ticks < state[0] and not salvage:
                reason = np.int64(TIME_BACK)
        if reason != SOUND:
            if not salvage:
                return i, filled, 0, reason
            if marked == len(marks):
                return i, filled, marked, SOUND
            marked = mark(marks, marked, base + i, record, reason, np.int64(1))
            continue
        state[0] = max(state[0], ticks)
        room.t[filled] = ticks * limits[3] // limits[4]
        room.x[filled], room.y[filled] = (address % (2 * channels)) >> 1, address // (2 * channels)
        room.p[filled] = address & 1 == limits[5]
        if salvage:
            room.offset[filled], room.end[filled] = base + i, base + i + record
        filled += 1
    return whole, filled, marked, SOUND
