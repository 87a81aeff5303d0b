from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.noise_as_feature import bit_streams
from experiments.uncertainty import (
    confidences,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    selective_accuracy,
)
from hil.errors import InvalidValueError
from hil.network import Patches
from hil.rng import stream
from hil.testing.networks import random_network, reference_layers


def test_calibration_error_when_bins_are_counted_by_hand_then_equal() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.55])
    correct = np.array([True, True, False, True])
    # bin of 0.95: three answers, two right: |2.85 - 2| = 0.85; bin of 0.55: |0.55 - 1| = 0.45
    assert expected_calibration_error(confidence, correct, bins=10) == pytest.approx((0.85 + 0.45) / 4)


def test_calibration_error_when_confidence_is_the_truth_then_it_vanishes() -> None:
    rng = stream(0, "calibration")
    confidence = rng.uniform(0.5, 1.0, 200_000)
    correct = rng.random(200_000) < confidence
    assert expected_calibration_error(confidence, correct) < 0.005  # 8 used bins of 25,000: deviation 0.003 each


def test_calibration_error_when_there_is_nothing_then_refused() -> None:
    with pytest.raises(InvalidValueError):
        expected_calibration_error(np.empty(0), np.empty(0, np.bool_))


def test_selective_accuracy_when_mistakes_are_unsure_then_leaving_them_out_helps() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.2])
    correct = np.array([True, True, True, False])
    assert selective_accuracy(confidence, correct, coverage=1.0) == 0.75
    assert selective_accuracy(confidence, correct, coverage=0.75) == 1.0


@given(st.floats(0.01, 1.0))
def test_confidences_when_temperature_changes_then_their_order_stays(
    temperature: float,
) -> None:
    cosines = stream(1, "cosines").uniform(-1, 1, (20, 5))
    probabilities = confidences(cosines, temperature)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), cosines.argmax(axis=1))


def test_fit_temperature_when_answers_were_drawn_at_one_then_it_is_found() -> None:
    rng = stream(2, "temperature")
    cosines = rng.uniform(-0.3, 1.0, (20_000, 6))
    drawn = confidences(cosines, 0.2).cumsum(axis=1)
    labels = (rng.random((20_000, 1)) > drawn).sum(axis=1)
    assert fit_temperature(cosines, labels) == pytest.approx(0.2, rel=0.05)
    assert negative_log_likelihood(confidences(cosines, 0.2), labels) < negative_log_likelihood(
        confidences(cosines, 0.05), labels
    )


@pytest.mark.parametrize(
    "patches", [None, Patches(2, 5, 4, kernel=3, stride=2, padding=1)], ids=["dense", "convolution"]
)
def test_bit_streams_when_they_grow_longer_then_outputs_approach_the_exact_ones(patches: Patches | None) -> None:
    network = random_network((40, 24, 16), rng=stream(3, "streams"), patches=patches)
    features = stream(4, "streams").integers(0, 20, (50, network.d_in)).astype(np.int8)
    exact = network.embed(reference_layers(network, features)[-1].activation)
    errors = [
        float(np.abs(bit_streams(network, features, length, rng=stream(5, "bits")) - exact).mean())
        for length in (8, 128, 100_000)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05 * errors[0]
