"""Makes every epoch see recordings it has never seen: moved, turned, stretched, thinned and jittered events."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hil.errors import ConfigError
from hil.network import FeatureSpec
from hil.types import EventBatch, Float64Array, Geometry, Int8Array, Int64Array
from sensors.features import FeatureEncoder
from sensors.windows import Window

__all__ = ["Augmentation", "EventTable", "encode_table"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far recordings are varied; every amount is drawn per recording, evenly between its limits.

    Attributes:
        shift_px: Movement along each axis.
        rotation_deg: Turn about the centre.
        scale: Logarithmic stretch of each axis.
        shear: Pixels along one axis per pixel along the other.
        drop: Largest share of events that are left out.
        start_us: Latest start of the window after the first event.
        stretch: Logarithmic stretch of time.
        noise: Largest number of events from nowhere, as a share of the recording's.
    """

    shift_px: float = 0.0
    rotation_deg: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    drop: float = 0.0
    start_us: float = 0.0
    stretch: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse amounts that leave no recording."""
        if not 0 <= self.drop < 1:
            raise ConfigError(f"augmentation drop must be at least 0 and below 1, but is {self.drop}")


@dataclass(frozen=True, slots=True, eq=False)
class EventTable:
    """The events of many recordings in one table, each recording's time counted from its first event.

    Attributes:
        recording: (n_events,) index of the recording; events are in no particular order.
        t: (n_events,) int64 microseconds since the recording's first event.
        x: (n_events,) int64 column.
        y: (n_events,) int64 row.
        p: (n_events,) int64 polarity.
        count: How many recordings.
        geometry: Size of the sensor.
    """

    recording: Int64Array
    t: Int64Array
    x: Int64Array
    y: Int64Array
    p: Int64Array
    count: int
    geometry: Geometry

    @classmethod
    def of(cls, batches: list[EventBatch], geometry: Geometry) -> EventTable:
        """Stack recordings of one sensor."""
        index = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
        t = np.concatenate([batch.t - batch.t[:1] for batch in batches])
        x, y, p = (np.concatenate([getattr(batch, axis) for batch in batches]).astype(np.int64) for axis in "xyp")
        return cls(index, t, x, y, p, len(batches), geometry)

    def varied(self, how: Augmentation, *, rng: np.random.Generator) -> EventTable:
        """Return the recordings varied; events that leave the sensor are gone."""
        from experiments.kernels import vary

        amounts = _amounts(how, self.count, rng)
        room = tuple(np.empty(len(self.t), np.int64) for _ in range(4))
        key = np.uint64(rng.integers(2**63))
        limits = (self.geometry.width, self.geometry.height)
        kept = vary(self.recording, (self.t, self.x, self.y), amounts, limits, key, room)
        index, t, x, y = (column[:kept] for column in room)
        moved = replace(self, recording=self.recording[index], t=t, x=x, y=y, p=self.p[index])
        return moved._with_noise(how, rng)

    def _with_noise(self, how: Augmentation, rng: np.random.Generator) -> EventTable:
        if not how.noise:
            return self
        sizes = np.bincount(self.recording, minlength=self.count)
        extra = np.repeat(np.arange(self.count), (rng.uniform(0, how.noise, self.count) * sizes).astype(int))
        last_us = np.zeros(self.count, np.int64)
        np.maximum.at(last_us, self.recording, self.t)
        added = EventTable(
            recording=extra,
            t=(rng.random(len(extra)) * last_us[extra]).astype(np.int64),
            x=rng.integers(self.geometry.width, size=len(extra)),
            y=rng.integers(self.geometry.height, size=len(extra)),
            p=rng.integers(2, size=len(extra)),
            count=self.count,
            geometry=self.geometry,
        )
        return self._merged(added)

    def _merged(self, other: EventTable) -> EventTable:
        def joined(name: str) -> Int64Array:
            both: Int64Array = np.concatenate([getattr(self, name), getattr(other, name)])
            return both

        return replace(self, recording=joined("recording"), t=joined("t"), x=joined("x"), y=joined("y"), p=joined("p"))


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


def encode_table(table: EventTable, spec: FeatureSpec) -> Int8Array:
    """Return (count, d_in) features of the first window of every recording.

    All recordings go through the encoder of ``sensors.features`` in one call, laid end to end as time bins of one
    long window, so that training and inference share one definition of a feature.
    """
    first = table.t < spec.window_us
    at_us = table.t[first] + table.recording[first] * spec.window_us
    x, y, p = (column[first] for column in (table.x, table.y, table.p))
    # counting does not need events in order, so they are left as they are
    events = EventBatch.unchecked(at_us, x.astype(np.uint16), y.astype(np.uint16), p.astype(np.bool_))
    long = FeatureSpec(
        spec.width,
        spec.height,
        spec.time_bins * table.count,
        spec.window_us * table.count,
        fit=spec.fit,
        pixels_per_cell=spec.pixels_per_cell,
    )
    features, _ = FeatureEncoder(long, table.geometry).encode(Window(0, long.window_us, events))
    return features.reshape(table.count, spec.d_in)
