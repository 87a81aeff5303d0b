"""The integer contract: what a network refuses, and what its arithmetic gives."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import CaptionSet, FeatureSpec, Patches, Requantisation, TernaryLayer, TernaryNetwork, stream
from hil.errors import InvalidValueError
from hil.testing import random_features, random_network, reference_layers


def layer(weight, **changes):
    weight = np.asarray(weight, np.int8)
    return TernaryLayer(**{"weight": weight, "bias": np.zeros(len(weight), np.int32), "weight_scale": 1.0, **changes})


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(1, 62), st.booleans())
def test_requantisation_equals_exact_rational_arithmetic(accumulator, multiplier, shift, relu):
    wanted = (accumulator * multiplier + (1 << (shift - 1))) >> shift  # Python integers never overflow
    wanted = min(max(wanted, 0 if relu else -128), 127)
    step = Requantisation(np.array([multiplier]), np.array([shift]), relu=relu)
    assert step.apply(np.array([[accumulator]], np.int32)).tolist() == [[wanted]]


def test_weights_that_are_not_ternary_are_refused():
    with pytest.raises(InvalidValueError, match="run from -1 to 2"):
        layer([[2, -1]])


def test_accumulator_that_could_leave_int32_is_refused():
    with pytest.raises(InvalidValueError, match="int32"):
        layer([[1, 1]], bias=np.array([2**31 - 100], np.int32))


def test_layers_that_do_not_fit_are_refused():
    step = Requantisation(np.array([1]), np.array([1]))
    with pytest.raises(InvalidValueError, match="layer 0 gives 1 values, but layer 1 takes 2"):
        TernaryNetwork("n", (layer([[1, 0]], requantisation=step), layer([[1, 0]])), np.ones(1, np.float32))


def test_last_layer_that_requantises_is_refused():
    step = Requantisation(np.array([1]), np.array([1]))
    with pytest.raises(InvalidValueError, match="last layer"):
        TernaryNetwork("n", (layer([[1, 0]], requantisation=step),), np.ones(1, np.float32))


def test_captions_that_are_not_unit_vectors_are_refused():
    with pytest.raises(InvalidValueError, match="unit length"):
        CaptionSet(("one",), np.full((1, 4), 3.0, np.float32), "model", "hash")


def test_window_that_does_not_divide_into_bins_is_refused():
    with pytest.raises(InvalidValueError, match="equal time bins"):
        FeatureSpec(width=2, height=2, time_bins=3, window_us=100)


@given(st.integers(1, 3), st.integers(3, 7), st.integers(3, 7), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2))
def test_unfolded_convolution_equals_the_definition(channels, height, width, kernel, stride, padding):
    rng = stream(1, "unfold")
    patches = Patches(channels, height, width, kernel, stride, padding)
    image = rng.integers(-128, 128, (2, channels, height, width)).astype(np.int8)
    weight = rng.integers(-1, 2, (2, patches.fan_in)).astype(np.int8)
    conv = layer(weight, patches=patches)
    folded = conv.fold(conv.unfold(image.reshape(2, -1)).astype(np.int64) @ weight.T.astype(np.int64))
    padded = np.pad(image.astype(np.int64), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kernels = weight.reshape(2, channels, kernel, kernel)
    wanted = [
        (padded[n, :, r : r + kernel, c : c + kernel] * kernels[k]).sum()
        for n in range(2)
        for k in range(2)
        for r in range(0, height + 2 * padding - kernel + 1, stride)
        for c in range(0, width + 2 * padding - kernel + 1, stride)
    ]
    assert folded.ravel().tolist() == wanted


def test_digest_changes_with_any_integer():
    network = random_network((6, 5, 4), rng=stream(1, "digest"))
    flipped = network.layers[0].weight.copy()
    flipped[0, 0] = 1 if flipped[0, 0] != 1 else 0
    changed = dataclasses.replace(network.layers[0], weight=flipped)
    other = dataclasses.replace(network, layers=(changed, *network.layers[1:]))
    assert other.digest != network.digest


def test_reference_layers_end_in_int32_and_pass_int8():
    network = random_network((6, 5, 4), rng=stream(1, "reference"))
    first, last = reference_layers(network, random_features(network, 3, rng=stream(1, "features")))
    assert first.activation.dtype == np.int8
    assert last.activation.dtype == np.int32
