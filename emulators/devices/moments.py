"""Keeps conductances from going below zero without moving the mean and spread that were published."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from hil.types import Float64Array

__all__ = ["LEAST_RATIO", "rectified_parameters"]

LEAST_RATIO: Final = 0.683
"""Mean over standard deviation below which a rectified Gaussian with its peak above zero cannot have both."""


@cache
def _table() -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return mean / sigma of max(0, alpha + z), alpha, and 1 / sigma of it, for alpha from 0 up."""
    from scipy.special import ndtr

    alpha = np.linspace(0.0, 8.0, 4001)
    density = np.exp(-0.5 * alpha**2) / np.sqrt(2.0 * np.pi)
    mean = alpha * ndtr(alpha) + density
    sigma = np.sqrt((1.0 + alpha**2) * ndtr(alpha) + alpha * density - mean**2)
    return mean / sigma, alpha, 1.0 / sigma


def rectified_parameters(mean_siemens: Float64Array, sigma_siemens: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return centre and width of the Gaussian that, cut at zero, has the mean and spread asked for.

    A Gaussian cut at zero has a larger mean and a smaller spread than the one it was cut from, so its parameters are
    solved such that the cut one has the moments asked for. Cells whose mean lies less than 0.683 sigma above zero
    cannot have both; they keep the spread and sit as low as that allows.

    Args:
        mean_siemens: (...) means, zero or positive.
        sigma_siemens: (...) standard deviations.

    Returns:
        (...) centre and (...) width; ``max(0, centre + width * z)`` of a standard normal z has the moments.
    """
    ratios, alphas, widths = _table()
    sigma = np.maximum(sigma_siemens, 1e-30)
    ratio = mean_siemens / sigma
    high = ratio >= ratios[-1]
    alpha = np.where(high, ratio, np.interp(ratio, ratios, alphas))
    width = np.where(high, 1.0, np.interp(ratio, ratios, widths)) * sigma
    spread = sigma_siemens > 0.0
    return np.where(spread, alpha * width, mean_siemens), np.where(spread, width, 0.0)
