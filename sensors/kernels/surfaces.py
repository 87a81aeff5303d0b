"""Turns events into surfaces that fade with time: the last event of each pixel, or averages over neighbourhoods."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from hil.errors import InvalidValueError
from hil.network import LastWindow
from hil.types import BoolArray, EventBatch, Float32Array, Float64Array, Geometry, Int32Array, Int64Array, UInt16Array
from sensors.kernels.columns import check_inside, time_borders
from sensors.kernels.compiling import compiled
from sensors.kernels.memory import SPAN_US, PixelTimes, surface_memory

__all__ = ["Decay", "surface_memory", "to_averaged_timesurface", "to_timesurface"]

Decay: TypeAlias = Literal["exp", "lin"]

SMALLEST_EXPONENT = 125  # base 2; one less makes subnormal numbers, which are a hundred times slower
LINEAR_SPAN = 3  # a linear surface reaches zero after three time constants, as Tonic's


def to_timesurface(
    events: EventBatch,
    geometry: Geometry,
    *,
    dt_us: int,
    tau_us: float,
    decay: Decay = "exp",
    last: LastWindow = "half",
    memory: PixelTimes | None = None,
    out: Float32Array | None = None,
) -> Float32Array:
    """Return, at the end of every ``dt_us``, how recently each pixel fired: 1 now, fading towards 0.

    ``exp`` is ``exp(-age / tau)`` (Lagorce et al., "HOTS", IEEE TPAMI 2017), as ``tonic.transforms.ToTimesurface``;
    ``lin`` is ``max(0, 1 - age / (3 tau))``. Exponentials are within 2e-7 of exact, and 0 below 2.4e-38.

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
        InvalidValueError: An event lies outside, a time is not positive or too long (``exp`` 12 s, ``lin`` 6 minutes),
            or an array has another shape.
    """
    check_inside(events, geometry)
    far_us = _reach_us(tau_us, decay)
    if not 1 <= dt_us <= SPAN_US:
        message = f"surfaces must be 1 us to {SPAN_US} us apart, but got {dt_us} us"
        raise InvalidValueError(message)
    borders = time_borders(events, dt_us, last, values_per_window=2 * geometry.height * geometry.width)
    times = memory or surface_memory(geometry)
    times.check(2, geometry.height, geometry.width)
    surfaces = _stack(out, (len(borders) - 1, 2, geometry.height, geometry.width))
    fade = _fade_exponentially if decay == "exp" else _fade_linearly
    rate = np.float32(1 / (tau_us * math.log(2)) if decay == "exp" else 1 / (LINEAR_SPAN * tau_us))
    for k, surface in enumerate(surfaces):
        part, end_us = events[int(borders[k]) : int(borders[k + 1])], int(events.t[0]) + (k + 1) * dt_us
        _remember_until(end_us, part, times)
        fade(times.times_us.ravel(), np.int32(end_us - times.base_us[0]), np.int32(far_us), rate, surface.ravel())
    _remember_until(int(events.t[-1]) if len(events) else 0, events[int(borders[-1]) :], times)
    return surfaces


def _reach_us(tau_us: float, decay: Decay) -> int:
    """Return the age at which a surface is zero."""
    if decay not in ("exp", "lin"):
        message = f"a surface fades exp or lin, but got {decay!r}"
        raise InvalidValueError(message)
    reach = math.log(2) * SMALLEST_EXPONENT if decay == "exp" else LINEAR_SPAN
    if not 0 < tau_us * reach <= SPAN_US:
        message = (
            f"the time constant of {decay} must be above 0 and at most {SPAN_US / reach:.0f} us, but is {tau_us} us"
        )
        raise InvalidValueError(message)
    return math.ceil(tau_us * reach)


def _stack(out: Float32Array | None, shape: tuple[int, int, int, int]) -> Float32Array:
    if out is None:
        return np.empty(shape, np.float32)
    if out.dtype != np.float32 or out.shape[1:] != shape[1:] or len(out) < shape[0] or not out.flags.c_contiguous:
        message = f"out must be contiguous float32 of at least {shape}, but is {out.dtype} {out.shape}"
        raise InvalidValueError(message)
    return out[: shape[0]]


def _remember_until(end_us: int, events: EventBatch, times: PixelTimes) -> None:
    """Note the events of at most ``SPAN_US`` that end by ``end_us``, which then fits after the base."""
    if not 0 <= end_us - int(times.base_us[0]) < SPAN_US:
        times.move_base(end_us)
    _remember(events.t, events.x, events.y, events.p, times.base_us, times.times_us)


@compiled
def _remember(
    t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray, base_us: Int64Array, times: Int32Array
) -> None:
    width, plane = np.uint64(times.shape[2]), np.uint64(times.shape[1] * times.shape[2])
    cells = times.ravel()
    for i in range(len(t)):
        cell = np.uint64(p[i]) * plane + np.uint64(y[i]) * width + np.uint64(x[i])
        cells[cell] = np.int32(t[i] - base_us[0])


@compiled
def _fade_exponentially(
    times: Int32Array, end_us: np.int32, far_us: np.int32, rate: np.float32, out: Float32Array
) -> None:
    """Write ``exp(-age / tau)`` as ``2**n * 2**r``, every value in 32 bits so that the loop becomes SIMD code.

    ``2**r`` for ``|r| <= 1/2`` is a degree-5 polynomial fitted for least relative error (9e-8) with value 1 at 0.
    """
    for i in range(len(times)):
        age = np.int32(min(np.int32(end_us - times[i]), far_us))
        exponent = np.float32(age) * -rate
        whole = np.int32(exponent - np.float32(0.5))
        rest = exponent - np.float32(whole)
        power = np.float32(1.325460240e-03)
        power = power * rest + np.float32(9.671991980e-03)
        power = power * rest + np.float32(5.550779320e-02)
        power = power * rest + np.float32(2.402223190e-01)
        power = power * rest + np.float32(6.931469300e-01)
        power = power * rest + np.float32(1.0)
        scale = np.int32(np.int32(whole + np.int32(127)) << np.int32(23)).view(np.float32)  # type: ignore[attr-defined,unused-ignore]
        out[i] = power * scale if age < far_us else np.float32(0)


@compiled
def _fade_linearly(times: Int32Array, end_us: np.int32, far_us: np.int32, rate: np.float32, out: Float32Array) -> None:
    for i in range(len(times)):
        age = np.int32(min(np.int32(end_us - times[i]), far_us))
        out[i] = max(np.float32(0), np.float32(1) - np.float32(age) * rate)


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
