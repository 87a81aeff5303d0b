"""Judges the events of one word of a Prophesee camera: neighbouring pixels that fired together, as a mask of bits."""

from __future__ import annotations

import numpy as np
from numba import njit

from sensors.formats.verdicts import LATE, OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["how_many", "judge", "place"]

WIDEST = 32  # pixels of a mask
BIT_PLACES = np.zeros(WIDEST, np.uint8)
BIT_PLACES[((np.uint64(0x077CB531) << np.arange(32, dtype=np.uint64)) & np.uint64(0xFFFFFFFF)) >> np.uint64(27)] = (
    range(WIDEST)
)


@njit(cache=True, nogil=True)
def place(power: int) -> int:
    """Return which of 32 bits is set, by a de Bruijn sequence (Leiserson, Prokop and Randall, MIT, 1998)."""
    return np.int64(BIT_PLACES[((np.uint64(power) * np.uint64(0x077CB531)) & np.uint64(0xFFFFFFFF)) >> np.uint64(27)])


@njit(cache=True, nogil=True)
def how_many(mask: int) -> int:
    """Return how many bits are set."""
    count = np.int64(0)
    while mask:
        mask &= mask - 1
        count += 1
    return count


@njit(cache=True, nogil=True)
def judge(
    width: int, height: int, earliest_us: int, latest_us: int, time_us: int, column: int, row: int, mask: int
) -> int:
    """Say what is wrong with the events of a mask whose lowest bit is the pixel at ``column``: a verdict.

    Args:
        width: Columns of the sensor.
        height: Rows of the sensor.
        earliest_us: No event may be earlier than this.
        latest_us: Time of the latest event so far.
        time_us: Time of these.
        column: Of the first pixel.
        row: Of all.
        mask: Which pixels fired.
    """
    if row >= height or column >= width or mask >> min(width - column, WIDEST):
        return OUT_OF_RANGE
    if time_us < earliest_us:
        return TIME_BACK
    return LATE if time_us < latest_us else SOUND
