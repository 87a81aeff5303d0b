"""Write-verify: pulses move cells as published, and the loop ends where it says."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.devices.programming import SoftBounds, WriteVerify
from hil.errors import InvalidValueError
from hil.registry import load
from hil.rng import stream
from tests.emulators.devices.published import gong

MICRO = 1e-6


def loop(**changes):
    pulse = SoftBounds(step=0.1, step_noise=0.3, write_noise=0.1)
    values = {"pulse": pulse, "g_min_siemens": 10e-6, "g_max_siemens": 90e-6, "tolerance_siemens": 1e-6}
    return WriteVerify(**{**values, **changes})


@pytest.mark.parametrize("up", [True, False])
def test_one_pulse_moves_cells_by_the_soft_bounds_law(up):
    device = load("presets", "hfo2_gong2022")
    pulse = SoftBounds(step=device.verify.pulse.step, step_noise=device.verify.pulse.step_noise)
    one = loop(pulse=pulse, most_pulses=1, tolerance_siemens=1e-12)
    far = np.full(200_000, 200e-6 if up else -200e-6)
    level = (one.run(far, rng=stream(1, up)).landed_siemens - 50e-6) / 40e-6
    # starts u are uniform between -1 and 1 and move to u + s (1 - u), or the mirror of it: s on average
    assert level.mean() == pytest.approx(0.4622 if up else -0.4622, rel=0.02)


def test_the_mean_step_vanishes_at_the_bound():
    pulse = SoftBounds(step=0.4622)
    assert pulse.mean_step(np.array([-1.0, 0.0, 1.0]), up=True).tolist() == [0.9244, 0.4622, 0.0]
    assert pulse.mean_step(np.array([-1.0, 0.0, 1.0]), up=False).tolist() == [0.0, -0.4622, -0.9244]


@pytest.mark.parametrize("level", [20e-6, 50e-6, 80e-6])
def test_a_loop_ends_within_its_tolerance_and_counts_its_pulses(level):
    verified = loop().run(np.full((100, 200), level), rng=stream(2))
    assert verified.converged.mean() > 0.99
    assert np.abs(verified.landed_siemens - level)[verified.converged].max() <= 1e-6
    assert verified.pulses.min() == 0
    assert 1 < verified.pulses.mean() < 60


def test_a_tighter_tolerance_takes_more_pulses_and_leaves_less_spread():
    results = [loop(tolerance_siemens=t).run(np.full(5000, 50e-6), rng=stream(3)) for t in (4e-6, 0.5e-6)]
    assert results[1].pulses.mean() > results[0].pulses.mean()
    assert results[1].landed_siemens.std() < results[0].landed_siemens.std()


def test_fitted_statistics_replace_the_loop():
    verify = loop(tolerance_siemens=3e-6)
    fit = verify.fitted_spread(np.linspace(20e-6, 80e-6, 7), devices=5000, rng=stream(4))
    for level in (30e-6, 60e-6):
        landed = verify.run(np.full(20_000, level), rng=stream(5)).landed_siemens
        deviation = np.sqrt(np.mean((landed - level) ** 2))
        assert float(fit.sigma_siemens(np.array(level), 0.0)) == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize("level", [10.0, 26.0, 50.0, 74.0, 90.0])
def test_the_loop_leaves_what_the_published_pulses_leave(level):
    """Cells that never settle are few and far off, kurtosis up to 84: the error of 400,000 deviations is 0.7 %."""
    device = load("presets", "hfo2_gong2022")
    ours = device.program(np.full((8 * 250, 200), level * MICRO), rng=stream(7)).landed_siemens / MICRO
    published = gong(level, 0.0, 400_000, stream(8))
    assert ours.mean() == pytest.approx(published.mean(), rel=0.02)
    assert ours.std() == pytest.approx(published.std(), rel=0.02)
    settled = [np.mean(np.abs(g - level) <= 4.0) for g in (ours, published)]
    assert settled[0] == pytest.approx(settled[1], rel=0.02)


def test_published_array_reaches_its_levels_where_its_bounds_allow():
    device = load("presets", "hfo2_gong2022")
    cells = device.program(np.full((100, 100), device.on_siemens), rng=stream(6))
    near = np.abs(cells.landed_siemens - device.on_siemens) <= device.verify.tolerance_siemens
    assert near.mean() > 0.8
    assert cells.pulses.max() <= device.verify.most_pulses
    assert cells.pulses[near].mean() < 15


@pytest.mark.parametrize(
    "make",
    [
        lambda: SoftBounds(step=0.0),
        lambda: SoftBounds(step=0.1, step_noise=-1.0),
        lambda: loop(tolerance_siemens=0.0),
        lambda: loop(most_pulses=0),
        lambda: loop(g_max_siemens=0.0),
        lambda: loop().fitted_spread(np.array([2e-5]), devices=10, rng=stream(0)),
    ],
)
def test_impossible_loops_are_refused(make):
    with pytest.raises(InvalidValueError):
        make()
