"""What every writer shares: a file that appears whole or not at all, and checks that its format can hold the events."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry

__all__ = ["in_order", "replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` and move it there when the block ends well; remove it otherwise."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w+b") as file:
            yield file
        os.replace(part, path)  # noqa: PTH105  (Path.replace is the same call)
    finally:
        part.unlink(missing_ok=True)


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
