"""What every writer shares: checks that its format can hold the events, and a file that appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.files import replacing
from hil.types import EventBatch, Geometry, Int64Array

__all__ = ["EventLimits", "encoded", "in_order", "raw_header", "replacing"]


def in_order(batches: Iterable[EventBatch], geometry: Geometry) -> Iterator[EventBatch]:
    """Pass batches on that follow each other in time and lie on the sensor.

    Raises:
        InvalidValueError: A batch starts before the previous one ends, or holds an event outside the sensor.
    """
    last_us: int | None = None
    for batch in batches:
        if not len(batch):
            continue
        first_us = int(batch.t[0])
        if last_us is not None and first_us < last_us:
            message = f"batches must follow each other in time, but one starts at {first_us} us after {last_us} us"
            raise InvalidValueError(message)
        _refuse_outside(batch, geometry)
        last_us = int(batch.t[-1])
        yield batch


def _refuse_outside(batch: EventBatch, geometry: Geometry) -> None:
    x, y = int(batch.x.max()), int(batch.y.max())
    if x >= geometry.width or y >= geometry.height:
        message = f"events must lie on the {geometry.width} x {geometry.height} sensor, but reach x = {x}, y = {y}"
        raise InvalidValueError(message)


@dataclass(frozen=True, slots=True)
class EventLimits:
    """What a format can hold, so that a conversion that would lose something is refused.

    Attributes:
        name: Of the format, as people know it.
        size: Largest sensor.
        first_us: The first event must be earlier than this, from 0.
        longest_gap_us: Most time between two events, or None for any.
    """

    name: str
    size: Geometry
    first_us: int
    longest_gap_us: int | None = None

    def check_size(self, geometry: Geometry) -> None:
        """Refuse a sensor that is too large.

        Raises:
            InvalidValueError: It is.
        """
        if geometry.width > self.size.width or geometry.height > self.size.height:
            message = (
                f"{self.name} holds sensors up to {self.size.width} x {self.size.height}, "
                f"but this one is {geometry.width} x {geometry.height}"
            )
            raise InvalidValueError(message)

    def checked(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """Pass batches on whose times the format can hold.

        Raises:
            InvalidValueError: The first time or a silence is too long.
        """
        last_us: int | None = None
        for batch in batches:
            first_us = int(batch.t[0])
            if last_us is None and not 0 <= first_us < self.first_us:
                message = (
                    f"{self.name} holds recordings that start between 0 and {self.first_us - 1} us, "
                    f"but this one starts at {first_us} us; shift it to start at 0 (--from-zero)"
                )
                raise InvalidValueError(message)
            self._check_gaps(batch.t if last_us is None else np.concatenate([[last_us], batch.t]))
            last_us = int(batch.t[-1])
            yield batch

    def _check_gaps(self, t: Int64Array) -> None:
        if self.longest_gap_us is None or len(t) < 2:
            return
        longest_us = int(np.diff(t).max())
        if longest_us > self.longest_gap_us:
            message = (
                f"{self.name} cannot tell a silence of {longest_us} us from a shorter one, "
                f"because its clock starts over; at most {self.longest_gap_us} us"
            )
            raise InvalidValueError(message)


def encoded(
    batch: EventBatch, words: npt.NDArray[Any], encode: Callable[[EventBatch], tuple[int, int]]
) -> Iterator[bytes]:
    """Yield a batch as bytes, piece by piece through one buffer that ``encode`` fills; it returns (taken, written)."""
    while len(batch):
        taken, written = encode(batch)
        yield words[:written].tobytes()
        batch = batch[taken:]


def raw_header(name: str, version: str, geometry: Geometry) -> bytes:
    """Return the header of a Prophesee RAW file."""
    width, height = geometry.width, geometry.height
    lines = [
        "camera_integrator_name neuromorphic-hil",
        f"evt {version}",
        f"format {name};height={height};width={width}",
        f"geometry {width}x{height}",
        "plugin_integrator_name neuromorphic-hil",
        "end",
    ]
    return "".join(f"% {line}\n" for line in lines).encode()
