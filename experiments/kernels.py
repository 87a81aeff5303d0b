"""The inner loops of augmentation, compiled: imported only when training needs them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["count", "vary", "vary_and_count"]

Array = np.ndarray[Any, Any]
PARTS = 2.0**-21  # one random number of 63 bits serves three purposes


@njit(cache=True)
def _random(key: np.uint64, counter: np.uint64) -> np.uint64:
    """Return the counter's 64 bits of the key's stream (SplitMix64, Steele et al., OOPSLA 2014)."""
    z = key + counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def _part(bits: np.uint64, index: int) -> float:
    """Return one of three numbers, 0 to 1, that 64 random bits hold."""
    return float((bits >> np.uint64(21 * index)) & np.uint64(0x1FFFFF)) * PARTS


@njit(cache=True)
def _moved(
    event: tuple[int, int, int, int], how: Array, field: Array, limits: tuple[int, int], bits: np.uint64
) -> tuple[int, int, int]:
    """Return time, column and row of an event after it was varied; a time of -1 says that it is gone."""
    r, t, x, y = event
    width, height = limits
    if _part(bits, 0) < how[r, 0]:
        return -1, 0, 0
    # an event is somewhere in its pixel
    across = x + _part(bits, 1) - 0.5 * width
    down = y + _part(bits, 2) - 0.5 * height
    if field.size:
        across += field[r, 0, y, x]
        down += field[r, 1, y, x]
    column = int(np.floor(how[r, 1] * across + how[r, 2] * down + how[r, 5] + 0.5 * width))
    row = int(np.floor(how[r, 3] * across + how[r, 4] * down + how[r, 6] + 0.5 * height))
    if not (0 <= column < width and 0 <= row < height):
        return -1, 0, 0
    return max(-1, int(np.floor((t - how[r, 7]) * how[r, 8]))), column, row


@njit(cache=True)
def _stray(last_us: int, limits: tuple[int, int], bits: np.uint64) -> tuple[int, int, int, int]:
    """Return time, column, row and polarity of an event from nowhere."""
    t, column, row = int(_part(bits, 0) * last_us), int(_part(bits, 1) * limits[0]), int(_part(bits, 2) * limits[1])
    return t, column, row, int(bits >> np.uint64(63))


@njit(cache=True)
def vary(
    recording: Array,
    events: tuple[Array, Array, Array, Array],
    amounts: tuple[Array, Array, Array, Array],
    limits: tuple[int, int],
    key: np.uint64,
    out: tuple[Array, ...],
) -> int:
    """Move, thin and stretch events and add some from nowhere; return how many there are.

    Args:
        recording: (n_events,) index of each event's recording.
        events: (n_events,) time, column, row, polarity.
        amounts: (count, 9) float64 per recording: share dropped, four numbers of the linear map, two of the shift,
            start and stretch in time; (count, 2, height, width) float32 displacement of each pixel, across and
            down, of size 0 for none; (n_strays,) recording of each event from nowhere; (count,) its latest time.
        limits: Width and height of the sensor.
        key: Decides every random number.
        out: Room for recording, time, column, row, polarity.
    """
    t, x, y, p = events
    linear, field, strays, last_us = amounts
    kept, n = 0, len(recording)
    for i in range(n):
        r = recording[i]
        moved = _moved((r, t[i], x[i], y[i]), linear, field, limits, _random(key, np.uint64(i)))
        if moved[0] >= 0:
            out[0][kept], out[1][kept], out[2][kept], out[3][kept], out[4][kept] = r, moved[0], moved[1], moved[2], p[i]
            kept += 1
    for j in range(len(strays)):
        stray = _stray(last_us[strays[j]], limits, _random(key, np.uint64(n + j)))
        out[0][kept] = strays[j]
        out[1][kept], out[2][kept], out[3][kept], out[4][kept] = stray
        kept += 1
    return kept


@njit(cache=True)
def _add(out: Array, r: int, at: int) -> None:
    if out[r, at] < 127:  # of int8
        out[r, at] += 1


@njit(cache=True)
def vary_and_count(
    recording: Array,
    events: tuple[Array, Array, Array, Array],
    amounts: tuple[Array, Array, Array, Array],
    limits: tuple[int, int],
    key: np.uint64,
    cells: tuple[int, int, Array, Array, int],
    out: Array,
) -> None:
    """Count what ``vary`` would return, without writing it down in between.

    Args:
        recording: As for ``vary``, and so on.
        events: As for ``vary``.
        amounts: As for ``vary``.
        limits: As for ``vary``.
        key: As for ``vary``.
        cells: Length of the window in microseconds, time bins, cell of each column, cell of each row times the cells
            across, cells of a plane.
        out: (count, d_in) int8, to be added to; counts stay at 127.
    """
    t, x, y, p = events
    linear, field, strays, last_us = amounts
    window_us, bins, across, down, plane = cells
    n = len(recording)
    for i in range(n):
        r = recording[i]
        moved = _moved((r, t[i], x[i], y[i]), linear, field, limits, _random(key, np.uint64(i)))
        if 0 <= moved[0] < window_us:
            where = (moved[0] * bins // window_us * 2 + p[i]) * plane + down[moved[2]] + across[moved[1]]
            _add(out, r, where)
    for j in range(len(strays)):
        t_us, column, row, polarity = _stray(last_us[strays[j]], limits, _random(key, np.uint64(n + j)))
        if t_us < window_us:
            _add(out, strays[j], (t_us * bins // window_us * 2 + polarity) * plane + down[row] + across[column])


@njit(cache=True)
def count(events: tuple[Array, ...], cells: tuple[int, int, Array, Array, int], out: Array) -> None:
    """Count events per recording, time bin, polarity and cell, where whole pixels make a cell.

    Args:
        events: (n_events,) recording, time, column, row, polarity.
        cells: As for ``vary_and_count``.
        out: (count, d_in) int8, to be added to; counts stay at 127.
    """
    recording, t, x, y, p = events
    window_us, bins, across, down, plane = cells
    for i in range(len(recording)):
        if t[i] < window_us:
            _add(out, recording[i], (t[i] * bins // window_us * 2 + p[i]) * plane + down[y[i]] + across[x[i]])
