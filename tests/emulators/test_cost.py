"""Costs follow from what was counted and solved, and every input says where it comes from."""

from __future__ import annotations

import numpy as np
import pytest

from hil.registry import open_target
from tests.emulators.networks import dense_network, times, windows


def session_and_answer(target, sizes=(60, 30), n=8):
    rng = np.random.default_rng(1)
    network, features = dense_network(rng, list(sizes)), windows(rng, n, sizes[0])
    session = open_target(target).program(network, seed=1)
    return session, session.infer(features, t_us=times(n))


def test_energy_is_the_sum_of_its_parts():
    _, answer = session_and_answer("crossbar:rram_wan2022")
    counters = answer.telemetry.counters
    parts = [counters[f"energy_{part}_joule"] for part in ("array", "adc", "dac", "digital")]
    assert min(parts) > 0
    assert answer.telemetry.energy_joule == pytest.approx(sum(parts))
    assert answer.telemetry.energy_source == "model"


def test_array_energy_is_the_ohmic_one_without_wires():
    rng = np.random.default_rng(2)
    network = dense_network(rng, [30, 10])
    features = windows(rng, 3, 30)
    target = "crossbar:ideal?tile=32&t_read_s=1e-6&read_volt=0.1"
    answer = open_target(target).program(network, seed=0).infer(features, t_us=times(3))
    weight = network.layers[0].weight.T
    on, off = 1e-4, 1e-6
    fed = 2 * 32 * off + np.abs(weight).sum(axis=1) * (on - off)  # both planes, padding included
    wanted = ((features / 128 * 0.1) ** 2 @ fed).sum() * 1e-6
    assert answer.telemetry.counters["energy_array_joule"] == pytest.approx(wanted)


def test_finer_converters_cost_more_and_wires_less():
    joule = {}
    for options in ("adc_bits=6", "adc_bits=8", "adc_bits=8&wires=50"):
        joule[options] = session_and_answer(f"crossbar:ideal?{options}")[1].telemetry.counters
    assert joule["adc_bits=8"]["energy_adc_joule"] == pytest.approx(4 * joule["adc_bits=6"]["energy_adc_joule"])
    assert joule["adc_bits=8&wires=50"]["energy_array_joule"] < joule["adc_bits=8"]["energy_array_joule"]


def test_every_tile_has_drivers_of_its_own():
    joule = [
        session_and_answer(f"crossbar:ideal?tile={tile}", sizes=(30, 40))[1].telemetry.counters["energy_dac_joule"]
        for tile in ("32x40", "32x20", "32x10")
    ]
    assert joule[1] == pytest.approx(2 * joule[0])
    assert joule[2] == pytest.approx(4 * joule[0])


def test_bit_serial_inputs_take_longer():
    latency = [
        session_and_answer(f"crossbar:ideal?inputs={inputs}")[1].telemetry.counters["latency_model_s"]
        for inputs in ("parallel", "bit_serial")
    ]
    assert latency[1] == pytest.approx(8 * latency[0])


def test_figures_without_a_model_are_absent():
    for target in ("crossbar:ideal?adc_bits=lossless", "crossbar:ideal?energy=off"):
        _, answer = session_and_answer(target)
        assert answer.telemetry.energy_source == "none"
        assert open_target(target).capabilities.energy_source == "none"


def test_every_input_is_cited_or_says_that_it_is_assumed():
    session, _ = session_and_answer("crossbar:rram_wan2022")
    inputs = session.cost_model.inputs()
    assert len(inputs) >= 10
    for figure in inputs:
        assert figure["source"].startswith("assumed") or any(digit in figure["source"] for digit in "0123456789")
        assert figure["unit"]


def test_the_report_breaks_down_energy_latency_and_area():
    session, _ = session_and_answer("crossbar:rram_wan2022")
    report = session.cost().as_document()
    assert set(report["energy_joule_per_inference"]) == {"array", "adc", "dac", "digital"}
    assert report["latency_s_per_inference"] > 0
    assert set(report["area_mm2"]) == {"array", "adc", "dac", "digital"}
    assert report["inferences"] == 8
