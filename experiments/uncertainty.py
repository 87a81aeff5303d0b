"""How honest a confidence is: calibration error, accuracy of what is kept, and the one temperature that calibrates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hil.errors import InvalidValueError
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = [
    "bootstrap_deviation",
    "confidences",
    "expected_calibration_error",
    "fit_temperature",
    "negative_log_likelihood",
    "selective_accuracy",
]

TEMPERATURES = np.geomspace(0.005, 1.0, 200)


def confidences(cosines: Float64Array, temperature: float) -> Float64Array:
    """Return (..., n_captions) probabilities: the softmax of cosines over a temperature."""
    scaled = cosines / temperature
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: Float64Array = raised / raised.sum(axis=-1, keepdims=True)
    return probabilities


def expected_calibration_error(confidence: Float64Array, correct: BoolArray, *, bins: int = 15) -> float:
    """Return the mean distance between confidence and accuracy over bins of equal width (Guo et al., ICML 2017).

    Args:
        confidence: (n,) of the chosen class, 0 to 1.
        correct: (n,) whether it was right.
        bins: How many.

    Raises:
        InvalidValueError: There is nothing to average.
    """
    if not len(confidence):
        raise InvalidValueError("calibration needs at least one answer, but got none")
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    weight = np.bincount(index, minlength=bins)
    sure = np.bincount(index, confidence, minlength=bins)
    right = np.bincount(index, correct.astype(np.float64), minlength=bins)
    return float(np.abs(sure - right).sum() / weight.sum())


def bootstrap_deviation(
    statistic: Callable[[Float64Array, BoolArray], float],
    confidence: Float64Array,
    correct: BoolArray,
    *,
    rng: np.random.Generator,
    draws: int = 200,
) -> float:
    """Return the standard deviation of a statistic over answers drawn again with replacement (Efron, 1979)."""
    chosen = rng.integers(0, len(confidence), (draws, len(confidence)))
    return float(np.std([statistic(confidence[each], correct[each]) for each in chosen]))


def selective_accuracy(confidence: Float64Array, correct: BoolArray, *, coverage: float) -> float:
    """Return the accuracy of the most confident share of answers; ties are broken by their order.

    Args:
        confidence: (n,) of the chosen class.
        correct: (n,) whether it was right.
        coverage: Share that is kept, above 0 and up to 1.
    """
    kept = max(1, round(coverage * len(confidence)))
    order = np.argsort(-confidence, kind="stable")[:kept]
    return float(correct[order].mean())


def negative_log_likelihood(probabilities: Float64Array, labels: Int64Array) -> float:
    """Return the mean negative logarithm of the right class's probability."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, 1e-12)).mean())


def fit_temperature(cosines: Float64Array, labels: Int64Array) -> float:
    """Return the temperature of least negative log-likelihood among 200 between 0.005 and 1.

    Args:
        cosines: (..., n, n_captions); over leading axes the probabilities are averaged, as samples are.
        labels: (n,) right classes.
    """

    def loss(temperature: float) -> float:
        probabilities = confidences(cosines, temperature)
        leading = tuple(range(probabilities.ndim - 2))
        return negative_log_likelihood(probabilities.mean(axis=leading), labels)

    return float(min(TEMPERATURES.tolist(), key=loss))
