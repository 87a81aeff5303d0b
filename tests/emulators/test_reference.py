"""The references against slow arithmetic that cannot be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.reference import exact_accumulators
from hil.errors import InvalidValueError, UnknownNameError
from hil.network import TernaryLayer, TernaryNetwork
from hil.registry import open_target
from hil.testing import BackendTests
from tests.emulators.networks import conv_network, dense_network, networks, times, windows


def by_hand(network, features):
    """Return the (accumulator, activation) of each layer in Python's own unbounded integers."""
    values, layers = features.astype(object), []
    for layer in network.layers:
        vectors = layer.unfold(values.astype(np.int8)).astype(object)
        sums = vectors @ layer.weight.astype(object).T
        biased = sums + layer.bias.astype(object)
        if layer.requantisation is not None:
            rule = layer.requantisation
            half = [1 << (int(s) - 1) for s in rule.shift]
            scaled = (biased * rule.multiplier.astype(object) + np.array(half, object)) >> rule.shift.astype(object)
            biased = np.clip(scaled, 0 if rule.relu else -128, 127)
        values = layer.fold(biased)
        layers.append((layer.fold(sums), values))
    return layers


class TestTernary(BackendTests):
    def backend(self):
        return open_target("ternary")


class TestFloat(BackendTests):
    def backend(self):
        return open_target("float")


@given(networks(largest=40), st.integers(0, 2**32 - 1))
def test_ternary_equals_unbounded_integers_layer_by_layer(network, seed):
    features = windows(np.random.default_rng(seed), 3, network.d_in)
    with open_target("ternary").program(network, seed=0) as session:
        answer = session.infer(features, t_us=times(3), trace=True)
    for trace, (sums, values) in zip(answer.layers, by_hand(network, features), strict=True):
        assert np.array_equal(trace.accumulator, sums.astype(np.int64))
        assert np.array_equal(trace.activation, values.astype(np.int64))


def test_accumulators_stay_exact_when_a_float32_product_would_round():
    fan_in = 2**17 + 1
    weight = np.ones((1, fan_in), np.int8)
    vectors = np.full((1, fan_in), -128, np.int8)
    vectors[0, 0] = 127
    assert exact_accumulators(weight, vectors)[0, 0] == -128 * 2**17 + 127


def test_float_equals_ternary_when_nothing_needs_rounding():
    rng = np.random.default_rng(1)
    network = dense_network(rng, [30, 20])
    features = windows(rng, 5, 30)
    exact = open_target("ternary").program(network, seed=0).infer(features, t_us=times(5), trace=True)
    real = open_target("float").program(network, seed=0).infer(features, t_us=times(5), trace=True)
    assert np.array_equal(exact.outputs, real.outputs)
    assert real.layers[0].accumulator.dtype == np.float64


def test_float_activations_round_to_ternary_ones():
    rng = np.random.default_rng(2)
    network = conv_network(rng)
    features = windows(rng, 5, network.d_in)
    exact = open_target("ternary").program(network, seed=0).infer(features, t_us=times(5), trace=True)
    real = open_target("float").program(network, seed=0).infer(features, t_us=times(5), trace=True)
    assert np.array_equal(np.floor(real.layers[0].activation + 0.5), exact.layers[0].activation)
    assert not np.array_equal(real.layers[0].activation, exact.layers[0].activation)


@pytest.mark.parametrize("target", ["ternary", "float"])
def test_windows_do_not_depend_on_their_batch(target):
    rng = np.random.default_rng(3)
    network = dense_network(rng, [50, 30, 10])
    features = windows(rng, 9, 50)
    session = open_target(target).program(network, seed=0)
    whole = session.infer(features, t_us=times(9)).outputs
    parts = [session.infer(features[i : i + 2], t_us=times(9)[i : i + 2]).outputs for i in range(0, 9, 2)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_no_windows_give_no_outputs():
    network = conv_network(np.random.default_rng(4))
    answer = (
        open_target("ternary")
        .program(network, seed=0)
        .infer(np.empty((0, network.d_in), np.int8), t_us=np.empty(0, np.int64), trace=True)
    )
    assert answer.outputs.shape == (0, network.d_out)
    assert answer.layers[0].activation.shape == (0, network.layers[0].d_out)


@pytest.mark.parametrize(
    ("features", "t_us", "says"),
    [
        (np.zeros((2, 9), np.int8), times(2), r"\(n, 10\) int8"),
        (np.zeros((2, 10), np.int16), times(2), "int8, but are"),
        (np.zeros((2, 10), np.int8), times(3), "one time per window"),
        (np.zeros((2, 10), np.int8), times(2)[::-1].copy(), "never decrease"),
    ],
)
def test_windows_that_do_not_fit_are_refused(features, t_us, says):
    network = dense_network(np.random.default_rng(5), [10, 4])
    with pytest.raises(InvalidValueError, match=says):
        open_target("ternary").program(network, seed=0).infer(features, t_us=t_us)


def test_closed_session_refuses_windows():
    session = open_target("ternary").program(dense_network(np.random.default_rng(5), [10, 4]), seed=0)
    session.close()
    session.close()
    with pytest.raises(InvalidValueError, match="closed"):
        session.infer(np.zeros((1, 10), np.int8), t_us=times(1))


def test_references_take_no_argument_and_no_options():
    with pytest.raises(InvalidValueError, match="no argument"):
        open_target("ternary:fast")
    with pytest.raises(UnknownNameError, match="speed"):
        open_target("ternary?speed=1")


def test_only_the_integers_are_exact():
    assert open_target("ternary").capabilities.exact
    assert not open_target("float").capabilities.exact


def test_empty_network_layer_without_inputs_gives_bias():
    only = TernaryLayer(np.zeros((3, 2), np.int8), np.array([1, 2, 3], np.int32), 1.0)
    network = TernaryNetwork("bias", (only,), np.ones(3, np.float32))
    answer = open_target("ternary").program(network, seed=0).infer(np.ones((1, 2), np.int8), t_us=times(1))
    assert answer.outputs.tolist() == [[1.0, 2.0, 3.0]]
