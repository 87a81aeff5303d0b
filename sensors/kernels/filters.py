"""Keeps the events worth keeping: noise filters, refractory periods, hot pixels, polarity."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import BoolArray, EventBatch, Geometry, Int64Array, UInt16Array
from sensors.kernels.columns import NEVER, check_inside, last_times
from sensors.kernels.compiling import compiled

__all__ = ["Neighbours", "denoise", "drop_pixel", "identify_hot_pixel", "keep_polarity", "refractory_period"]

Neighbours: TypeAlias = Literal[4, 8]


def denoise(
    events: EventBatch,
    geometry: Geometry,
    *,
    filter_time_us: int = 10_000,
    neighbours: Neighbours = 8,
    memory: Int64Array | None = None,
) -> EventBatch:
    """Keep events that a neighbouring pixel supports: one that fired less than ``filter_time_us`` before.

    The background-activity filter of Delbruck, "Frame-free dynamic digital vision" (2008). With 8 neighbours it equals
    dv-processing's ``BackgroundActivityNoiseFilter``, with 4 ``tonic.transforms.Denoise``, except that both of these
    take pixels that never fired as having fired at time 0, and so keep every event of the first ``filter_time_us``
    of a clock that starts there; here, a pixel that never fired supports nothing.

    Args:
        events: In time order.
        geometry: Size of the sensor.
        filter_time_us: How long an event supports its neighbours.
        neighbours: 4 share an edge, 8 an edge or a corner.
        memory: From ``last_times``, to go on where the last batch ended; updated in place.

    Raises:
        InvalidValueError: An event lies outside, the time is negative, or the memory has another shape.
    """
    seen = _memory(events, geometry, memory, filter_time_us)
    if neighbours not in (4, 8):
        message = f"a pixel has 4 or 8 neighbours, but got {neighbours}"
        raise InvalidValueError(message)
    keep = np.empty(len(events), np.bool_)
    _supported(events.t, events.x, events.y, filter_time_us, neighbours, seen, keep)
    return events.select(keep)


@compiled
def _supported(
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    filter_time_us: int,
    neighbours: int,
    memory: Int64Array,
    keep: BoolArray,
) -> None:
    for i in range(len(t)):
        column, row, since = np.intp(x[i]) + 1, np.intp(y[i]) + 1, t[i] - filter_time_us
        newest = max(memory[row - 1, column], memory[row + 1, column], memory[row, column - 1], memory[row, column + 1])
        if neighbours == 8:
            upper = max(memory[row - 1, column - 1], memory[row - 1, column + 1])
            lower = max(memory[row + 1, column - 1], memory[row + 1, column + 1])
            newest = max(newest, upper, lower)
        keep[i] = newest > since
        memory[row, column] = t[i]


def refractory_period(
    events: EventBatch, geometry: Geometry, *, refractory_us: int, memory: Int64Array | None = None
) -> EventBatch:
    """Keep an event when its pixel's last *kept* event is more than ``refractory_us`` ago, as in a pixel's circuit.

    ``tonic.transforms.RefractoryPeriod`` counts from the last event, kept or not, so that a pixel which fires faster
    than the period falls silent for ever, and it drops a first event at time 0. Where every gap is longer than the
    period, or dropped events stand alone, both keep the same.

    Args:
        events: In time order.
        geometry: Size of the sensor.
        refractory_us: Dead time after a kept event.
        memory: From ``last_times``, to go on where the last batch ended; updated in place.

    Raises:
        InvalidValueError: An event lies outside, the time is negative, or the memory has another shape.
    """
    rested = _memory(events, geometry, memory, refractory_us)
    keep = np.empty(len(events), np.bool_)
    _rested(events.t, events.x, events.y, refractory_us, rested, keep)
    return events.select(keep)


@compiled
def _rested(
    t: Int64Array, x: UInt16Array, y: UInt16Array, refractory_us: int, memory: Int64Array, keep: BoolArray
) -> None:
    for i in range(len(t)):
        column, row = np.intp(x[i]) + 1, np.intp(y[i]) + 1
        keep[i] = t[i] - memory[row, column] > refractory_us
        if keep[i]:
            memory[row, column] = t[i]


def _memory(events: EventBatch, geometry: Geometry, memory: Int64Array | None, time_us: int) -> Int64Array:
    check_inside(events, geometry)
    if not 0 <= time_us < -NEVER:
        message = f"a filter's time must be zero or positive, but is {time_us} us"
        raise InvalidValueError(message)
    seen = last_times(geometry) if memory is None else memory
    if seen.shape != (geometry.height + 2, geometry.width + 2) or seen.dtype != np.int64:
        message = f"memory must come from last_times for this sensor, but is {seen.dtype} {seen.shape}"
        raise InvalidValueError(message)
    return seen


def identify_hot_pixel(
    events: EventBatch, geometry: Geometry, *, hot_pixel_frequency_hz: float
) -> npt.NDArray[np.int64]:
    """Return (n_pixels, 2) x and y of pixels that fire more often than that on average over the batch.

    As ``tonic.functional.identify_hot_pixel``, ordered by x, then y.
    """
    check_inside(events, geometry)
    if not len(events):
        return np.empty((0, 2), np.int64)
    place = events.x.astype(np.int64) * geometry.height + events.y
    counts = np.bincount(place, minlength=geometry.width * geometry.height)
    span_s = (int(events.t[-1]) - int(events.t[0])) * 1e-6
    return np.argwhere(counts.reshape(geometry.width, geometry.height) > hot_pixel_frequency_hz * span_s)


def drop_pixel(events: EventBatch, geometry: Geometry, coordinates: npt.ArrayLike) -> EventBatch:
    """Return the events of all pixels but the (n_pixels, 2) x and y given, as ``tonic.transforms.DropPixel``.

    Raises:
        InvalidValueError: An event or a coordinate lies outside.
    """
    check_inside(events, geometry)
    pixels = np.asarray(coordinates, np.int64).reshape(-1, 2)
    size = (geometry.width, geometry.height)
    if (pixels < 0).any() or (pixels >= size).any():
        message = f"pixels must lie on the {size[0]}x{size[1]} sensor, but got {pixels.tolist()}"
        raise InvalidValueError(message)
    alive = np.ones((geometry.height, geometry.width), np.bool_)
    alive[pixels[:, 1], pixels[:, 0]] = False
    return events.select(alive[events.y, events.x])


def keep_polarity(events: EventBatch, *, on: bool) -> EventBatch:
    """Return the ON events, or the OFF events."""
    return events.select(events.p if on else ~events.p)
