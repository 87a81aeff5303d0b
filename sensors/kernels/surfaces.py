"""Turns events into surfaces that fade with time: the last event of each pixel, or averages over neighbourhoods."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from hil.errors import InvalidValueError
from hil.network import LastWindow
from hil.types import BoolArray, EventBatch, Float32Array, Float64Array, Geometry, Int32Array, Int64Array, UInt16Array
from sensors.kernels.columns import NEVER, check_inside, time_borders
from sensors.kernels.compiling import compiled

__all__ = ["Decay", "surface_memory", "to_averaged_timesurface", "to_timesurface"]

Decay: TypeAlias = Literal["exp", "lin"]

SMALLEST_EXPONENT = 126  # of a normal float32, base 2
LINEAR_SPAN = 3  # a linear surface reaches zero after three time constants, as Tonic's


def surface_memory(geometry: Geometry) -> Int64Array:
    """Return the memory of a time surface: (2, height, width) int64 microseconds, nothing seen yet."""
    return np.full((2, geometry.height, geometry.width), NEVER, dtype=np.int64)


def to_timesurface(
    events: EventBatch,
    geometry: Geometry,
    *,
    dt_us: int,
    tau_us: float,
    decay: Decay = "exp",
    last: LastWindow = "half",
    memory: Int64Array | None = None,
    out: Float32Array | None = None,
) -> Float32Array:
    """Return, at the end of every ``dt_us``, how recently each pixel fired: 1 now, fading towards 0.

    ``exp`` is ``exp(-age / tau)`` (Lagorce et al., "HOTS", IEEE TPAMI 2017), as ``tonic.transforms.ToTimesurface``;
    ``lin`` is ``max(0, 1 - age / (3 tau))``. Exponentials are within 2e-7 of exact, and 0 below 1.2e-38.

    Args:
        events: In time order.
        geometry: Size of the sensor.
        dt_us: Time between surfaces, which tile the stream from its first event.
        tau_us: Time constant.
        decay: How values fade.
        last: What becomes of the stretch after the last full ``dt_us``.
        memory: From ``surface_memory``, to go on where the last batch ended; updated in place with every event.
        out: (n, 2, height, width) float32 to use instead of allocating; its first ``n_surfaces`` are overwritten.

    Returns:
        (n_surfaces, 2, height, width) float32, OFF first.

    Raises:
        InvalidValueError: An event lies outside, a time is not positive, or an array has another shape.
    """
    check_inside(events, geometry)
    if not (tau_us > 0 and math.isfinite(tau_us)) or decay not in ("exp", "lin"):
        message = f"a surface fades exp or lin with a positive time constant, but got {decay!r} and {tau_us} us"
        raise InvalidValueError(message)
    borders = time_borders(events, dt_us, last, values_per_window=2 * geometry.height * geometry.width)
    seen = surface_memory(geometry) if memory is None else memory
    shape = (len(borders) - 1, *seen.shape)
    surfaces = np.empty(shape, np.float32) if out is None else out[: shape[0]]
    if seen.shape != (2, geometry.height, geometry.width) or surfaces.shape != shape or surfaces.dtype != np.float32:
        message = f"memory and out must fit {shape}, but are {seen.shape} and {surfaces.dtype} {surfaces.shape}"
        raise InvalidValueError(message)
    _surfaces(events, borders, dt_us, tau_us, decay, seen, surfaces)
    return surfaces


def _surfaces(
    events: EventBatch,
    borders: Int64Array,
    dt_us: int,
    tau_us: float,
    decay: Decay,
    memory: Int64Array,
    surfaces: Float32Array,
) -> None:
    fade = _fade_exponentially if decay == "exp" else _fade_linearly
    span_us = tau_us * math.log(2) * SMALLEST_EXPONENT if decay == "exp" else tau_us * LINEAR_SPAN
    far_us = math.ceil(span_us)
    shift = max(0, far_us.bit_length() - 31)  # ages are brought to 31 bits; beyond an hour that costs microseconds
    per_age = (1 << shift) / (tau_us * math.log(2) if decay == "exp" else span_us)
    ages = np.empty(4096, np.int32)
    for k in range(len(surfaces)):
        part = slice(int(borders[k]), int(borders[k + 1]))
        _remember(events.t[part], events.x[part], events.y[part], events.p[part], memory)
        end_us = int(events.t[0]) + (k + 1) * dt_us
        fade(memory.ravel(), end_us, far_us, np.uint64(shift), np.float32(per_age), ages, surfaces[k].ravel())
    rest = slice(int(borders[-1]), None)
    _remember(events.t[rest], events.x[rest], events.y[rest], events.p[rest], memory)


@compiled
def _remember(t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray, memory: Int64Array) -> None:
    for i in range(len(t)):
        memory[np.uint8(p[i]), y[i], x[i]] = t[i]


@compiled
def _fade_exponentially(
    memory: Int64Array,
    end_us: int,
    far_us: int,
    shift: np.uint64,
    per_age: np.float32,
    ages: Int32Array,
    out: Float32Array,
) -> None:
    """Write ``exp(-age / tau)`` as ``2**n * 2**r``; two loops per block, so that each becomes SIMD code.

    ``2**r`` for ``|r| <= 1/2`` is a degree-6 minimax polynomial, as in Cephes' ``exp2f`` (Moshier, 1989).
    """
    far = np.int32(np.uint64(far_us) >> shift)
    for start in range(0, len(memory), len(ages)):
        n = min(len(ages), len(memory) - start)
        for i in range(n):
            ages[i] = np.int32(np.uint64(min(end_us - memory[start + i], far_us)) >> shift)
        for i in range(n):
            exponent = np.float32(ages[i]) * -per_age
            whole = np.int32(exponent - np.float32(0.5))
            rest = exponent - np.float32(whole)
            power = np.float32(1.535336188319500e-4)
            power = power * rest + np.float32(1.339887440266574e-3)
            power = power * rest + np.float32(9.618437357674640e-3)
            power = power * rest + np.float32(5.550332471162809e-2)
            power = power * rest + np.float32(2.402264791363012e-1)
            power = power * rest + np.float32(6.931472028550421e-1)
            power = power * rest + np.float32(1.0)
            scale = np.int32((whole + 127) << 23).view(np.float32)
            out[start + i] = power * scale if ages[i] < far else np.float32(0)


@compiled
def _fade_linearly(
    memory: Int64Array,
    end_us: int,
    far_us: int,
    shift: np.uint64,
    per_age: np.float32,
    ages: Int32Array,
    out: Float32Array,
) -> None:
    for start in range(0, len(memory), len(ages)):
        n = min(len(ages), len(memory) - start)
        for i in range(n):
            ages[i] = np.int32(np.uint64(min(end_us - memory[start + i], far_us)) >> shift)
        for i in range(n):
            out[start + i] = max(np.float32(0), np.float32(1) - np.float32(ages[i]) * per_age)


def to_averaged_timesurface(
    events: EventBatch,
    geometry: Geometry,
    *,
    cell_size: int = 10,
    surface_size: int = 7,
    time_window_us: int = 5_000_000,
    tau_us: float = 5_000.0,
    decay: Decay = "lin",
) -> Float32Array:
    """Return the average surface around the events of each cell (Sironi et al., "HATS", CVPR 2018).

    Around every event, the earlier events of its cell and polarity within ``time_window_us`` add ``exp(-age / tau)``
    (``lin``: ``max(0, 1 - age / (3 tau))``) at their offset, the event itself adds 1 at the centre, and a cell's
    surfaces are averaged. As ``tonic.transforms.ToAveragedTimesurface``, except where that is wrong: it takes times as
    float32, which loses microseconds after 16.8 s, and its linear decay turns negative after ``3 tau``.

    Args:
        events: In time order.
        geometry: Size of the sensor.
        cell_size: Side of a square cell in pixels; cells at the right and bottom may be smaller.
        surface_size: Side of a surface, odd and at most ``cell_size``.
        time_window_us: How far back an event looks.
        tau_us: Time constant.
        decay: How values fade.

    Returns:
        (n_cells, 2, surface_size, surface_size) float32, cells row by row, OFF first.

    Raises:
        InvalidValueError: An event lies outside, or a size or time is impossible.
    """
    check_inside(events, geometry)
    if not 1 <= surface_size <= cell_size or surface_size % 2 == 0:
        message = f"surface_size must be odd and at most cell_size {cell_size}, but is {surface_size}"
        raise InvalidValueError(message)
    if not (tau_us > 0 and time_window_us >= 0) or decay not in ("exp", "lin"):
        message = f"times must be positive and decay exp or lin, but got {tau_us}, {time_window_us}, {decay!r}"
        raise InvalidValueError(message)
    columns, rows = -(-geometry.width // cell_size), -(-geometry.height // cell_size)
    place = (events.y // cell_size * np.int64(columns) + events.x // cell_size) * 2 + events.p
    order = np.argsort(place, kind="stable")
    borders = np.searchsorted(place[order], np.arange(columns * rows * 2 + 1))
    sums = np.zeros((columns * rows * 2, surface_size, surface_size))
    x, y = (column[order].astype(np.int64) for column in (events.x, events.y))
    _average(events.t[order], x, y, borders, time_window_us, tau_us, decay == "exp", sums)
    return sums.reshape(columns * rows, 2, surface_size, surface_size).astype(np.float32)


@compiled
def _average(
    t: Int64Array,
    x: Int64Array,
    y: Int64Array,
    borders: Int64Array,
    time_window_us: int,
    tau_us: float,
    exponential: bool,  # noqa: FBT001  (kernels take their arguments by position)
    sums: Float64Array,
) -> None:
    reach = sums.shape[1] // 2
    for cell in range(len(sums)):
        for i in range(borders[cell], borders[cell + 1]):
            j = i - 1
            while j >= borders[cell] and t[i] - t[j] <= time_window_us:
                row, column = y[j] - y[i] + reach, x[j] - x[i] + reach
                if 0 <= row <= 2 * reach and 0 <= column <= 2 * reach:
                    age = (t[i] - t[j]) / tau_us
                    sums[cell, row, column] += math.exp(-age) if exponential else max(0.0, 1.0 - age / LINEAR_SPAN)
                j -= 1
            sums[cell, reach, reach] += 1.0
        sums[cell] /= max(1, borders[cell + 1] - borders[cell])
