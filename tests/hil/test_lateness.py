"""Percentiles of lateness against numpy's on the same numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InvalidValueError
from hil.lateness import Lateness


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=200), st.floats(0, 100))
def test_percentile_is_at_most_half_a_percent_above_the_true_one(values, percent):
    lateness = Lateness()
    for value in values:
        lateness.add(value)
    exact = np.percentile(values, percent, method="inverted_cdf")
    assert exact * (1 - 1e-9) <= lateness.percentile_us(percent) <= exact * 1.0051 + 0.0051
    assert lateness.max_us == max(values)
    assert len(lateness) == len(values)


def test_nothing_late_is_zero():
    lateness = Lateness()
    assert lateness.as_document() == {"p50": 0.0, "p99": 0.0, "max": 0.0}
    lateness.add(0.0)
    assert lateness.as_document() == {"p50": 0.0, "p99": 0.0, "max": 0.0}


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_lateness_that_is_none_is_refused(wrong):
    with pytest.raises(InvalidValueError):
        Lateness().add(wrong)
