"""Prophesee EVT 2.0, 32-bit words: reading and writing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hil.types import EventBatch, Geometry
from sensors.formats.evt import EventWords, RawFormat
from sensors.formats.percent_header import GEN3
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel
from sensors.formats.writing import EventLimits, encoded, in_order, raw_header, replacing

__all__ = ["FORMAT", "write"]

LIMITS = EventLimits("EVT2", Geometry(2048, 2048), first_us=1 << 34)


def _kernel() -> Kernel:
    from sensors.formats.kernels.evt2 import decode

    return decode


FORMAT = RawFormat(
    "evt2",
    "Prophesee EVT 2.0 (.raw)",
    EventWords(np.uint32, _kernel, (EARLIEST_US, -1, -1, 0), 1, 1, 4, GEN3),
)


def write(path: Path, batches: Iterable[EventBatch], geometry: Geometry) -> int:
    """Write a recording in EVT 2.0.

    Returns:
        How many events were written.

    Raises:
        InvalidValueError: The format cannot hold the sensor or the times, or the events are out of order.
    """
    from sensors.formats.kernels.evt2 import TIME_HIGH, encode

    LIMITS.check_size(geometry)
    state = np.full(1, -1, np.int64)
    words = np.empty(1 << 16, "<u4")
    written = 0
    with replacing(Path(path)) as file:
        file.write(raw_header("EVT2", "2.0", geometry))
        for batch in LIMITS.checked(in_order(batches, geometry)):
            for part in encoded(batch, words, lambda rest: encode(rest.t, rest.x, rest.y, rest.p, state, words)):
                file.write(part)
            written += len(batch)
        if not written:
            file.write(np.array([TIME_HIGH << 28], "<u4").tobytes())  # a file of nothing but a header counts as cut
    return written
