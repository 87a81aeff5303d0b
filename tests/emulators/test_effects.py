"""Effects compose: none hides another, and a seed reproduces all of them together."""

from __future__ import annotations

from functools import cache
from itertools import combinations, permutations

import numpy as np
import pytest

from hil.registry import open_target
from tests.emulators.networks import dense_network, times, windows

EFFECTS = {
    "device spread": ("programming=published", "programming=off"),
    "cycle noise": ("read_noise=white", "read_noise=off"),
    "drift": ("drift=on", "drift=off"),
    "read disturb": ("disturb=none&t_read_s=30&refresh_every=4", "disturb=off"),
    "wires": ("wires=5", "wires=0"),
    "ADC": ("adc_bits=6", "adc_bits=lossless"),
    "faults": ("stuck_off=0.03&stuck_on=0.01", "stuck_off=0"),
}


@cache
def answer(on: frozenset[str], *, topology="passive2d", seed=1):
    """Return every accumulator of a small network with some of the effects on."""
    rng = np.random.default_rng(11)
    network, features = dense_network(rng, [60, 30, 12]), windows(rng, 24, 60)
    chosen = "&".join(states[0 if name in on else 1] for name, states in EFFECTS.items())
    target = f"crossbar:pcm_nandakumar2019?tile=32&age_s=3600&topology={topology}&{chosen}"
    if topology == "gated1t1r":
        target += "&inputs=bit_serial"
    with open_target(target).program(network, seed=seed) as session:
        layers = session.infer(features, t_us=times(24, step_us=2_000_000), trace=True).layers
    return np.concatenate([layer.accumulator for layer in layers], axis=1)


def size(first: set[str], second: set[str]) -> float:
    """Return how far two answers are apart, root mean square."""
    return float(np.std(answer(frozenset(first)) - answer(frozenset(second))))


@pytest.mark.parametrize(("switched", "present"), list(permutations(EFFECTS, 2)))
def test_each_effect_is_about_as_large_in_the_presence_of_each_other_as_alone(switched, present):
    assert size({present}, {present, switched}) > 0.5 * size(set(), {switched}) > 0.0


@pytest.mark.parametrize("pair", list(combinations(EFFECTS, 2)))
def test_a_seed_reproduces_each_pair_of_effects(pair):
    first = answer(frozenset(pair))
    again = answer.__wrapped__(frozenset(pair))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("topology", ["passive2d", "gated1t1r"])
@pytest.mark.parametrize("switched", list(EFFECTS))
def test_each_effect_shows_in_the_presence_of_all_others(switched, topology):
    everything = frozenset(EFFECTS)
    assert not np.array_equal(answer(everything, topology=topology), answer(everything - {switched}, topology=topology))


@pytest.mark.parametrize("topology", ["passive2d", "gated1t1r"])
def test_a_seed_reproduces_all_effects_together(topology):
    everything = frozenset(EFFECTS)
    first = answer(everything, topology=topology)
    answer.cache_clear()
    assert np.array_equal(first, answer(everything, topology=topology))
    assert not np.array_equal(first, answer(everything, topology=topology, seed=2))


def test_no_effect_at_all_is_the_reference():
    rng = np.random.default_rng(11)
    network, features = dense_network(rng, [60, 30, 12]), windows(rng, 24, 60)
    with open_target("ternary").program(network, seed=0) as session:
        layers = session.infer(features, t_us=times(24), trace=True).layers
    assert np.array_equal(answer(frozenset()), np.concatenate([layer.accumulator for layer in layers], axis=1))


@pytest.mark.parametrize("memory", ["white", "flicker", "telegraph"])
@pytest.mark.parametrize("disturb", ["none", "array", "cell"])
def test_remembered_noise_and_reading_do_not_depend_on_how_a_stream_is_cut(memory, disturb):
    rng = np.random.default_rng(12)
    network, features = dense_network(rng, [60, 30, 12]), windows(rng, 30, 60)
    t_us = times(30, step_us=400_000)
    target = (
        f"crossbar:pcm_nandakumar2019?tile=32&wires=2&read_noise={memory}&disturb={disturb}"
        "&t_read_s=40&refresh_every=7&refresh_tolerance=0.02"
    )
    whole = open_target(target).program(network, seed=3).infer(features, t_us=t_us, trace=True)
    session = open_target(target).program(network, seed=3)
    for first, last in ((0, 1), (1, 13), (13, 30)):
        part = session.infer(features[first:last], t_us=t_us[first:last], trace=True)
        for a, b in zip(part.layers, whole.layers, strict=True):
            assert np.array_equal(a.accumulator, b.accumulator[first:last])
    rewritten = whole.telemetry.counters["cells_rewritten_total"]
    assert (rewritten > 0) == (disturb != "none")


def test_flicker_repeats_within_a_moment_where_white_noise_does_not():
    rng = np.random.default_rng(13)
    network = dense_network(rng, [60, 30])
    row = windows(rng, 1, 60, sparse=False)
    features = np.repeat(row, 40, axis=0)
    spread = {}
    for memory in ("white", "flicker"):
        target = f"crossbar:ideal?noise=0.2&read_noise={memory}&age_s=100000&adc_bits=lossless&epoch_s=0.001"
        sums = open_target(target).program(network, seed=1).infer(features, t_us=times(40, step_us=10), trace=True)
        spread[memory] = sums.layers[0].accumulator.std(axis=0).mean()
    assert spread["flicker"] < 0.8 * spread["white"]
