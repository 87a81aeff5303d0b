"""The inner loops of the pixel model, compiled: one pass over the pixels, one over the events."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import BoolArray, Float32Array, Float64Array, Int8Array, Int64Array, UInt16Array

__all__ = ["UInt64Array", "live", "rest", "sort_by_time", "unpack"]

UInt64Array: TypeAlias = npt.NDArray[np.uint64]

# An event is one uint64 while it is sorted: 31 bits of time since the last picture, 1 of polarity, 16 of y, 16 of x.
TIME_SHIFT = np.uint64(33)
POLARITY_SHIFT = np.uint64(32)
Y_SHIFT = np.uint64(16)
COORDINATE_MASK = np.uint64(0xFFFF)
DIGIT_BITS = 11
DIGIT_MASK = np.uint64((1 << DIGIT_BITS) - 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _write(events: UInt64Array, count: int, t_us: float, dt_us: int, head: int) -> int:
    offset = np.uint64(min(max(int(t_us), 0), dt_us - 1))
    events[count] = (offset << TIME_SHIFT) | np.uint64(head)
    return count + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _run(  # noqa: PLR0913, PLR0917  (compiled code has no objects to carry the state)
    level: float,
    slope: float,
    release_us: float,
    start_us: float,
    stop_us: float,
    on: float,
    off: float,
    refractory_us: float,
    events: UInt64Array,
    count: int,
    dt_us: int,
    address: int,
) -> tuple[float, float, int]:
    """Let one pixel live from start to stop without noise; return its level, its release time and the events so far."""
    t = max(start_us, release_us)
    while t < stop_us:
        end = level + slope * (stop_us - t)
        if end >= on:
            t += max((on - level) / slope, 0.0) if slope > 0.0 else 0.0
            count = _write(events, count, t, dt_us, address | (1 << 32))
        elif end <= -off:
            t += max((-off - level) / slope, 0.0) if slope < 0.0 else 0.0
            count = _write(events, count, t, dt_us, address)
        else:
            return end, release_us, count
        level = 0.0
        t += refractory_us
        release_us = t
    return level, release_us, count


@njit(cache=True, nogil=True, error_model="numpy")
def rest(
    change: Float32Array,
    level: Float32Array,
    held_us: Float32Array,
    threshold_on: Float32Array,
    threshold_off: Float32Array,
    busy: BoolArray,
) -> None:
    """Move on the pixels in which nothing happens during a frame interval, and mark the others.

    Args:
        change: (n_pixels,) how far log intensity plus leak moves.
        level: (n_pixels,) distance from the memorised level; updated where nothing happens.
        held_us: (n_pixels,) rest of the refractory period; above 0 also where noise will strike.
        threshold_on: (n_pixels,).
        threshold_off: (n_pixels,) positive.
        busy: (n_pixels,) set where a pixel needs a closer look.
    """
    for i in range(change.size):
        end = level[i] + change[i]
        quiet = (held_us[i] == 0.0) & (end < threshold_on[i]) & (end > -threshold_off[i])
        level[i] = end if quiet else level[i]
        busy[i] = not quiet


@njit(cache=True, nogil=True, error_model="numpy")
def live(  # noqa: PLR0913, PLR0917  (compiled code has no objects to carry the state)
    busy: Int64Array,
    change: Float32Array,
    level: Float32Array,
    held_us: Float32Array,
    threshold_on: Float32Array,
    threshold_off: Float32Array,
    noise_at: Float64Array,
    noise_kind: Int8Array,
    width: int,
    dt_us: int,
    refractory_us: float,
    events: UInt64Array,
    count: int,
) -> tuple[int, int]:
    """Let busy pixels live through one frame interval and write down their events.

    A pixel's log intensity moves evenly by ``change`` during the interval. It fires when the distance from the level
    it memorised reaches a threshold, is held in reset for the refractory period, and memorises the level it is
    released at (Lichtsteiner et al., 2008). Noise events reset it in the same way.

    Args:
        busy: (n_busy,) pixels, increasing.
        change: (n_pixels,) how far log intensity plus leak moves.
        level: (n_pixels,) distance from the memorised level at the start; updated.
        held_us: (n_pixels,) rest of the refractory period at the start; updated.
        threshold_on: (n_pixels,).
        threshold_off: (n_pixels,) positive.
        noise_at: (n_noise + 1,) increasing: pixel plus fraction of the interval; the last lies beyond all pixels.
        noise_kind: (n_noise,) 1 for ON, 0 for OFF.
        width: Pixels in a row.
        dt_us: Length of the interval, 1 to 2**31 - 1.
        refractory_us: How long a pixel is held.
        events: Room for packed events, in pixel order.
        count: How much of it is used.

    Returns:
        How many of the busy pixels there was room for, and how much room is used.
    """
    if busy.size == 0:
        return 0, count
    noise = np.searchsorted(noise_at, busy[0])
    for k in range(busy.size):
        i = int(busy[k])
        noisy = noise_at[noise] < i + 1
        if held_us[i] >= dt_us and not noisy:
            held_us[i] -= dt_us
            continue
        on, off = float(threshold_on[i]), float(threshold_off[i])
        slope, now, release, start = float(change[i]) / dt_us, float(level[i]), float(held_us[i]), 0.0
        if count + 4 + 2 * (noise_at.size + int((abs(now) + abs(change[i])) / min(on, off))) > events.size:
            return k, count
        address = (i // width) << 16 | (i % width)
        while True:
            stop = (noise_at[noise] - i) * dt_us if noisy else float(dt_us)
            now, release, count = _run(
                now, slope, release, start, stop, on, off, refractory_us, events, count, dt_us, address
            )
            if not noisy:
                break
            if release <= stop:
                count = _write(events, count, stop, dt_us, address | int(noise_kind[noise]) << 32)
                now, release = 0.0, stop + refractory_us
            noise += 1
            start = stop
            noisy = noise_at[noise] < i + 1
        level[i] = now
        held_us[i] = max(release - dt_us, 0.0)
    return busy.size, count


@njit(cache=True, nogil=True, error_model="numpy")
def sort_by_time(events: UInt64Array, count: int, spare: UInt64Array, dt_us: int) -> UInt64Array:
    """Sort the first ``count`` packed events by time, keeping pixel order among equals; a radix sort.

    Args:
        events: Packed events; overwritten.
        count: How many there are.
        spare: At least as long; overwritten.
        dt_us: Bound of the times.

    Returns:
        (count,) sorted events, in one of the two arrays.
    """
    shift = TIME_SHIFT
    rest = dt_us - 1
    source, sink = events[:count], spare[:count]
    while rest > 0:
        starts = np.zeros((1 << DIGIT_BITS) + 1, np.int64)
        for event in source:
            starts[((event >> shift) & DIGIT_MASK) + np.uint64(1)] += 1
        for digit in range(1 << DIGIT_BITS):
            starts[digit + 1] += starts[digit]
        for event in source:
            digit_of = (event >> shift) & DIGIT_MASK
            sink[starts[digit_of]] = event
            starts[digit_of] += 1
        source, sink = sink, source
        shift += np.uint64(DIGIT_BITS)
        rest >>= DIGIT_BITS
    return source


@njit(cache=True, nogil=True, error_model="numpy")
def unpack(packed: UInt64Array, start_us: int) -> tuple[Int64Array, UInt16Array, UInt16Array, BoolArray]:
    """Return the columns t, x, y, p of (n_events,) packed events of an interval that starts at ``start_us``."""
    n = packed.size
    t, x = np.empty(n, np.int64), np.empty(n, np.uint16)
    y, p = np.empty(n, np.uint16), np.empty(n, np.bool_)
    for i in range(n):
        event = packed[i]
        t[i] = start_us + np.int64(event >> TIME_SHIFT)
        p[i] = (event >> POLARITY_SHIFT) & np.uint64(1)
        y[i] = (event >> Y_SHIFT) & COORDINATE_MASK
        x[i] = event & COORDINATE_MASK
    return t, x, y, p
