"""The laws a published device is made of: how far cells land from their target, and how they move afterwards.

Every law is a frozen value that takes and returns siemens and seconds; the numbers of a publication, mostly in
microsiemens, are converted inside, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np

from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = [
    "MICRO",
    "Drift",
    "LevelSpread",
    "PolynomialSpread",
    "PowerLawDrift",
    "Shift",
    "Spread",
    "TimedSpread",
    "check_limits",
    "interpolate_in_log_time",
    "polynomial",
]

MICRO: Final = 1e-6
LEAST_RELATIVE: Final = 1e-7  # logarithms of relative conductances stop here

# Wide enough for any cell, narrow enough that nothing overflows.
SIEMENS: Final = (1e-15, 1e3)
SIEMENS_OR_NONE: Final = (0.0, 1e3)
SECONDS: Final = (1e-12, 1e12)
SHARE: Final = (0.0, 1e3)
COEFFICIENT: Final = (-1e6, 1e6)
VOLT: Final = (1e-6, 1e3)


def check_limits(owner: Any, **limits: tuple[float, float]) -> None:
    """Refuse fields of a law that are not numbers, or tuples of numbers, between two limits.

    Raises:
        InvalidValueError: One is not; says which, and what would be right.
    """
    for name, (low, high) in limits.items():
        value = getattr(owner, name)
        numbers = np.ravel(np.asarray(value, dtype=np.float64))
        if not numbers.size or not ((numbers >= low) & (numbers <= high)).all():
            raise InvalidValueError(
                f"{type(owner).__name__} needs {name} between {low:g} and {high:g}, but got {value}"
            )


class Spread(Protocol):
    """Standard deviation of cells around the conductance they should have."""

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the standard deviation of cells of that mean, ``t_s`` seconds after programming."""
        ...


class Shift(Protocol):
    """Movement of the mean, the same for every cell of one target."""

    def mean_siemens(self, target_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the mean of cells of that target, ``t_s`` seconds after programming."""
        ...


class Drift(Protocol):
    """Movement of each cell by an exponent of its own, drawn once."""

    def exponents(self, target_siemens: Float64Array, score: Float64Array) -> Float64Array:
        """Return the exponent of each cell from its target and its standard normal score."""
        ...

    def factor(self, exponent: Float64Array, t_s: Float64Array | float) -> Float64Array:
        """Return what the programmed conductance is multiplied by after ``t_s`` seconds."""
        ...


def polynomial(coefficients: tuple[float, ...], x: Float64Array) -> Float64Array:
    """Return ``c0 + c1 x + c2 x^2 + ...``."""
    value = np.full_like(x, coefficients[-1], dtype=np.float64)
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


def interpolate_in_log_time(times_s: tuple[float, ...], t_s: float) -> tuple[int, int, float]:
    """Return the times before and after a moment and how far it lies between them in the logarithm, 0 to 1.

    Outside the times the nearest one holds.
    """
    logs = np.log(times_s)
    position = float(np.interp(np.log(max(t_s, times_s[0])), logs, np.arange(len(times_s))))
    low = min(int(position), len(times_s) - 1)
    return low, min(low + 1, len(times_s) - 1), position - low


@dataclass(frozen=True, slots=True)
class PolynomialSpread:
    """Spread that is a polynomial of the conductance, the same at any time.

    Attributes:
        coefficients_microsiemens: Lowest order first.
        reference_microsiemens: What the conductance is divided by before it enters the polynomial.
    """

    coefficients_microsiemens: tuple[float, ...]
    reference_microsiemens: float = 1.0

    def __post_init__(self) -> None:
        """Refuse numbers that no fit has."""
        check_limits(self, coefficients_microsiemens=COEFFICIENT, reference_microsiemens=(1e-9, 1e9))

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the polynomial, never below zero."""
        x = mean_siemens / (MICRO * self.reference_microsiemens)
        sigma: Float64Array = MICRO * np.maximum(polynomial(self.coefficients_microsiemens, x), 0.0)
        return sigma


@dataclass(frozen=True, slots=True)
class LevelSpread:
    """Spread given at the two levels of a binary cell, linear in between (analog-cim-sim's way).

    Attributes:
        off_siemens: Conductance of the lower level.
        on_siemens: Conductance of the upper level.
        sigma_off_siemens: Standard deviation there.
        sigma_on_siemens: Standard deviation there.
    """

    off_siemens: float
    on_siemens: float
    sigma_off_siemens: float
    sigma_on_siemens: float

    def __post_init__(self) -> None:
        """Refuse negative deviations."""
        check_limits(self, sigma_off_siemens=SIEMENS_OR_NONE, sigma_on_siemens=SIEMENS_OR_NONE)

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the interpolated standard deviation."""
        part = np.clip((mean_siemens - self.off_siemens) / (self.on_siemens - self.off_siemens), 0.0, 1.0)
        sigma: Float64Array = self.sigma_off_siemens + part * (self.sigma_on_siemens - self.sigma_off_siemens)
        return sigma


@dataclass(frozen=True, slots=True)
class TimedSpread:
    """Spread measured at a few times, linear in the logarithm of time between them and constant outside.

    Attributes:
        times_s: Ascending, positive.
        spreads: One per time.
    """

    times_s: tuple[float, ...]
    spreads: tuple[PolynomialSpread, ...]

    def __post_init__(self) -> None:
        """Refuse times that do not ascend or match."""
        check_limits(self, times_s=SECONDS)
        rising = all(a < b for a, b in pairwise(self.times_s))
        if len(self.times_s) != len(self.spreads) or not rising:
            raise InvalidValueError(f"times must be positive and ascend, one per spread, but are {self.times_s}")

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the interpolated spread."""
        low, high, part = interpolate_in_log_time(self.times_s, t_s)
        before = self.spreads[low].sigma_siemens(mean_siemens, t_s)
        after = self.spreads[high].sigma_siemens(mean_siemens, t_s)
        return (1.0 - part) * before + part * after


@dataclass(frozen=True, slots=True)
class LogBranch:
    """``a ln(g) + b`` between two limits, of the relative conductance g.

    Attributes:
        slope: a.
        intercept: b.
        least: Lower limit.
        most: Upper limit.
    """

    slope: float
    intercept: float
    least: float
    most: float

    def __post_init__(self) -> None:
        """Refuse numbers that no fit has, and limits in the wrong order."""
        check_limits(self, slope=COEFFICIENT, intercept=COEFFICIENT, least=SHARE, most=(self.least, SHARE[1]))

    def __call__(self, relative: Float64Array) -> Float64Array:
        """Return the branch's value for relative conductances."""
        line = self.slope * np.log(np.maximum(relative, LEAST_RELATIVE)) + self.intercept
        limited: Float64Array = np.clip(line, self.least, self.most)
        return limited


@dataclass(frozen=True, slots=True)
class Branches:
    """A logarithm below a border, a polynomial above it: how conductance-dependent PCM parameters are published.

    Attributes:
        low: Below the border.
        border: In relative conductance; infinite where there is only the logarithm.
        high: Polynomial above, lowest order first.
    """

    low: LogBranch
    border: float = float("inf")
    high: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        """Refuse numbers that no fit has."""
        check_limits(self, border=(0.0, float("inf")), high=COEFFICIENT)

    def __call__(self, relative: Float64Array) -> Float64Array:
        """Return the value for relative conductances."""
        return np.where(relative < self.border, self.low(relative), polynomial(self.high, relative))


@dataclass(frozen=True, slots=True)
class PowerLawDrift:
    """``G(t) = G(0) ((t + t0) / t0)^-nu`` with an exponent per cell, fixed when it is programmed.

    Attributes:
        mean: Mean exponent as a function of the relative target.
        deviation: Its standard deviation over cells.
        g_max_siemens: What targets are divided by.
        t0_s: Time of the first measurement after programming.
    """

    mean: Branches
    deviation: Branches
    g_max_siemens: float
    t0_s: float

    def __post_init__(self) -> None:
        """Refuse a conductance or a time that nothing can be divided by."""
        check_limits(self, g_max_siemens=SIEMENS, t0_s=SECONDS)

    def exponents(self, target_siemens: Float64Array, score: Float64Array) -> Float64Array:
        """Return the exponent of each cell, never negative."""
        relative = target_siemens / self.g_max_siemens
        return np.abs(self.mean(relative) + self.deviation(relative) * score)

    def factor(self, exponent: Float64Array, t_s: Float64Array | float) -> Float64Array:
        """Return ((t + t0) / t0)^-nu; 1 at the moment of programming."""
        factor: Float64Array = np.exp(-exponent * np.log1p(np.asarray(t_s) / self.t0_s))
        return factor
