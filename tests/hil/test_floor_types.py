"""Values are checked once, when they are made, and say what was wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import EventBatch, FeatureBatch, Geometry, Telemetry, stream
from hil.errors import InvalidValueError

times = st.lists(st.integers(0, 2**40), max_size=30).map(sorted)


def batch(t):
    n = len(t)
    return EventBatch(np.array(t, np.int64), np.arange(n), np.zeros(n, int), np.ones(n, bool))


def test_batch_whose_time_goes_back_is_refused_with_the_event_and_both_times():
    with pytest.raises(InvalidValueError, match="event 1 is at 3 us after 5 us"):
        batch([5, 3])


def test_batch_with_an_address_beyond_16_bits_is_refused():
    with pytest.raises(InvalidValueError, match="uint16"):
        EventBatch(np.array([1]), np.array([70000]), np.array([0]), np.array([True]))


def test_batch_with_columns_of_different_lengths_is_refused():
    with pytest.raises(InvalidValueError, match="one length"):
        EventBatch(np.array([1, 2]), np.array([1]), np.array([0]), np.array([True]))


def test_batch_columns_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        batch([1, 2]).t[0] = 5


@given(times, st.integers(0, 2**40), st.integers(0, 2**40))
def test_between_holds_exactly_the_events_of_the_half_open_interval(t, start, stop):
    stretch = batch(t).between(start, stop)
    assert stretch.t.tolist() == [x for x in t if start <= x < stop]


@given(times, st.integers(0, 30))
def test_concatenating_the_parts_gives_the_whole(t, cut):
    whole = batch(t)
    joined = EventBatch.concatenate([whole[:cut], whole[cut:]])
    assert joined.t.tolist() == t


def test_concatenating_batches_out_of_order_is_refused():
    with pytest.raises(InvalidValueError, match="time-ordered"):
        EventBatch.concatenate([batch([5]), batch([1])])


@pytest.mark.parametrize("size", [0, -1, 65537])
def test_geometry_outside_16_bits_is_refused(size):
    with pytest.raises(InvalidValueError, match=str(size)):
        Geometry(size, 1)


def test_features_need_one_time_per_row():
    with pytest.raises(InvalidValueError, match="one time per row"):
        FeatureBatch(np.zeros((2, 3), np.int8), np.zeros(1, int), np.zeros(2, int), np.zeros(2, int))


def test_energy_without_a_source_is_refused():
    with pytest.raises(InvalidValueError, match="energy"):
        Telemetry("wall", 1.0, "none", 3.0)


def test_streams_of_different_consumers_differ_and_of_one_consumer_agree():
    draws = [stream(1, *who).integers(0, 2**60) for who in (("a", 1), ("a", 2), ("a", "1"), ("a", 1))]
    assert len(set(draws)) == 3
    assert draws[0] == draws[3]
