"""The inner loops of the crossbar: noise that belongs to a window, and conversion of currents to codes.

Numba compiles this file, so it is imported only where a session runs. Only additions, multiplications and square
roots are used, each rounded as IEEE 754 says, so that the numbers are the same on every machine.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

from hil.types import Float64Array, Int64Array

__all__ = ["convert", "normal_table", "normals", "row_hash", "sparse_product"]

CELLS = 2048
LEVELS = ((31, 20), (24, 13), (17, 6))  # (r is below 2**first, a cell spans 2**second) from the body to the tail
GOLDEN = 0x9E3779B97F4A7C15


@cache
def normal_table() -> Float64Array:
    """Return (levels, cells, 2) values and slopes of the normal quantile, linear between knots.

    The index is an integer r of 31 bits that stands for the tail probability (r + 0.5) / 2**32; two finer levels
    resolve the tail. The distribution function is off by less than 2e-6 anywhere, out to 6.3 sigma.
    """
    from scipy.special import ndtri

    table = np.empty((len(LEVELS), CELLS, 2))
    for level, (_, span_bits) in enumerate(LEVELS):
        knots = np.arange(CELLS + 1, dtype=np.float64) * 2.0**span_bits
        z = -ndtri((knots + 0.5) / 2.0**32)
        table[level, :, 0] = z[:-1]
        table[level, :, 1] = np.diff(z) / 2.0**span_bits
    table.flags.writeable = False
    return table


@njit(inline="always")
def _mix(state: Any) -> Any:
    """Finalise a SplitMix64 state (Steele, Lea and Flood, OOPSLA 2014)."""
    state = (state ^ (state >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> uint64(27))) * uint64(0x94D049BB133111EB)
    return state ^ (state >> uint64(31))


@njit(inline="always")
def _normal(key: Any, index: Any, table: Any) -> Any:
    """Return the standard normal that belongs to one key and index."""
    bits = _mix(key + uint64(GOLDEN) * (uint64(index >> 1) + uint64(1)))
    half = np.int64((bits >> (uint64(32) * uint64(index & 1))) & uint64(0xFFFFFFFF))
    r = half & 0x7FFFFFFF
    if r >= 1 << 24:
        level, span = 0, 20
    elif r >= 1 << 17:
        level, span = 1, 13
    else:
        level, span = 2, 6
    cell = r >> span
    z = table[level, cell, 0] + np.float64(r - (cell << span)) * table[level, cell, 1]
    return z * np.float64(1 - ((half >> 30) & 2))


@njit(cache=True, nogil=True)
def normals(keys: npt.NDArray[np.uint64], columns: int, first: int, table: Float64Array) -> Float64Array:
    """Return (n, columns) standard normals, a function of each row's key and the indices from ``first`` on."""
    out = np.empty((len(keys), columns))
    for n in range(len(keys)):
        for c in range(columns):
            out[n, c] = _normal(keys[n], first + c, table)
    return out


@njit(cache=True, nogil=True)
def row_hash(rows: npt.NDArray[np.uint8], t_us: Int64Array, seed: np.uint64) -> npt.NDArray[np.uint64]:
    """Return (n,) keys, a function of the seed, each row's bytes and its time."""
    out = np.empty(len(rows), np.uint64)
    for n in range(len(rows)):
        state = _mix(seed ^ _mix(uint64(t_us[n])))
        for c in range(rows.shape[1]):
            state = (state ^ uint64(rows[n, c])) * uint64(0x100000001B3)
        out[n] = _mix(state)
    return out


@njit(cache=True, nogil=True)
def sparse_product(sparse: Float64Array, matrix: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Add (n, rows) @ (rows, columns) to (n, columns) sums, skipping the zeros of the first."""
    for n in range(sparse.shape[0]):
        for i in range(sparse.shape[1]):
            value = matrix.dtype.type(sparse[n, i])
            if value != 0:
                for c in range(matrix.shape[1]):
                    out[n, c] += value * matrix[i, c]


@njit(cache=True, nogil=True)
def convert(  # noqa: PLR0913, PLR0917  (one pass over memory instead of eight)
    analog: Float64Array,
    variance: Float64Array,
    keys: npt.NDArray[np.uint64],
    first: int,
    driven: npt.NDArray[np.bool_],
    limits: Float64Array,
    correction: Float64Array,
    nonlinearity: Float64Array,
    weight: float,
    out: Float64Array,
    table: Float64Array,
) -> int:
    """Add what the ADCs of one strip of tiles say to the digital sums.

    Args:
        analog: (n, columns) currents in units of one weight times one input step.
        variance: (n, columns) variance of the read noise, or (0, columns) without noise.
        keys: (n,) what the noise of each row belongs to.
        first: Index of the first column's noise.
        driven: (n,) rows of which at least one word line is driven; the others are not converted.
        limits: (columns, 5) gain, offset, lowest code, highest code and step; step 0 is a lossless converter.
        correction: (columns, 2) digital gain and offset after conversion.
        nonlinearity: (columns, codes) integral nonlinearity in steps, or (columns, 0).
        weight: Digital weight of this conversion.
        out: (n, columns) sums, added to.
        table: From ``normal_table``.

    Returns:
        How many conversions were clipped.
    """
    clipped = 0
    noisy, bent = len(variance) > 0, nonlinearity.shape[1] > 0
    for n in range(len(analog)):
        if not driven[n]:
            continue
        for c in range(analog.shape[1]):
            value = analog[n, c]
            if noisy:
                value += np.sqrt(variance[n, c]) * _normal(keys[n], first + c, table)
            gain, offset, low, high, step = limits[c]
            if step > 0.0:
                level = (value * gain + offset) / step
                if bent:
                    near = min(max(np.rint(level), low), high)
                    level += nonlinearity[c, np.int64(near - low)]
                code = np.rint(level)
                if code < low or code > high:
                    clipped += 1
                    code = min(max(code, low), high)
                value = code * step
            out[n, c] += weight * (value * correction[c, 0] + correction[c, 1])
    return clipped


@njit(inline="always")
def _uniform(bits: Any) -> Any:
    """Return a uniform number in [0, 1) from the upper 53 bits."""
    return np.float64(bits >> uint64(11)) * 1.1102230246251565e-16


@njit(inline="always")
def _last_event(own: Any, phase: float) -> Any:
    """Return the hash of the last redraw of a cell before a moment, ``phase`` memory times after the clock started.

    A cell has one chance to redraw per memory time, taken with probability 1 - 1/e, at an offset of its own; so the
    correlation is exponential at whole memory times and linear in between. The state before time zero counts too.
    """
    interval = np.int64(phase + _uniform(own))
    while interval >= 0:
        bits = _mix(own + uint64(GOLDEN) * uint64(interval + 1))
        if _uniform(bits) < 0.6321205588285577:
            return bits
        interval -= 1
    return _mix(own)


@njit(cache=True, nogil=True)
def renewal_normals(
    key: np.uint64, band: int, phase: float, weight: float, out: Float64Array, table: Float64Array
) -> None:
    """Add to each cell the Gaussian state of one renewal process, ``phase`` memory times after it started.

    Args:
        key: What the states belong to.
        band: Which process of the cell.
        phase: Time over memory.
        weight: Factor on the state.
        out: (cells,) added to.
        table: From ``normal_table``.
    """
    for cell in range(len(out)):
        own = _mix(key + uint64(GOLDEN) * (uint64(cell) * uint64(64) + uint64(band) + uint64(1)))
        out[cell] += weight * _normal(_last_event(own, phase), 0, table)


@njit(cache=True, nogil=True)
def renewal_levels(
    key: np.uint64,
    t_s: float,
    horizon_s: float,
    spread: tuple[float, float],
    occupancy: float,
    fresh: Float64Array,
    remembered: Float64Array,
) -> None:
    """Write each cell's telegraph state, or that it is too fast to remember one.

    Args:
        key: What the states belong to.
        t_s: The moment.
        horizon_s: Cells with a shorter memory are fresh.
        spread: Logarithm of the shortest memory, and of the longest over the shortest.
        occupancy: Share of the time in the upper state.
        fresh: (cells,) 1 where the cell is fresh.
        remembered: (cells,) state of the others, of zero mean and unit variance.
    """
    deviation = np.sqrt(occupancy * (1.0 - occupancy))
    for cell in range(len(fresh)):
        own = _mix(key + uint64(GOLDEN) * (uint64(cell) * uint64(64) + uint64(1)))
        memory_s = np.exp(spread[0] + spread[1] * _uniform(_mix(own ^ uint64(0x5851F42D4C957F2D))))
        if memory_s <= horizon_s:
            fresh[cell] = 1.0
            continue
        up = _uniform(_mix(_last_event(own, t_s / memory_s))) < occupancy
        remembered[cell] = ((1.0 if up else 0.0) - occupancy) / deviation
