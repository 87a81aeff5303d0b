"""Prophesee EVT 3.0, 16-bit words that change a state: reading and writing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hil.types import EventBatch, Geometry
from sensors.formats.evt import EventWords, RawFormat
from sensors.formats.percent_header import GEN4
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel
from sensors.formats.writing import EventLimits, encoded, in_order, raw_header, replacing

__all__ = ["FORMAT", "START", "write"]

LIMITS = EventLimits("EVT3", Geometry(2048, 2048), first_us=1 << 34)
SMALLEST_FILE = 5
START = (EARLIEST_US, -1, -1, 0, 0, -1, -1, 0, 0)


def _kernel() -> Kernel:
    from sensors.formats.kernels.evt3 import decode

    return decode


FORMAT = RawFormat(
    "evt3",
    "Prophesee EVT 3.0 (.raw)",
    EventWords(np.uint16, _kernel, START, 1, 12, 2, GEN4),
)


def write(path: Path, batches: Iterable[EventBatch], geometry: Geometry, *, vector_events: int = SMALLEST_FILE) -> int:
    """Write a recording in EVT 3.0.

    Args:
        path: The file.
        batches: In order of time.
        geometry: Size of the sensor.
        vector_events: Fewest neighbours that are written as a vector of four words instead of a word each. Five make
            the smallest file; cameras use vectors from two on.

    Returns:
        How many events were written.

    Raises:
        InvalidValueError: The format cannot hold the sensor or the times, or the events are out of order.
    """
    from sensors.formats.kernels.evt3 import TIME_HIGH, encode

    LIMITS.check_size(geometry)
    state = np.full(3, -1, np.int64)
    words = np.empty(1 << 16, "<u2")
    written = 0

    def take(rest: EventBatch) -> tuple[int, int]:
        return encode(rest.t, rest.x, rest.y, rest.p, geometry.width, vector_events, state, words)

    with replacing(Path(path)) as file:
        file.write(raw_header("EVT3", "3.0", geometry))
        for batch in LIMITS.checked(in_order(batches, geometry)):
            for part in encoded(batch, words, take):
                file.write(part)
            written += len(batch)
        if not written:
            file.write(np.array([TIME_HIGH << 12], "<u2").tobytes())  # a file of nothing but a header counts as cut
    return written
