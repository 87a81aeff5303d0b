"""Makes every epoch see recordings it has never seen: moved, turned, stretched, thinned and jittered events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hil.errors import ConfigError
from hil.network import FeatureSpec
from hil.types import EventBatch, Float64Array, Geometry, Int8Array, Int32Array, Int64Array
from sensors.features import FeatureEncoder
from sensors.windows import Window

__all__ = ["Augmentation", "EventTable", "encode_table"]

ELASTIC_KNOTS = 5
MOST_PX = 1e4
MOST = {"rotation_deg": 180.0, "scale": 5.0, "shear": 100.0, "start_us": 1e9, "stretch": 5.0, "noise": 100.0}
"""The largest amounts; an event's time and place stay far within 32 bits."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far recordings are varied; every amount is drawn per recording, evenly between its limits.

    Attributes:
        shift_px: Movement along each axis.
        rotation_deg: Turn about the centre.
        scale: Logarithmic stretch of each axis.
        shear: Pixels along one axis per pixel along the other.
        elastic_px: Deviation of a smooth random displacement of pixels.
        drop: Largest share of events that are left out.
        start_us: Latest start of the window after the first event.
        stretch: Logarithmic stretch of time.
        noise: Largest number of events from nowhere, as a share of the recording's.
    """

    shift_px: float = 0.0
    rotation_deg: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic_px: float = 0.0
    drop: float = 0.0
    start_us: float = 0.0
    stretch: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse amounts that leave no recording, or that no number can hold."""
        if not 0 <= self.drop < 1:
            raise ConfigError(f"augmentation drop must be at least 0 and below 1, but is {self.drop}")
        for each in fields(self):
            amount, most = getattr(self, each.name), MOST.get(each.name, MOST_PX)
            if not 0 <= amount <= most:
                raise ConfigError(f"augmentation {each.name} must be between 0 and {most:g}, but is {amount}")


@dataclass(frozen=True, slots=True, eq=False)
class EventTable:
    """The events of many recordings in one table, each recording's time counted from its first event.

    Attributes:
        recording: (n_events,) int32 index of the recording; events are in no particular order.
        t: (n_events,) int32 microseconds since the recording's first event.
        x: (n_events,) int32 column.
        y: (n_events,) int32 row.
        p: (n_events,) int32 polarity.
        count: How many recordings.
        geometry: Size of the sensor.
    """

    recording: Int32Array
    t: Int32Array
    x: Int32Array
    y: Int32Array
    p: Int32Array
    count: int
    geometry: Geometry

    @classmethod
    def of(cls, batches: list[EventBatch], geometry: Geometry) -> EventTable:
        """Stack recordings of one sensor, none longer than half an hour."""
        sizes = [len(batch) for batch in batches]
        t = np.concatenate([batch.t - batch.t[:1] for batch in batches])
        columns = {axis: np.concatenate([getattr(batch, axis) for batch in batches]) for axis in "xyp"}
        columns |= {"t": t, "recording": np.repeat(np.arange(len(batches)), sizes)}
        return cls(
            **{name: column.astype(np.int32) for name, column in columns.items()}, count=len(batches), geometry=geometry
        )

    def varied(self, how: Augmentation, *, rng: np.random.Generator) -> EventTable:
        """Return the recordings varied; events that leave the sensor are gone."""
        from experiments.kernels import vary

        drawn = _Drawn.of(self, how, rng)
        room = tuple(np.empty(len(self.t) + len(drawn.strays), np.int32) for _ in range(5))
        kept = vary(self.recording, (self.t, self.x, self.y, self.p), drawn.amounts, drawn.limits, drawn.key, room)
        recording, t, x, y, p = (column[:kept] for column in room)
        return replace(self, recording=recording, t=t, x=x, y=y, p=p)

    def varied_features(self, how: Augmentation, spec: FeatureSpec, *, rng: np.random.Generator) -> Int8Array:
        """Return (count, d_in) features of ``varied``, in one pass over the events where whole pixels make a cell."""
        if not _whole_pixels(self.geometry, spec):
            return encode_table(self.varied(how, rng=rng), spec)
        from experiments.kernels import vary_and_count

        drawn = _Drawn.of(self, how, rng)
        counts = np.zeros((self.count, spec.d_in), np.int8)
        events = (self.t, self.x, self.y, self.p)
        cells = _cells(self.geometry, spec)
        vary_and_count(self.recording, events, drawn.amounts, drawn.limits, drawn.key, cells, counts)
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What is decided for a table before its events are looked at, as ``experiments.kernels.vary`` asks for it."""

    amounts: tuple[Float64Array, npt.NDArray[np.float32], Int32Array, Int32Array]
    limits: tuple[int, int]
    key: np.uint64

    @property
    def strays(self) -> Int32Array:
        return self.amounts[2]

    @classmethod
    def of(cls, table: EventTable, how: Augmentation, rng: np.random.Generator) -> _Drawn:
        linear = _amounts(how, table.count, rng)
        field = _displacement(how, table.count, table.geometry, rng)
        strays, last_us = _strays(table, how, rng)
        limits = (table.geometry.width, table.geometry.height)
        return cls((linear, field, strays, last_us), limits, np.uint64(rng.integers(2**63)))


def _strays(table: EventTable, how: Augmentation, rng: np.random.Generator) -> tuple[Int32Array, Int32Array]:
    """Return the recording of every event from nowhere, and how late it can be in each recording."""
    last_us = np.zeros(table.count, np.int32)
    if not how.noise:
        return np.empty(0, np.int32), last_us
    np.maximum.at(last_us, table.recording, table.t)
    sizes = np.bincount(table.recording, minlength=table.count)
    extra = (rng.uniform(0, how.noise, table.count) * sizes).astype(np.int64)
    return np.repeat(np.arange(table.count, dtype=np.int32), extra), last_us


def _amounts(how: Augmentation, count: int, rng: np.random.Generator) -> Float64Array:
    """Return (count, 9) what ``experiments.kernels.vary`` asks for; the map is stretch, then shear, then rotation."""
    drop = rng.uniform(0, how.drop, (count, 1))
    angle = np.deg2rad(rng.uniform(-how.rotation_deg, how.rotation_deg, count))
    stretch = np.exp(rng.uniform(-how.scale, how.scale, (count, 2)))
    shear = rng.uniform(-how.shear, how.shear, count)
    shift = rng.uniform(-how.shift_px, how.shift_px, (count, 2))
    start_us = rng.uniform(0, how.start_us, (count, 1))
    time_stretch = np.exp(rng.uniform(-how.stretch, how.stretch, (count, 1)))
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.stack([cos, -sin, sin, cos], axis=1).reshape(-1, 2, 2)
    sheared = np.stack([stretch[:, 0], shear * stretch[:, 1], np.zeros(count), stretch[:, 1]], axis=1)
    linear = (rotation @ sheared.reshape(-1, 2, 2)).reshape(-1, 4)
    return np.hstack([drop, linear, shift, start_us, time_stretch])


def _displacement(how: Augmentation, count: int, size: Geometry, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return (count, 2, height, width) smooth displacements: normal numbers on a coarse grid, interpolated."""
    if not how.elastic_px:
        return np.empty((0, 2, 0, 0), np.float32)
    knots = rng.normal(0.0, how.elastic_px, (count, 2, ELASTIC_KNOTS, ELASTIC_KNOTS)).astype(np.float32)
    down, across = _interpolation(size.height), _interpolation(size.width)
    field: npt.NDArray[np.float32] = (down @ knots @ across.T).astype(np.float32)
    return field


def _interpolation(length: int) -> npt.NDArray[np.float32]:
    """Return (length, knots) weights that draw a line from knot to knot."""
    at = np.linspace(0, ELASTIC_KNOTS - 1, length)[:, None]
    weights: npt.NDArray[np.float32] = np.maximum(0, 1 - np.abs(at - np.arange(ELASTIC_KNOTS))).astype(np.float32)
    return weights


def encode_table(table: EventTable, spec: FeatureSpec) -> Int8Array:
    """Return (count, d_in) features of the first window of every recording, as ``sensors.features`` defines them.

    Where whole pixels make a cell - as they do for the sensor a network is trained for - counting is all there is to
    it and is done at once; any other sensor goes through the encoder itself, recording by recording.
    """
    if _whole_pixels(table.geometry, spec):
        return _counted(table, spec)
    encoder = FeatureEncoder(spec, table.geometry)
    return np.stack([encoder.encode(window)[0] for window in _windows(table, spec)])


def _whole_pixels(size: Geometry, spec: FeatureSpec) -> bool:
    per_cell = (size.width * size.height) / (spec.width * spec.height)
    divides = size.width % spec.width == 0 and size.height % spec.height == 0
    return spec.fit == "area" and divides and per_cell == spec.pixels_per_cell


def _counted(table: EventTable, spec: FeatureSpec) -> Int8Array:
    from experiments.kernels import count

    counts = np.zeros((table.count, spec.d_in), np.int8)
    count((table.recording, table.t, table.x, table.y, table.p), _cells(table.geometry, spec), counts)
    return counts


def _cells(size: Geometry, spec: FeatureSpec) -> tuple[int, int, Int64Array, Int64Array, int]:
    """Return which cell each column and row belongs to, as ``experiments.kernels.count`` asks for it."""
    across = np.arange(size.width) * spec.width // size.width
    down = np.arange(size.height) * spec.height // size.height * spec.width
    return spec.window_us, spec.time_bins, across, down, spec.width * spec.height


def _windows(table: EventTable, spec: FeatureSpec) -> Iterator[Window]:
    order = np.lexsort((table.t, table.recording))
    bounds = np.searchsorted(table.recording[order], np.arange(table.count + 1))
    for first, last in pairwise(bounds.tolist()):
        own = order[first:last]
        events = EventBatch.unchecked(
            table.t[own].astype(np.int64),
            table.x[own].astype(np.uint16),
            table.y[own].astype(np.uint16),
            table.p[own].astype(np.bool_),
        )
        yield Window(0, spec.window_us, events.between(0, spec.window_us))
