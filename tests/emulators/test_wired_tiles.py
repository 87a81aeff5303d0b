"""Tiles with wires are what the exact solver says, and stay close to it as their cells change."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.arrays import LayerArrays, Moment, write_layer
from emulators.mapping import drive_lines, mapping_named
from emulators.tiles import TileSize, Tiling
from emulators.wires import Wires, solve, transfer_matrix
from emulators.wires.many import port_matrices
from hil.errors import InvalidValueError
from hil.network import TernaryNetwork
from hil.registry import load, open_target
from hil.rng import stream
from tests.emulators.networks import layer, times, windows

MICRO = 1e-6
SPAN, OFF = 99 * MICRO, 1 * MICRO


def single(rng, fan_in, channels):
    only = layer(rng, channels, fan_in, last=True)
    return TernaryNetwork("one", (only,), np.ones(channels, np.float32))


def solved_sums(network, features, mapping, tile, wires, amplitude=128):
    """Add up tile currents by the solver alone, in weight units."""
    weight = network.layers[0].weight.T
    inputs, total = tile // mapping.lines_per_input, 0.0
    for first in range(0, len(weight), inputs):
        block = np.zeros((inputs, -(-weight.shape[1] // tile) * tile), np.int8)
        part = weight[first : first + inputs]
        block[: len(part), : weight.shape[1]] = part
        x = np.zeros((len(features), inputs))
        x[:, : len(part)] = features[:, first : first + inputs]
        for conversion in mapping.conversions:
            lines = drive_lines(conversion.drive, x.astype(int), amplitude=amplitude).astype(float)
            for factor, levels in zip(conversion.planes, mapping.planes(block), strict=True):
                if not factor:
                    continue
                for k in range(0, block.shape[1], tile):
                    g_siemens = OFF + levels[:, k : k + tile] * SPAN
                    # cells beyond the weights hold nothing
                    current = solve(g_siemens, lines, wires).column_current_ampere - OFF * lines.sum(axis=1)[:, None]
                    padded = np.zeros((len(x), block.shape[1]))
                    padded[:, k : k + tile] = current
                    total = total + mapping.scale * conversion.factor(amplitude) * factor * padded / SPAN
    return total[:, : weight.shape[1]]


@pytest.mark.parametrize(
    ("topology", "mapping"),
    [("passive2d", "differential"), ("passive2d", "tnn_i"), ("gated1t1r", "differential"), ("gated1t1r", "tnn_i")],
)
def test_tiles_give_the_solved_currents(topology, mapping):
    rng = np.random.default_rng(1)
    network, features = single(rng, 48, 20), windows(rng, 6, 48)
    along = 0.0 if topology == "gated1t1r" else 20.0
    wires = Wires(along, 20.0, 0.0 if topology == "gated1t1r" else 30.0, 10.0, topology)
    target = f"crossbar:ideal?tile=16&adc_bits=lossless&dac_bits=lossless&column_fit=off&mapping={mapping}"
    target += f"&wires=20&r_sense=10&r_driver={wires.r_driver_ohm}&topology={topology}"
    got = open_target(target).program(network, seed=0).infer(features, t_us=times(6), trace=True)
    wanted = solved_sums(network, features, mapping_named(mapping), 16, wires)
    assert np.array_equal(got.layers[0].accumulator, np.rint(wanted))
    assert not np.array_equal(got.layers[0].accumulator, features.astype(int) @ network.layers[0].weight.T)


def arrays_at(device, wires, *, n=64):
    rng = np.random.default_rng(2)
    tiling = Tiling(n, n, TileSize(n, n), mapping_named("differential"))
    held = layer(rng, n, n, last=True)
    cells = write_layer(held, tiling, device, seed=5, index=0)
    return LayerArrays(held, tiling, device, wires, 1.0, 9, 1.0, 1.0, 0.2, cells)


def exact_matrix(arrays, t_s, *, noise=None):
    g_siemens = [arrays.device.conductance(cells, t_s=t_s) for cells in arrays.cells]
    if noise is not None:
        g_siemens = [g * (1 + change) for g, change in zip(g_siemens, noise, strict=True)]
    plus, minus = (transfer_matrix(g, arrays.wires) for g in g_siemens)
    return (plus - minus) / arrays.device.span_siemens


@pytest.mark.parametrize("ohm", [1.0, 4.0])
def test_ageing_through_wires_stays_within_three_thousandths_of_the_exact_operator(ohm):
    device = load("presets", "pcm_nandakumar2019").having(read_noise=None)
    arrays = arrays_at(device, Wires(ohm, ohm))
    for t_s in (1.0, 30.0, 500.0, 1e5):
        ours, exact = arrays.operators(Moment(t_s))[0][0].matrix, exact_matrix(arrays, t_s)
        assert np.linalg.norm(ours - exact) < 3e-3 * np.linalg.norm(exact)


@pytest.mark.parametrize(("ohm", "missed"), [(1.0, 0.04), (4.0, 0.12)])
def test_noise_through_wires_has_the_spread_of_the_exact_operator(ohm, missed):
    device = load("presets", "rram_wan2022").having(spread=None)
    arrays = arrays_at(device, Wires(ohm, ohm))
    quiet = exact_matrix(arrays, 1.0)
    rng = np.random.default_rng(3)
    x = rng.poisson(1.0, (1, 64)).astype(float)
    draws = []
    for _ in range(60):
        noise = [0.01 * rng.standard_normal((64, 64)) for _ in range(2)]
        draws.append(x @ (exact_matrix(arrays, 1.0, noise=noise) - quiet))
    wanted = np.std(draws, axis=0).mean()
    ours = np.sqrt(arrays.operators(Moment(1.0))[0][0].variance(x)).mean()
    assert ours == pytest.approx(wanted, rel=missed + 4 / np.sqrt(2 * 60 * 64))


def test_wires_are_solved_again_once_conductances_have_moved_far(monkeypatch):
    from emulators import arrays as module

    calls = []
    monkeypatch.setattr(module, "port_matrices", lambda *args, **more: calls.append(1) or port_matrices(*args, **more))
    arrays = arrays_at(load("presets", "pcm_nandakumar2019").having(read_noise=None), Wires(1.0, 1.0))
    arrays.operators(Moment(2.0))
    assert len(calls) == 1
    arrays.operators(Moment(60.0))
    assert len(calls) == 1
    arrays.operators(Moment(1e7))
    assert len(calls) > 1


def test_programming_reports_every_array_until_all_are_done():
    network, heard = single(np.random.default_rng(1), 70, 40), []
    backend = open_target("crossbar:ideal?tile=16&wires=2")
    backend.program(network, seed=0, on_progress=lambda done, total: heard.append((done, total)))
    arrays = backend.program(network, seed=0).engines[0].tiling.arrays
    assert heard == sorted(heard)
    assert heard[-1] == (2 * arrays, 2 * arrays)


def test_the_order_of_asking_does_not_matter():
    device = load("presets", "pcm_nandakumar2019").having(read_noise=None)
    forward, backward = (arrays_at(device, Wires(1.0, 1.0), n=16) for _ in range(2))
    moments = [Moment(t) for t in (2.0, 1e4, 1e7)]
    ahead = [forward.operators(m)[0][0].matrix for m in moments]
    back = [backward.operators(m)[0][0].matrix for m in reversed(moments)]
    for a, b in zip(ahead, reversed(back), strict=True):
        assert np.array_equal(a, b)


def test_power_is_voltage_times_solved_row_current():
    device = load("presets", "ideal")
    arrays = arrays_at(device, Wires(3.0, 3.0, 20.0, 10.0), n=24)
    volts = stream(1).integers(-5, 6, (4, 24)).astype(float)
    wanted = sum(solve(device.conductance(cells, t_s=1.0), volts, arrays.wires).power_watt for cells in arrays.cells)
    np.testing.assert_allclose(arrays.operators(Moment(1.0))[0][0].power(volts), wanted, rtol=1e-6)


def test_gated_power_is_voltage_times_solved_row_current():
    device = load("presets", "ideal")
    arrays = arrays_at(device, Wires(0.0, 30.0, 0.0, 10.0, "gated1t1r"), n=24)
    volts = stream(1).integers(-5, 6, (4, 24)).astype(float)
    wanted = sum(solve(device.conductance(cells, t_s=1.0), volts, arrays.wires).power_watt for cells in arrays.cells)
    np.testing.assert_allclose(arrays.operators(Moment(1.0))[0][0].power(volts), wanted, rtol=1e-9)


def test_gated_noise_has_the_spread_of_cells_that_fluctuate():
    device = load("presets", "rram_wan2022").having(spread=None)
    arrays = arrays_at(device, Wires(0.0, 20.0, 0.0, 10.0, "gated1t1r"))
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, (1, 64)).astype(float)
    held = [device.conductance(cells, t_s=1.0) for cells in arrays.cells]
    draws = []
    for _ in range(400):
        plus, minus = (solve(g * (1 + 0.01 * rng.standard_normal(g.shape)), x, arrays.wires) for g in held)
        draws.append((plus.column_current_ampere - minus.column_current_ampere) / device.span_siemens)
    ours = np.sqrt(arrays.operators(Moment(1.0))[0][0].variance(x)).mean()
    # the sampling error of 64 deviations of 400 draws each is 0.44 %
    assert ours == pytest.approx(np.std(draws, axis=0).mean(), rel=0.015)


@pytest.mark.parametrize("option", ["wires=-1", "r_driver=nan", "topology=ring", "topology=gated1t1r&r_driver=5"])
def test_impossible_wires_are_refused(option):
    with pytest.raises(InvalidValueError):
        open_target(f"crossbar:ideal?{option}")
