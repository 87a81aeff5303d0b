from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hil.errors import InvalidValueError
from hil.network import Patches, TernaryNetwork
from hil.registry import open_target
from hil.rng import stream
from hil.testing.networks import random_features, random_network, reference_layers
from hil.types import Int8Array
from quant.retuning import Moments, exact_accumulators, retune
from tests.quant.distorted import Distorted

PATCHES = Patches(in_channels=2, height=6, width=5, kernel=3, padding=1)


def network_of(kind: str) -> TernaryNetwork:
    rng = stream(1, "retuning", kind)
    if kind == "convolution":
        return random_network((0, 30, 12), rng=rng, patches=PATCHES)
    return random_network((60, 40, 30, 12), rng=rng)


def windows(network: TernaryNetwork, n: int = 300) -> Int8Array:
    return random_features(network, n, rng=stream(2, "windows"))


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_exact_accumulators_when_compared_with_the_contract_then_equal(kind: str) -> None:
    network = network_of(kind)
    features = windows(network, 20)
    for ours, theirs in zip(exact_accumulators(network, features), reference_layers(network, features), strict=True):
        np.testing.assert_array_equal(ours, theirs.accumulator)


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_retune_when_target_is_exact_then_integers_hardly_change(kind: str) -> None:
    network = network_of(kind)
    tuned = retune(network, open_target("ternary"), windows(network), seed=0)
    for ours, theirs in zip(tuned.layers, network.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)
        np.testing.assert_array_equal(ours.bias, theirs.bias)
    np.testing.assert_allclose(tuned.output_scale, network.output_scale, rtol=1e-3)  # 15-bit multipliers before it
    assert "seed 0" in tuned.metadata["retuned_to"]


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_retune_when_currents_are_lost_and_shifted_then_outputs_come_back(kind: str) -> None:
    network = network_of(kind)
    features, unseen = windows(network), random_features(network, 50, rng=stream(3, "unseen"))
    target = Distorted(lambda sums, i: (0.7 - 0.1 * i) * sums + 20 * (i + 1))
    expected = network.embed(reference_layers(network, unseen)[-1].activation)

    def error(candidate: TernaryNetwork) -> float:
        t_us = np.arange(len(unseen), dtype=np.int64)
        outputs = target.program(candidate, seed=0).infer(unseen, t_us=t_us).outputs
        return float(np.linalg.norm(outputs - expected) / np.linalg.norm(expected))

    before, after = error(network), error(retune(network, target, features, seed=0))
    assert before > 0.2
    assert after < 0.1 * before


def test_moments_when_layer_is_a_convolution_then_positions_belong_to_their_channel() -> None:
    layer = network_of("convolution").layers[0]
    sums = np.arange(2 * layer.d_out, dtype=np.int32).reshape(2, -1)
    moments = Moments.of(layer, sums)
    first = sums[:, : layer.positions]
    assert (moments.mean[0], moments.deviation[0]) == (first.mean(), first.std())


def test_retune_when_target_does_not_trace_then_refused() -> None:
    network = network_of("dense")
    with pytest.raises(InvalidValueError, match="must trace"):
        retune(network, Distorted(lambda sums, _: sums, traces=False), windows(network), seed=0)


def test_retune_when_a_channel_is_silent_then_it_is_left_alone() -> None:
    network = network_of("dense")
    weight = network.layers[0].weight.copy()
    weight[3] = 0
    silent = replace(network, layers=(replace(network.layers[0], weight=weight), *network.layers[1:]))
    tuned = retune(silent, Distorted(lambda sums, _: 2 * sums), windows(silent), seed=0)
    assert tuned.layers[0].bias[3] == silent.layers[0].bias[3]
