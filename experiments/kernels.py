"""The one inner loop of augmentation, compiled: imported only when training needs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["vary"]

Array = np.ndarray[Any, Any]


@njit(cache=True)
def _random(key: np.uint64, counter: np.uint64) -> float:
    """Return the counter's number, 0 to 1, of the key's stream (SplitMix64, Steele et al., OOPSLA 2014)."""
    z = key + counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def vary(
    recording: Array,
    events: tuple[Array, Array, Array],
    amounts: Array,
    field: Array,
    limits: tuple[int, int],
    key: np.uint64,
    out: tuple[Array, ...],
) -> int:
    """Move, thin and stretch events; return how many are left.

    Args:
        recording: (n_events,) index of each event's recording.
        events: (n_events,) time, column, row.
        amounts: (count, 9) float64 per recording: share dropped, four numbers of the linear map, two of the shift,
            start and stretch in time.
        field: (count, 2, height, width) float32 displacement of each pixel, across and down; of size 0 for none.
        limits: Width and height of the sensor.
        key: Decides every random number.
        out: Room for index of the event, time, column, row of those left.
    """
    t, x, y = events
    width, height = limits
    kept = 0
    for i in range(len(recording)):
        how = amounts[recording[i]]
        counter = np.uint64(3 * i)
        if _random(key, counter) < how[0]:
            continue
        # an event is somewhere in its pixel
        across = x[i] + _random(key, counter + np.uint64(1)) - 0.5 * width
        down = y[i] + _random(key, counter + np.uint64(2)) - 0.5 * height
        if field.size:
            across += field[recording[i], 0, y[i], x[i]]
            down += field[recording[i], 1, y[i], x[i]]
        column = int(np.floor(how[1] * across + how[2] * down + how[5] + 0.5 * width))
        row = int(np.floor(how[3] * across + how[4] * down + how[6] + 0.5 * height))
        moment = int(np.floor((t[i] - how[7]) * how[8]))
        if 0 <= column < width and 0 <= row < height and moment >= 0:
            out[0][kept], out[1][kept], out[2][kept], out[3][kept] = i, moment, column, row
            kept += 1
    return kept


@njit(cache=True)
def count(
    events: tuple[Array, ...], window_us: int, grid: tuple[int, int, int], size: tuple[int, int], out: Array
) -> None:
    """Count events per recording, time bin, polarity and cell, where whole pixels make a cell.

    Args:
        events: (n_events,) recording, time, column, row, polarity.
        window_us: Events from here on are left out.
        grid: Time bins, rows and columns of the grid.
        size: Rows and columns of the sensor.
        out: (count, d_in) int64, to be added to.
    """
    recording, t, x, y, p = events
    bins, rows, columns = grid
    height, width = size
    for i in range(len(recording)):
        if t[i] < window_us:
            plane = t[i] * bins // window_us * 2 + p[i]
            out[recording[i], (plane * rows + y[i] * rows // height) * columns + x[i] * columns // width] += 1
