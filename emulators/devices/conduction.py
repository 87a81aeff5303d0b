"""How the current of a cell departs from Ohm's law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulators.devices.laws import COEFFICIENT, VOLT, check_limits
from hil.types import Float64Array

__all__ = ["Conduction", "CubicConduction", "SinhConduction"]


class Conduction(Protocol):
    """``I = G V + N2 V^2 + N3 V^3``."""

    @property
    def most_volt(self) -> float:
        """Largest voltage the law covers."""
        ...

    def terms(self, g_siemens: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return N2 in A/V^2 and N3 in A/V^3 of each cell."""
        ...


@dataclass(frozen=True, slots=True)
class CubicConduction:
    """Terms that are polynomials of log10(G), fitted to measured curves.

    Attributes:
        second: Coefficients of N2, lowest order first.
        third: Coefficients of N3, lowest order first.
        most_volt: Largest voltage measured.
    """

    second: tuple[float, ...]
    third: tuple[float, ...]
    most_volt: float

    def __post_init__(self) -> None:
        """Refuse numbers that no fit has."""
        check_limits(self, second=COEFFICIENT, third=COEFFICIENT, most_volt=VOLT)

    def terms(self, g_siemens: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return N2 and N3; a cell that does not conduct has none."""
        logs = np.log10(np.maximum(g_siemens, 1e-16))
        conducts = g_siemens >= 1e-9
        second = np.polynomial.polynomial.polyval(logs, self.second)
        third = np.polynomial.polynomial.polyval(logs, self.third)
        return np.where(conducts, second, 0.0), np.where(conducts, third, 0.0)


@dataclass(frozen=True, slots=True)
class SinhConduction:
    """``I = G V0 sinh(V / V0)`` to third order: the shape of hopping and of tunnelling through a gap.

    Attributes:
        scale_volt: V0; the current is 4 % above Ohm's law at half of it.
    """

    scale_volt: float

    def __post_init__(self) -> None:
        """Refuse a scale that is not positive."""
        check_limits(self, scale_volt=VOLT)

    @property
    def most_volt(self) -> float:
        """Where the third order leaves 1 % out."""
        return self.scale_volt

    def terms(self, g_siemens: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return no N2, and N3 = G / 6 V0^2."""
        return np.zeros_like(g_siemens), g_siemens / (6.0 * self.scale_volt**2)
