"""Judges the order of decoded events, and finds which of a damaged stretch can still be put in one."""

from __future__ import annotations

import numpy as np
from numba import njit

from hil.types import BoolArray, Int64Array, UInt16Array

__all__ = ["are_sound", "first_backwards", "longest_ordered", "settle"]


@njit(cache=True, nogil=True)
def first_backwards(t: Int64Array, floor_us: int) -> int:
    """Return the index of the first time below the one before it (or below the floor), or -1."""
    last = floor_us
    for i in range(t.size):
        if t[i] < last:
            return i
        last = t[i]
    return -1


@njit(cache=True, nogil=True)
def are_sound(t: Int64Array, x: UInt16Array, y: UInt16Array, latest_us: int, width: int, height: int) -> bool:
    """Say whether decoded events are in order and on the sensor."""
    widest = highest = np.uint16(0)
    for i in range(x.size):
        widest = max(widest, x[i])
    for i in range(y.size):
        highest = max(highest, y[i])
    back = t.size > 0 and t[0] < latest_us
    for i in range(1, t.size):
        back |= t[i] < t[i - 1]
    return not back and (t.size == 0 or (widest < width and highest < height))


@njit(cache=True, nogil=True)
def longest_ordered(t: Int64Array, floor_us: int) -> BoolArray:
    """Mark a longest never-decreasing choice of events at or after the floor.

    A single wild time, forwards or backwards, then costs only itself and not everything that follows it.
    Patience sorting with back pointers (Fredman, Discrete Mathematics 11, 1975), O(n log n).

    Args:
        t: (n_events,) int64 times as stored.
        floor_us: Time of the last event already handed out.

    Returns:
        (n_events,) bool, True for the events to keep.
    """
    n = t.size
    tails = np.empty(n, np.int64)
    before = np.empty(n, np.int64)
    length = 0
    for i in range(n):
        if t[i] < floor_us:
            continue
        low, high = 0, length
        while low < high:
            middle = (low + high) // 2
            if t[tails[middle]] <= t[i]:
                low = middle + 1
            else:
                high = middle
        before[i] = tails[low - 1] if low else -1
        tails[low] = i
        length = max(length, low + 1)
    keep = np.zeros(n, np.bool_)
    i = tails[length - 1] if length else -1
    while i >= 0:
        keep[i] = True
        i = before[i]
    return keep


@njit(cache=True, nogil=True)
def settle(t: Int64Array, reorder_us: int) -> Int64Array:
    """Lift every time that is at most ``reorder_us`` late to the one before it, so that only real steps back remain."""
    settled = t.copy()
    for i in range(1, t.size):
        if settled[i] < settled[i - 1] and settled[i - 1] - settled[i] <= reorder_us:
            settled[i] = settled[i - 1]
    return settled
