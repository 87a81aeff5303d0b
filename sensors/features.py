"""Turns windows of events into the int8 vectors a network takes, in integer arithmetic only.

Each vector counts events per time bin, polarity and cell of a grid, in the layout ``hil.network.FeatureSpec`` states.
Counting is exact, so the same events give the same vector on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hil.errors import InvalidValueError
from hil.network import FeatureSpec
from hil.ports import EventSource
from hil.progress import OnProgress, ignore_progress
from hil.types import EventBatch, FeatureBatch, Geometry, Int8Array, Int64Array
from sensors.windows import Window, time_windows

__all__ = ["FeatureEncoder", "encode", "encode_window"]

LIMIT = 127  # of int8


def encode(
    source: EventSource | Iterable[EventBatch],
    spec: FeatureSpec,
    *,
    geometry: Geometry | None = None,
    on_progress: OnProgress = ignore_progress,
) -> FeatureBatch:
    """Return every window of a stream as the network sees it.

    Windows start at the first event and follow ``spec.last_window``. A window without events is left out: nothing
    happened, so there is nothing to infer; times of the windows show the gap.

    Args:
        source: A recording or camera, or batches in time order.
        spec: The network's input.
        geometry: Size of the sensor; the source's own when not given.
        on_progress: Called with the windows done so far; their total is not known.

    Returns:
        (n, d_in) int8 counts with the times of each window, the share of values that were clipped, and how many events
        at the end of the stream are in no window.

    Raises:
        InvalidValueError: No geometry is known, an event lies outside it, or the spec cannot be met.
    """
    size = geometry or getattr(source, "geometry", None)
    if size is None:
        message = "features need the size of the sensor, but the source has no geometry; pass geometry="
        raise InvalidValueError(message)
    encoder = FeatureEncoder(spec, size)
    windows: list[tuple[int, int, int]] = []
    rows: list[Int8Array] = []
    n_clipped = 0
    left_out: list[int] = []
    for window in time_windows(
        source, spec.window_us, last=spec.last_window, empty="skip", on_left_out=left_out.append
    ):
        row, clipped = encoder.encode(window)
        rows.append(row)
        windows.append((window.start_us, window.end_us, len(window.events)))
        n_clipped += clipped
        on_progress(len(rows), 0)
    times = np.array(windows, dtype=np.int64).reshape(-1, 3)
    features = np.stack(rows) if rows else np.empty((0, spec.d_in), np.int8)
    share = n_clipped / features.size if features.size else 0.0
    return FeatureBatch(features, times[:, 0], times[:, 1], times[:, 2], clipped=share, events_left_out=sum(left_out))


def encode_window(batch: EventBatch, geometry: Geometry, spec: FeatureSpec) -> Int8Array:
    """Return the (d_in,) int8 features of the one window that starts at the first event.

    This is the first row of ``encode`` for the same events. Data sets with one sample per recording use it: N-MNIST's
    recordings start up to 7 ms after their time zero, so the first event, not zero, is where both calls begin.
    Events after the window are left out; no events give zeros.

    Raises:
        InvalidValueError: An event lies outside the geometry, or the spec cannot be met.
    """
    start_us = int(batch.t[0]) if len(batch) else 0
    end_us = start_us + spec.window_us
    window = Window(start_us, end_us, batch.between(start_us, end_us))
    return FeatureEncoder(spec, geometry).encode(window)[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """Which cells each sensor coordinate falls into, and with which integer weight.

    Attributes:
        cell: (parts, size) cell of each part of a coordinate; anything where the share is 0.
        share: (parts, size) weight of each part.
    """

    cell: Int64Array
    share: Int64Array


def _area_axis(size: int, n_cells: int) -> _Axis:
    """Lay ``size`` pixels over ``n_cells`` cells; in units of 1/(size * n_cells) of the axis every border is whole."""
    left = np.arange(size) * n_cells
    most_parts = (n_cells + size - 2) // size + 1
    cell = left // size + np.arange(most_parts)[:, None]
    share = np.minimum(left + n_cells, (cell + 1) * size) - np.maximum(left, cell * size)
    inside = (share > 0) & (cell < n_cells)
    used = inside.any(axis=1)
    return _Axis(np.where(inside, cell, 0)[used], np.where(inside, share, 0)[used])


def _crop_axis(size: int, n_cells: int, side: int) -> _Axis:
    offset = (size - n_cells * side) // 2
    cell = (np.arange(size) - offset) // side
    inside = (cell >= 0) & (cell < n_cells)
    return _Axis(np.where(inside, cell, 0)[None], inside.astype(np.int64)[None])


@lru_cache(maxsize=16)
def _axes(spec: FeatureSpec, geometry: Geometry) -> tuple[_Axis, _Axis, int, int]:
    """Return both axes and the fraction (numerator, denominator) that brings summed shares to counts."""
    if spec.fit == "area":
        columns = _area_axis(geometry.width, spec.width)
        rows = _area_axis(geometry.height, spec.height)
        return columns, rows, spec.pixels_per_cell, geometry.width * geometry.height
    side = math.isqrt(spec.pixels_per_cell)
    if side * side != spec.pixels_per_cell:
        message = f"crop needs a square number of pixels per cell, but got {spec.pixels_per_cell}"
        raise InvalidValueError(message)
    return _crop_axis(geometry.width, spec.width, side), _crop_axis(geometry.height, spec.height, side), 1, 1


@dataclass(frozen=True, slots=True)
class FeatureEncoder:
    """Maps windows of one sensor to one network's input.

    ``area`` lays the whole sensor over the grid: a pixel on the border of cells is shared between them by area, larger
    and smaller sensors alike, and the count of a cell is brought to ``pixels_per_cell`` pixels,
    ``count * pixels_per_cell * cells / pixels``, rounded to the nearest integer with halves up. A sensor with fewer
    pixels than the grid has cells spreads each event over the cells its pixel covers.
    ``crop`` takes the centre (when the margin is odd, the extra pixel is at the right and the bottom), counts without
    scaling, and leaves cells beyond a smaller sensor at zero.
    Counts above 127 are clipped.

    Attributes:
        spec: The network's input.
        geometry: Size of the sensor.
    """

    spec: FeatureSpec
    geometry: Geometry

    def encode(self, window: Window) -> tuple[Int8Array, int]:
        """Return the (d_in,) int8 features of a window and how many of them were clipped.

        Raises:
            InvalidValueError: An event lies outside the geometry or the window, or the spec cannot be met.
        """
        self._check(window)
        counts = self._counts(window)
        clipped = int(np.count_nonzero(counts > LIMIT))
        return np.minimum(counts, LIMIT).astype(np.int8), clipped

    def _check(self, window: Window) -> None:
        events, size = window.events, self.geometry
        x, y = (int(column.max(initial=0)) for column in (events.x, events.y))
        if x >= size.width or y >= size.height:
            message = f"events must lie on the {size.width}x{size.height} sensor, but one is at x {x} or y {y}"
            raise InvalidValueError(message)
        if len(events) and not (
            events.t[0] >= window.start_us and events.t[-1] < window.start_us + self.spec.window_us
        ):
            message = f"events must lie within {self.spec.window_us} us of {window.start_us} us, but one does not"
            raise InvalidValueError(message)

    def _counts(self, window: Window) -> Int64Array:
        """Return the (d_in,) counts before clipping; sums of integers below 2**53 are exact in float64."""
        spec, events = self.spec, window.events
        columns, rows, numerator, denominator = _axes(spec, self.geometry)
        time_bin = (events.t - window.start_us) * spec.time_bins // spec.window_us
        plane = (time_bin * 2 + events.p) * spec.height
        total = np.zeros(spec.d_in)
        for cell_y, share_y in zip(rows.cell, rows.share, strict=True):
            line = (plane + cell_y[events.y]) * spec.width
            for cell_x, share_x in zip(columns.cell, columns.share, strict=True):
                weights = share_y[events.y] * share_x[events.x]
                total += np.bincount(line + cell_x[events.x], weights, minlength=spec.d_in)
        exact = total.astype(np.int64)
        return (2 * exact * numerator + denominator) // (2 * denominator)
