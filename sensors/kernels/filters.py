"""Keeps the events worth keeping: noise filters, refractory periods, hot pixels, polarity."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import BoolArray, EventBatch, Geometry, Int32Array, Int64Array, UInt16Array
from sensors.kernels.columns import check_inside, select
from sensors.kernels.compiling import compiled
from sensors.kernels.memory import LONGEST_US, PixelTimes, last_times

__all__ = ["Neighbours", "denoise", "drop_pixel", "identify_hot_pixel", "keep_polarity", "refractory_period"]

Neighbours: TypeAlias = Literal[4, 8]


def denoise(
    events: EventBatch,
    geometry: Geometry,
    *,
    filter_time_us: int = 10_000,
    neighbours: Neighbours = 8,
    memory: PixelTimes | None = None,
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
        InvalidValueError: An event lies outside, the time is negative or above 9 minutes, or the memory is of another
            sensor.
    """
    support = _memory(events, geometry, memory, filter_time_us)
    if neighbours not in (4, 8):
        message = f"a pixel has 4 or 8 neighbours, but got {neighbours}"
        raise InvalidValueError(message)
    keep = np.empty(len(events), np.bool_)
    done = 0
    for part in support.parts(events):
        kept = keep[done : done + len(part)]
        _supported(part.t, part.x, part.y, filter_time_us, neighbours, support.base_us, support.times_us, kept)
        done += len(part)
    return select(events, keep)


@compiled
def _supported(
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    filter_time_us: int,
    neighbours: int,
    base_us: Int64Array,
    support: Int32Array,
    keep: BoolArray,
) -> None:
    """Let each event write its time into its neighbours: stores wait for nothing, loads of nine cells would.

    Indices are unsigned, so that numba does not look for negative ones.
    """
    pitch, one, two = np.uint64(support.shape[1]), np.uint64(1), np.uint64(2)
    cells = support.ravel()
    for i in range(len(t)):
        top = np.uint64(y[i]) * pitch + np.uint64(x[i])
        middle = top + pitch
        bottom = middle + pitch
        now = np.int32(t[i] - base_us[0])
        keep[i] = cells[middle + one] > now - filter_time_us
        cells[top + one] = cells[middle] = cells[middle + two] = cells[bottom + one] = now
        if neighbours == 8:
            cells[top] = cells[top + two] = cells[bottom] = cells[bottom + two] = now


def refractory_period(
    events: EventBatch, geometry: Geometry, *, refractory_us: int, memory: PixelTimes | None = None
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
        InvalidValueError: An event lies outside, the time is negative or above 9 minutes, or the memory is of another
            sensor.
    """
    rested = _memory(events, geometry, memory, refractory_us)
    keep = np.empty(len(events), np.bool_)
    done = 0
    for part in rested.parts(events):
        _rested(part.t, part.x, part.y, refractory_us, rested.base_us, rested.times_us, keep[done : done + len(part)])
        done += len(part)
    return select(events, keep)


@compiled
def _rested(
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    refractory_us: int,
    base_us: Int64Array,
    fired: Int32Array,
    keep: BoolArray,
) -> None:
    pitch, one = np.uint64(fired.shape[1]), np.uint64(1)
    cells = fired.ravel()
    for i in range(len(t)):
        cell = np.uint64(y[i]) * pitch + pitch + np.uint64(x[i]) + one
        now = np.int32(t[i] - base_us[0])
        kept = now - cells[cell] > refractory_us
        keep[i] = kept
        cells[cell] = now if kept else cells[cell]


def _memory(events: EventBatch, geometry: Geometry, memory: PixelTimes | None, time_us: int) -> PixelTimes:
    check_inside(events, geometry)
    if not 0 <= time_us <= LONGEST_US:
        message = f"a filter's time must be between 0 and {LONGEST_US} us, but is {time_us} us"
        raise InvalidValueError(message)
    times = memory or last_times(geometry)
    times.check(geometry.height + 2, geometry.width + 2)
    return times


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
    return select(events, alive[events.y, events.x])


def keep_polarity(events: EventBatch, *, on: bool) -> EventBatch:
    """Return the ON events, or the OFF events."""
    return select(events, events.p if on else ~events.p)
