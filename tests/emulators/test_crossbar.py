"""The crossbar: exact where it must be, and noisy in the way it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.mapping import MAPPINGS
from emulators.operators import LinearOperator, on_grid
from hil.errors import InvalidValueError, UnknownNameError
from hil.registry import open_target
from hil.testing import BackendTests
from tests.emulators.networks import conv_network, dense_network, networks, times, windows

LOSSLESS = "adc_bits=lossless&dac_bits=lossless"


def layers_of(target, network, features, *, seed=0):
    with open_target(target).program(network, seed=seed) as session:
        return session.infer(features, t_us=times(len(features)), trace=True)


@given(
    networks(),
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(MAPPINGS)),
    st.sampled_from(["parallel", "bit_serial"]),
    st.sampled_from(["128", "32x16", "7x300"]),
)
def test_ideal_cells_and_lossless_converters_equal_ternary_layer_by_layer(network, seed, mapping, inputs, tile):
    features = windows(np.random.default_rng(seed), 3, network.d_in)
    target = f"crossbar:ideal?{LOSSLESS}&mapping={mapping}&inputs={inputs}&tile={tile}"
    got, wanted = layers_of(target, network, features), layers_of("ternary", network, features)
    for ours, exact in zip(got.layers, wanted.layers, strict=True):
        assert np.array_equal(ours.accumulator, exact.accumulator)
        assert np.array_equal(ours.activation, exact.activation)
    assert np.array_equal(got.outputs, wanted.outputs)


class TestNoisyCrossbar(BackendTests):
    def backend(self):
        return open_target("crossbar:rram_wan2022?tile=16")


class TestIdealCrossbar(BackendTests):
    def backend(self):
        return open_target("crossbar:ideal?tile=32")


@pytest.mark.parametrize("inputs", ["parallel", "bit_serial"])
def test_noise_does_not_depend_on_how_a_stream_is_cut(inputs):
    rng = np.random.default_rng(3)
    network = conv_network(rng)
    features, t_us = windows(rng, 40, network.d_in), times(40, step_us=500_000)
    backend = open_target(f"crossbar:rram_wan2022?inputs={inputs}&adc_noise=0.3&dac_noise=0.2&dac_dnl=0.1")
    whole = backend.program(network, seed=1).infer(features, t_us=t_us, trace=True)
    session = backend.program(network, seed=1)
    for first, last in ((0, 1), (1, 18), (18, 40)):
        part = session.infer(features[first:last], t_us=t_us[first:last], trace=True)
        for a, b in zip(part.layers, whole.layers, strict=True):
            assert np.array_equal(a.accumulator, b.accumulator[first:last])


def test_seed_decides_everything():
    rng = np.random.default_rng(4)
    network, features = dense_network(rng, [60, 40, 10]), windows(rng, 6, 60)
    first, again, other = (
        layers_of("crossbar:rram_wan2022", network, features, seed=seed).outputs for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_repeated_window_at_another_time_gets_other_noise():
    rng = np.random.default_rng(5)
    network = dense_network(rng, [60, 40])
    features = np.repeat(windows(rng, 1, 60, sparse=False), 2, axis=0)
    outputs = layers_of("crossbar:rram_wan2022?adc_bits=lossless", network, features).outputs
    assert not np.array_equal(outputs[0], outputs[1])


@pytest.mark.parametrize("switch", ["programming=off", "read_noise=off", "adc_bits=6", "dac_bits=5", "adc_gain=0.05"])
def test_each_switch_changes_the_answer(switch):
    rng = np.random.default_rng(6)
    network, features = dense_network(rng, [60, 40]), windows(rng, 6, 60)
    base = layers_of("crossbar:rram_wan2022", network, features).outputs
    assert not np.array_equal(base, layers_of(f"crossbar:rram_wan2022?{switch}", network, features).outputs)


@pytest.mark.parametrize(
    "target",
    [
        "rram_wan2022?adc_noise=0.5&adc_dnl=0.2&adc_inl=0.3&dac_noise=0.1&tile=16",
        "pcm_nandakumar2019?wires=3&tile=32&mapping=tnn_i&inputs=bit_serial",
        "rram_milo2021?nonlinearity=on&noise=0.02&mapping=tnn_v",
        "rram_wan2022?adc_bits=lossless&mapping=tnn_iii&read_noise=flicker",
        "ideal?topology=gated1t1r&wires=10&tile=32&cycle_on=2",
    ],
)
def test_torch_gives_the_same_bits(target):
    pytest.importorskip("torch", reason="torch is not installed")
    rng = np.random.default_rng(9)
    network = conv_network(rng)
    features = windows(rng, 5, network.d_in)
    here, there = (layers_of(f"crossbar:{target}&compute={place}", network, features) for place in ("numpy", "torch"))
    for ours, other in zip(here.layers, there.layers, strict=True):
        assert np.array_equal(ours.accumulator, other.accumulator)
    counters = (here.telemetry.counters, there.telemetry.counters)
    assert counters[0]["adc_clip_rate"] == counters[1]["adc_clip_rate"]


def test_clipping_is_counted():
    rng = np.random.default_rng(7)
    network = dense_network(rng, [100, 20])
    features = windows(rng, 20, 100, sparse=False)
    few = layers_of("crossbar:ideal?range=max", network, features).telemetry.counters
    many = layers_of("crossbar:ideal?range=sigma&sigmas=0.2", network, features).telemetry.counters
    assert few["adc_clip_rate"] == 0.0
    assert many["adc_clip_rate"] > 0.5


def test_pulses_of_a_loop_are_counted():
    network = dense_network(np.random.default_rng(7), [30, 20])
    features = windows(np.random.default_rng(7), 2, 30)
    counted = [
        layers_of(f"crossbar:{target}", network, features).telemetry.counters["programming_pulses_total"]
        for target in ("rram_wan2022", "rram_wan2022?programming=verify", "hfo2_gong2022")
    ]
    assert counted[0] == 0
    assert min(counted[1:]) > 128 * 128


def test_tiles_without_events_are_not_converted():
    network = dense_network(np.random.default_rng(8), [256, 10])
    features = np.zeros((1, 256), np.int8)
    features[0, 3] = 1
    counters = layers_of("crossbar:ideal?tile=128", network, features).telemetry.counters
    assert counters["adc_conversions"] == 10


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        ("crossbar", InvalidValueError, "needs a preset"),
        ("crossbar:unobtainium", UnknownNameError, "unknown preset"),
        ("crossbar:ideal?colour=red", UnknownNameError, "colour"),
        ("crossbar:ideal?tile=big", InvalidValueError, "tile must be"),
        ("crossbar:ideal?adc_bits=many", InvalidValueError, "or lossless"),
        ("crossbar:ideal?adc_bits=40", InvalidValueError, "1 to 16 bits"),
        ("crossbar:ideal?mapping=tnn_x", UnknownNameError, "tnn_iii"),
        ("crossbar:ideal?age_s=-1", InvalidValueError, "age_s"),
        ("crossbar:rram_wan2022?t_read_s=-1", InvalidValueError, "t_read_s between"),
        ("crossbar:rram_wan2022?verify_tolerance=0", InvalidValueError, "verify_tolerance between"),
        ("crossbar:rram_wan2022?activation_on_ev=nan", InvalidValueError, "activation_on_ev between"),
        ("crossbar:rram_wan2022?age_s=200000", InvalidValueError, "at most 172800"),
        ("crossbar:ideal?adc_gain=nan", InvalidValueError, "gain"),
        ("crossbar:ideal?read_noise=perhaps", InvalidValueError, "telegraph"),
        ("crossbar:ideal?drift=perhaps", InvalidValueError, "on or off"),
        ("crossbar:ideal?range=widest", InvalidValueError, "percentile"),
    ],
)
def test_impossible_targets_are_refused(target, error, says):
    with pytest.raises(error, match=says):
        open_target(target)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.1, 0.2, 1.0])
def test_products_that_skip_zeros_have_the_bits_of_dense_ones(share):
    rng = np.random.default_rng(1)
    volts = np.where(rng.random((40, 128)) < share, rng.integers(-128, 128, (40, 128)), 0).astype(np.float64)
    first, last = (
        LinearOperator(on_grid(rng.normal(size=(128, 50)) * size, input_bits=7), None, np.zeros(128))
        for size in (1.0, 1.01)
    )
    assert np.array_equal(first.currents(volts), volts @ first.matrix)
    change = first.change_to(last, input_bits=7)
    wanted = volts.astype(change.matrix.dtype) @ change.matrix
    assert np.array_equal(change.currents(volts), wanted)
