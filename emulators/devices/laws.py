"""The laws a published device is made of: how far cells land from their target, how they move, how they flicker.

Every law is a frozen value that takes and returns siemens and seconds; the numbers of a publication, mostly in
microsiemens, are converted inside, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = [
    "MICRO",
    "Drift",
    "PolynomialSpread",
    "ReadNoise",
    "RelativeReadNoise",
    "Shift",
    "Spread",
    "TimedSpread",
    "polynomial",
    "rectified",
]

MICRO: Final = 1e-6


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

    def factor(self, exponent: Float64Array, t_s: float) -> Float64Array:
        """Return what the programmed conductance is multiplied by after ``t_s`` seconds."""
        ...


class ReadNoise(Protocol):
    """Fluctuation from one read to the next."""

    def sigma_siemens(self, now_siemens: Float64Array, programmed_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the standard deviation of one read of each cell, ``t_s`` seconds after programming."""
        ...


def polynomial(coefficients: tuple[float, ...], x: Float64Array) -> Float64Array:
    """Return ``c0 + c1 x + c2 x^2 + ...``."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


@cache
def _rectified_table() -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return mean / sigma of max(0, alpha + z), alpha, and 1 / sigma of it, for alpha from 0 up."""
    from scipy.special import ndtr

    alpha = np.linspace(0.0, 8.0, 4001)
    density = np.exp(-0.5 * alpha**2) / np.sqrt(2.0 * np.pi)
    mean = alpha * ndtr(alpha) + density
    sigma = np.sqrt((1.0 + alpha**2) * ndtr(alpha) + alpha * density - mean**2)
    return mean / sigma, alpha, 1.0 / sigma


def rectified(mean_siemens: Float64Array, sigma_siemens: Float64Array, score: Float64Array) -> Float64Array:
    """Return conductances that are never negative and still have the mean and spread that were published.

    A Gaussian cut at zero has a larger mean and a smaller spread than the one it was cut from, so its parameters are
    solved such that the cut one has the moments asked for. Cells whose mean lies less than 0.683 sigma above zero
    cannot have both; they keep the spread and sit as low as that allows.

    Args:
        mean_siemens: (...) means, zero or positive.
        sigma_siemens: (...) standard deviations.
        score: (...) standard normal scores.
    """
    ratios, alphas, widths = _rectified_table()
    sigma = np.maximum(sigma_siemens, 1e-30)
    ratio = mean_siemens / sigma
    high = ratio >= ratios[-1]
    alpha = np.where(high, ratio, np.interp(ratio, ratios, alphas))
    width = np.where(high, 1.0, np.interp(ratio, ratios, widths))
    values: Float64Array = np.maximum((alpha + score) * width * sigma, 0.0)
    return np.where(sigma_siemens > 0.0, values, mean_siemens)


@dataclass(frozen=True, slots=True)
class PolynomialSpread:
    """Spread that is a polynomial of the conductance, the same at any time.

    Attributes:
        coefficients_microsiemens: Lowest order first.
        reference_microsiemens: What the conductance is divided by before it enters the polynomial.
    """

    coefficients_microsiemens: tuple[float, ...]
    reference_microsiemens: float = 1.0

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the polynomial, never below zero."""
        x = mean_siemens / (MICRO * self.reference_microsiemens)
        sigma: Float64Array = MICRO * np.maximum(polynomial(self.coefficients_microsiemens, x), 0.0)
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
        rising = all(a < b for a, b in pairwise(self.times_s))
        if len(self.times_s) != len(self.spreads) or not rising or self.times_s[0] <= 0:
            raise InvalidValueError(f"times must be positive and ascend, one per spread, but are {self.times_s}")

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the interpolated spread."""
        position = np.interp(np.log(max(t_s, self.times_s[0])), np.log(self.times_s), np.arange(len(self.times_s)))
        low = min(int(position), len(self.times_s) - 1)
        high = min(low + 1, len(self.times_s) - 1)
        part = float(position) - low
        before = self.spreads[low].sigma_siemens(mean_siemens, t_s)
        after = self.spreads[high].sigma_siemens(mean_siemens, t_s)
        return (1.0 - part) * before + part * after


@dataclass(frozen=True, slots=True)
class RelativeReadNoise:
    """White read noise in proportion to the conductance.

    Attributes:
        fraction: Standard deviation over conductance.
    """

    fraction: float

    def sigma_siemens(self, now_siemens: Float64Array, programmed_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the fraction of the conductance."""
        return self.fraction * now_siemens
