"""SONOS charge-trap cells move by a law of their own, measured day by day as currents at 0.1 V."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from emulators.devices.laws import polynomial
from hil.types import Float64Array

__all__ = ["SonosDrift", "SonosSpread"]

READ_VOLT: Final = 0.1
NANOAMPERE_PER_SIEMENS: Final = READ_VOLT * 1e9
DAY_S: Final = 86400.0

# Fits of CrossSim 3 (SONOS.py) to Agrawal et al., IEDM 2022, Fig. 10, at 0 to 5 days.
SPREAD_LIMIT_NANOAMPERE: Final = (19.88665, 25.59102, 28.72753, 31.04318, 33.76214, 34.57909)
SPREAD_SCALE_NANOAMPERE: Final = (176.3115, 186.85544, 193.56834, 198.90332, 204.77023, 207.34309)
DRIFT: Final = (
    (0.0,) * 11,
    (
        1.72684e-01, 5.72552e-02, -6.85715e-04, 3.50271e-06, -9.37682e-09, 1.40575e-11,
        -1.19803e-14, 5.41293e-18, -8.85448e-22, -1.66869e-25, 5.95180e-29,
    ),
    (
        2.50712e-01, 6.62195e-02, -6.83218e-04, 2.99442e-06, -6.78255e-09, 7.70482e-12,
        -3.04983e-15, -2.15919e-18, 2.94617e-21, -1.23359e-24, 1.85329e-28,
    ),
    (
        -1.75300e-02, 9.76883e-02, -9.63791e-04, 4.55551e-06, -1.22391e-08, 1.93786e-11,
        -1.85899e-14, 1.07659e-17, -3.58211e-21, 5.96785e-25, -3.30410e-29,
    ),
    (
        4.03338e-02, 1.03111e-01, -1.04740e-03, 4.83961e-06, -1.28132e-08, 1.99484e-11,
        -1.85139e-14, 1.00008e-17, -2.84944e-21, 3.01008e-25, 1.18747e-29,
    ),
    (
        3.19927e-01, 1.06596e-01, -1.04054e-03, 4.50290e-06, -1.10352e-08, 1.56477e-11,
        -1.27592e-14, 5.45513e-18, -7.26841e-22, -2.43893e-25, 7.14608e-29,
    ),
)  # fmt: skip


def _days(t_s: float) -> tuple[int, int, float]:
    """Return the days before and after a moment and how far it lies between them; five days and later are one."""
    day = min(t_s / DAY_S, len(DRIFT) - 1.0)
    low = min(int(day), len(DRIFT) - 1)
    return low, min(low + 1, len(DRIFT) - 1), day - low


@dataclass(frozen=True, slots=True)
class SonosDrift:
    """Movement of the mean current, a polynomial of the programmed current, linear from day to day."""

    def mean_siemens(self, target_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the mean of cells of that target, never negative."""
        current = target_siemens * NANOAMPERE_PER_SIEMENS
        low, high, part = _days(t_s)
        moved = (1.0 - part) * polynomial(DRIFT[low], current) + part * polynomial(DRIFT[high], current)
        mean: Float64Array = np.maximum(current + moved, 0.0) / NANOAMPERE_PER_SIEMENS
        return mean


@dataclass(frozen=True, slots=True)
class SonosSpread:
    """Spread that saturates with the current, its two parameters linear from day to day."""

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the standard deviation of cells of that mean."""
        low, high, part = _days(t_s)
        limit, scale = (
            (1.0 - part) * table[low] + part * table[high]
            for table in (SPREAD_LIMIT_NANOAMPERE, SPREAD_SCALE_NANOAMPERE)
        )
        current = mean_siemens * NANOAMPERE_PER_SIEMENS
        sigma: Float64Array = -limit * np.expm1(-current / scale) / NANOAMPERE_PER_SIEMENS
        return sigma
