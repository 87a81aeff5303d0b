"""Prophesee EVT 2.1, 64-bit words that hold 32 neighbouring pixels."""

from __future__ import annotations

import numpy as np

from sensors.formats.evt import EventWords, RawFormat
from sensors.formats.percent_header import GEN4
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel

__all__ = ["FORMAT"]


def _kernel() -> Kernel:
    from sensors.formats.kernels.evt2 import decode_vectors

    return decode_vectors


FORMAT = RawFormat(
    "evt21",
    "Prophesee EVT 2.1 (.raw)",
    EventWords(np.uint64, _kernel, (EARLIEST_US, -1, -1, 0), 1, 32, 8, GEN4),
)
