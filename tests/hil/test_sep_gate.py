"""The gate: what it sends, what it keeps to itself, and that cutting the stream changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hil.errors import InvalidValueError
from hil.sep.gate import DistanceGate
from hil.sep.vectors import cosine_distance, unit

streams = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 20), st.integers(2, 5)), elements=st.floats(-4, 4, width=32).map(np.float32)
)
thresholds = st.floats(0, 2)


def plain_gate(vectors, threshold):
    """Say the rule in the plainest words, with scipy-free cosine in float64."""
    last, sent = None, []
    for vector in vectors.astype(np.float64):
        norm = np.linalg.norm(vector)
        if norm == 0:
            sent.append(False)
            continue
        distance = None if last is None else 1 - vector @ last / norm / np.linalg.norm(last)
        if distance is not None and abs(distance - threshold) < 1e-9:
            return None  # too close to call in this arithmetic
        sent.append(distance is None or distance > threshold)
        last = vector if sent[-1] else last
    return sent


@given(streams, thresholds)
def test_gate_follows_the_rule_in_plain_words(vectors, threshold):
    expected = plain_gate(vectors, threshold)
    if expected is not None:
        assert DistanceGate(threshold).run(vectors).sent.tolist() == expected


@given(streams, thresholds, st.integers(0, 20))
def test_gate_when_the_stream_is_cut_decides_the_same(vectors, threshold, cut):
    gate = DistanceGate(threshold)
    whole, first = gate.run(vectors), gate.run(vectors[:cut])
    second = gate.run(vectors[cut:], last_sent=first.last_sent)
    np.testing.assert_array_equal(whole.sent, np.concatenate([first.sent, second.sent]))
    np.testing.assert_array_equal(whole.distance, np.concatenate([first.distance, second.distance]))


@given(streams, thresholds)
def test_gate_is_silent_exactly_within_the_threshold(vectors, threshold):
    trace = DistanceGate(threshold).run(vectors)
    measured = ~np.isnan(trace.distance)
    np.testing.assert_array_equal(trace.sent[measured], trace.distance[measured] > threshold)


@given(streams, thresholds)
def test_gate_sends_the_first_direction_and_never_a_zero(vectors, threshold):
    sent = DistanceGate(threshold).run(vectors).sent
    has_direction = vectors.any(axis=1)
    assert not sent[~has_direction].any()
    if has_direction.any():
        assert sent[np.argmax(has_direction)]


@given(streams, thresholds, st.integers(-3, 3))
def test_gate_ignores_length(vectors, threshold, exponent):
    gate = DistanceGate(threshold)
    np.testing.assert_array_equal(gate.run(vectors).sent, gate.run(vectors * np.float32(2.0**exponent)).sent)


@given(streams)
def test_gate_at_zero_stays_silent_for_a_repetition(vectors):
    doubled = np.repeat(vectors, 2, axis=0)
    assert not DistanceGate(0.0).run(doubled).sent[1::2].any()


def test_gate_sends_beyond_the_threshold_and_not_at_it():
    orthogonal = np.eye(2, dtype=np.float32)
    assert DistanceGate(0.999).run(orthogonal).sent.tolist() == [True, True]
    assert DistanceGate(1.0).run(orthogonal).sent.tolist() == [True, False]


def test_gate_compares_with_the_last_sent_not_the_last_seen():
    angles = np.deg2rad([0, 20, 40, 60])
    drifting = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert DistanceGate(0.35).run(drifting).sent.tolist() == [True, False, False, True]


def test_gate_with_no_embeddings_says_nothing():
    trace = DistanceGate().run(np.empty((0, 4), np.float32))
    assert len(trace.sent) == 0
    assert trace.last_sent is None


@pytest.mark.parametrize("threshold", [-0.1, 2.1, float("nan")])
def test_gate_with_an_impossible_threshold_is_refused(threshold):
    with pytest.raises(InvalidValueError, match="between 0 and 2"):
        DistanceGate(threshold)


def test_gate_with_a_value_that_is_not_finite_is_refused():
    with pytest.raises(InvalidValueError, match="1 of 2 values are not"):
        DistanceGate().run(np.array([[np.nan, 1.0]], np.float32))


@given(streams)
def test_unit_vectors_have_length_one_or_zero(vectors):
    norms = np.linalg.norm(unit(vectors).astype(np.float64), axis=1)
    np.testing.assert_allclose(norms, vectors.any(axis=1).astype(float), atol=1e-6)


def test_unit_when_values_are_tiny_or_huge_keeps_the_direction():
    for scale in (1e-300, 1e300):
        np.testing.assert_allclose(unit(np.array([3.0, 4.0]) * scale), [0.6, 0.8], rtol=1e-6)


@given(streams, streams)
def test_cosine_distance_equals_one_minus_the_cosine(one, other):
    n, d = min(len(one), len(other)), min(one.shape[1], other.shape[1])
    one, other = one[:n, :d].astype(np.float64), other[:n, :d].astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = 1 - (one * other).sum(axis=1) / lengths
    np.testing.assert_allclose(cosine_distance(one, other), np.where(lengths > 0, expected, np.nan), atol=1e-9)
