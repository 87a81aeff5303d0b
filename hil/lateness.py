"""Percentiles of how late things were, in bounded memory however long the run."""

from __future__ import annotations

import math

import numpy as np

from hil.errors import InvalidValueError

__all__ = ["Lateness"]

BINS_PER_E_FOLD = 200
N_BINS = 42 * BINS_PER_E_FOLD  # up to e**42 us, fifty thousand years


class Lateness:
    """A histogram of microseconds with bins 0.5 % wide, and the exact maximum."""

    def __init__(self) -> None:
        self._counts = np.zeros(N_BINS, np.int64)
        self.max_us = 0.0

    def __len__(self) -> int:
        """Return how many were added."""
        return int(self._counts.sum())

    def add(self, late_us: float) -> None:
        """Count one, zero or more microseconds late.

        Raises:
            InvalidValueError: It is negative or not finite.
        """
        if not 0 <= late_us < math.inf:
            message = f"lateness must be zero or positive, but is {late_us} us"
            raise InvalidValueError(message)
        self._counts[min(N_BINS - 1, int(BINS_PER_E_FOLD * math.log1p(late_us)))] += 1
        self.max_us = max(self.max_us, late_us)

    def percentile_us(self, percent: float) -> float:
        """Return a lateness that this share did not exceed, at most 0.5 % and 5 ns above the true one; 0 if empty."""
        total = len(self)
        if not total or not self.max_us:
            return 0.0
        rank = max(1, math.ceil(total * percent / 100))
        bin_index = int(np.searchsorted(np.cumsum(self._counts), rank))
        return min(self.max_us, math.expm1((bin_index + 1) / BINS_PER_E_FOLD))

    def as_document(self) -> dict[str, float]:
        """Return p50, p99 and the maximum in microseconds, to a tenth."""
        return {
            "p50": round(self.percentile_us(50), 1),
            "p99": round(self.percentile_us(99), 1),
            "max": round(self.max_us, 1),
        }
