from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hil.errors import InvalidValueError
from hil.rng import stream
from quant.absmean import MIN_SCALE, absmean_codes, absmean_scale

weights = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-1e3, 1e3, width=32))


@given(weights)
def test_codes_when_weights_are_finite_then_they_are_the_papers_formula_word_for_word(weight: np.ndarray) -> None:
    gamma = np.float32(max(float(np.float32(np.mean(np.abs(weight.astype(np.float64))))), np.float32(MIN_SCALE)))
    expected = np.maximum(-1, np.minimum(1, np.round(weight / gamma)))
    codes, scale = absmean_codes(weight)
    assert scale == gamma
    np.testing.assert_array_equal(codes, expected)


@given(weights)
def test_codes_when_signs_are_flipped_then_codes_are_negated(weight: np.ndarray) -> None:
    np.testing.assert_array_equal(absmean_codes(-weight)[0], -absmean_codes(weight)[0])


@given(weights, st.integers(-8, 8))
def test_codes_when_weights_are_scaled_by_a_power_of_two_then_codes_stay(weight: np.ndarray, power: int) -> None:
    large = weight[np.abs(weight) > 1e-2]
    if large.size:
        np.testing.assert_array_equal(absmean_codes(large * np.float32(2.0**power))[0], absmean_codes(large)[0])


def test_rule_when_applied_to_its_own_result_then_scale_changes() -> None:
    weight = stream(0, "idempotent").standard_normal(1000).astype(np.float32)
    codes, scale = absmean_codes(weight)
    assert absmean_scale(codes * scale) < 0.9 * scale


def test_scale_when_weights_are_all_zero_then_it_is_the_smallest_and_codes_are_zero() -> None:
    codes, scale = absmean_codes(np.zeros((3, 4), np.float32))
    assert scale == np.float32(MIN_SCALE)
    assert not codes.any()


@pytest.mark.parametrize("weight", [np.zeros(0, np.float32), np.array([1.0, np.nan], np.float32)])
def test_scale_when_weights_are_none_or_not_finite_then_refused(weight: np.ndarray) -> None:
    with pytest.raises(InvalidValueError):
        absmean_scale(weight)
