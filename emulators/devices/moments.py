"""Keeps conductances from going below zero without moving the mean and spread that were published."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from hil.types import Float64Array

__all__ = ["LEAST_RATIO", "rectified"]

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


def rectified(mean_siemens: Float64Array, sigma_siemens: Float64Array, score: Float64Array) -> Float64Array:
    """Return conductances that are never negative and still have the mean and spread asked for.

    A Gaussian cut at zero has a larger mean and a smaller spread than the one it was cut from, so its parameters are
    solved such that the cut one has the moments asked for. Cells whose mean lies less than 0.683 sigma above zero
    cannot have both; they keep the spread and sit as low as that allows.

    Args:
        mean_siemens: (...) means, zero or positive.
        sigma_siemens: (...) standard deviations.
        score: (...) standard normal scores.
    """
    ratios, alphas, widths = _table()
    sigma = np.maximum(sigma_siemens, 1e-30)
    ratio = mean_siemens / sigma
    if ratio.size and ratio.min() >= ratios[-1]:
        values: Float64Array = mean_siemens + sigma_siemens * score
    else:
        high = ratio >= ratios[-1]
        alpha = np.where(high, ratio, np.interp(ratio, ratios, alphas))
        width = np.where(high, 1.0, np.interp(ratio, ratios, widths))
        values = (alpha + score) * width * sigma
    return np.where(sigma_siemens > 0.0, np.maximum(values, 0.0), mean_siemens)
