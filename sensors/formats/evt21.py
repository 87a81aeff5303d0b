"""Prophesee EVT 2.1, 64-bit words that hold 32 neighbouring pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sensors.formats.evt import EventWords, RawFormat
from sensors.formats.percent_header import GEN4
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel

__all__ = ["FORMAT"]

TIME_HIGH = 0x8
KINDS = (0x0, 0x1, TIME_HIGH, 0xA, 0xE, 0xF)
CLOSE = 1 << 14  # steps of 64 us: a second without a word of time


def _kernel() -> Kernel:
    from sensors.formats.kernels.evt2 import decode_vectors

    return decode_vectors


def _guess_legacy(words: npt.NDArray[np.uint64]) -> bool:
    """Say whether the words make more sense with their halves swapped."""
    low, high = words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)
    return _sense(low, high) > _sense(high, low)


def _sense(tops: npt.NDArray[np.uint64], masks: npt.NDArray[np.uint64]) -> int:
    """Count time-high words that follow the one before closely, less those that do not and words of no known type."""
    kinds = tops >> np.uint64(28)
    steps = np.diff((tops[(kinds == TIME_HIGH) & (masks == 0)] & np.uint64(0xFFFFFFF)).astype(np.int64))
    close = int(((steps >= 0) & (steps <= CLOSE)).sum())
    return 2 * close - len(steps) - int(np.count_nonzero(~np.isin(kinds, KINDS)))


FORMAT = RawFormat(
    "evt21",
    "Prophesee EVT 2.1 (.raw)",
    EventWords(np.uint64, _kernel, (EARLIEST_US, -1, -1, 0), 1, 32, 8, GEN4, _guess_legacy),
)
