"""Read disturb and warmth against the figures they were published with."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.devices.conduction import CubicConduction, SinhConduction
from emulators.devices.stress import ReadDisturb, Temperature
from hil.errors import InvalidValueError
from hil.registry import load
from hil.rng import stream


@pytest.mark.parametrize(
    ("volt", "power", "fresh_s", "loss"),
    [(0.2, 0.0159, 102.0, 0.036), (0.3, 0.0244, 40e-3, 0.055), (0.4, 0.0373, 0.24e-3, 0.082)],
)
def test_read_disturb_has_the_published_exponent_transition_and_loss(volt, power, fresh_s, loss):
    disturb = ReadDisturb(t_read_s=1e-6, read_volt=volt)
    assert disturb.power == pytest.approx(power, rel=0.005)
    assert float(disturb.transition_s(0)) == pytest.approx(fresh_s, rel=0.15)
    reads = int(10 * float(disturb.transition_s(0)) / 1e-6)
    assert 1 - float(disturb.factor(reads, 0)) == pytest.approx(loss, abs=0.001)


@pytest.mark.parametrize(("volt", "worn_s"), [(0.2, 3.8), (0.3, 4.7e-3), (0.4, 59e-6)])
def test_transition_comes_sooner_after_a_thousand_cycles(volt, worn_s):
    assert float(ReadDisturb(read_volt=volt).transition_s(1000)) == pytest.approx(worn_s, rel=0.15)


def test_disturb_touches_low_resistance_cells_only_and_never_before_the_transition():
    device = load("presets", "ideal").having(disturb=ReadDisturb(t_read_s=1.0, read_volt=0.2))
    cells = device.program(np.array([[device.on_siemens, device.off_siemens]]), rng=stream(0))
    before, after = (device.conductance(cells, t_s=0.0, reads=n)[0] for n in (50, 10_000))
    assert before.tolist() == [device.on_siemens, device.off_siemens]
    assert after[0] < 0.95 * device.on_siemens
    assert after[1] == device.off_siemens


def test_rewritten_cells_land_anew_and_count_a_cycle():
    device = load("presets", "rram_wan2022")
    cells = device.program(np.full((2, 50), device.on_siemens), rng=stream(1))
    chosen = np.zeros((2, 50), bool)
    chosen[0] = True
    again = device.rewrite(cells, chosen, t_s=100.0, rng=stream(2))
    before, after = (device.conductance(c, t_s=100.0) for c in (cells, again))
    assert np.array_equal(before[1], after[1])
    assert not np.array_equal(before[0], after[0])
    assert again.cycles[0, 0] == 1
    assert again.cycles[1, 0] == 0


def test_warm_cells_conduct_as_arrhenius_says():
    device = load("presets", "ideal").having(temperature=Temperature(350.0, off_ev=0.1, on_ev=0.02))
    cells = device.program(np.array([[device.on_siemens, device.off_siemens]]), rng=stream(0))
    on, off = device.conductance(cells, t_s=0.0)[0]
    inverse = (1 / 350.0 - 1 / 300.0) / 8.617333262e-5
    assert on / device.on_siemens == pytest.approx(np.exp(-0.02 * inverse))
    assert off / device.off_siemens == pytest.approx(np.exp(-0.1 * inverse))


def test_sinh_curve_is_its_series_to_third_order():
    second, third = SinhConduction(0.5).terms(np.array([1e-5]))
    volt = 0.2
    series = 1e-5 * volt + second[0] * volt**2 + third[0] * volt**3
    assert series == pytest.approx(1e-5 * 0.5 * np.sinh(volt / 0.5), rel=3e-4)


def test_measured_curves_are_flatter_at_higher_conductance():
    curves = load("presets", "rram_milo2021").conduction
    assert isinstance(curves, CubicConduction)
    g_siemens = np.array([62.5e-6, 110e-6])
    second, third = curves.terms(g_siemens)
    bend = np.abs(second * 0.2**2 + third * 0.2**3) / (g_siemens * 0.2)
    assert bend[1] < bend[0]
    assert bend[0] < 0.2


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReadDisturb(t_read_s=0.0),
        lambda: ReadDisturb(read_volt=float("nan")),
        lambda: ReadDisturb(kelvin=-1.0),
        lambda: Temperature(kelvin=0.0),
        lambda: Temperature(on_ev=float("inf")),
        lambda: SinhConduction(0.0),
    ],
)
def test_impossible_stress_is_refused(make):
    with pytest.raises(InvalidValueError):
        make()
