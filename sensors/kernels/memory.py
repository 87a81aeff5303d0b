"""What filters and surfaces remember of each pixel from one batch to the next, small enough to stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry, Int32Array, Int64Array

__all__ = ["LONGEST_US", "NEVER", "SPAN_US", "PixelTimes", "last_times", "surface_memory"]

SPAN_US = 2**30  # times are kept within 18 minutes after the base, so that differences fit int32
NEVER = -SPAN_US
LONGEST_US = SPAN_US // 2  # the longest time a filter may look back


@dataclass(frozen=True, slots=True, eq=False)
class PixelTimes:
    """When something last happened at each pixel; kernels update it in place.

    Attributes:
        times_us: int32 microseconds after the base, ``NEVER`` where nothing happened in the last 18 minutes.
        base_us: (1,) int64, the stream time that counts as 0; it moves on with the stream.
    """

    times_us: Int32Array
    base_us: Int64Array

    @classmethod
    def of_shape(cls, *shape: int) -> PixelTimes:
        """Return a memory in which nothing has happened."""
        return cls(np.full(shape, NEVER, np.int32), np.zeros(1, np.int64))

    def check(self, *shape: int) -> None:
        """Refuse a memory of another shape.

        Raises:
            InvalidValueError: The shape differs.
        """
        if self.times_us.shape != shape:
            message = f"the memory must be of shape {shape}, but is {self.times_us.shape}; make it for this sensor"
            raise InvalidValueError(message)

    def parts(self, events: EventBatch) -> Iterator[EventBatch]:
        """Yield the batch in parts whose times fit after the base, which is moved before each part."""
        rest = events
        while len(rest):
            start_us = int(rest.t[0])
            if not 0 <= start_us - int(self.base_us[0]) <= int(rest.t[-1]) - int(self.base_us[0]) < SPAN_US:
                self.move_base(start_us)
            n = int(np.searchsorted(rest.t, start_us + SPAN_US, side="left"))
            yield rest[:n]
            rest = rest[n:]

    def move_base(self, base_us: int) -> None:
        """Let another stream time count as 0; what is 18 minutes older than that is forgotten."""
        shift = int(self.base_us[0]) - base_us
        happened = self.times_us > NEVER
        moved = np.clip(self.times_us[happened] + np.int64(max(-(2**62), min(2**62, shift))), NEVER, SPAN_US - 1)
        self.times_us[happened] = moved
        self.base_us[0] = base_us


def last_times(geometry: Geometry) -> PixelTimes:
    """Return the memory of a filter: (height + 2, width + 2), with a border that spares filters the edge cases."""
    return PixelTimes.of_shape(geometry.height + 2, geometry.width + 2)


def surface_memory(geometry: Geometry) -> PixelTimes:
    """Return the memory of a time surface: (2, height, width), OFF first."""
    return PixelTimes.of_shape(2, geometry.height, geometry.width)
