"""Remembered noise is a function of the clock and the key, with the spectrum it claims."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal, stats

from emulators.devices.read_noise import AccumulatedNoise, Ladder, PowerQuality, RelativeNoise, Telegraph, White
from emulators.kernels import normal_table, normals, row_hash
from hil.errors import InvalidValueError
from hil.registry import load
from hil.rng import stream

SHAPE = (200, 200)


def remembered(memory, t_s, *, key=7, shape=SHAPE, horizon_s=1e-9):
    return memory.split(key, shape, t_s=t_s, horizon_s=horizon_s)


def test_normals_of_the_table_are_normal():
    keys = row_hash(np.arange(4000, dtype=np.uint8).reshape(-1, 1) % 251, np.arange(4000), np.uint64(1))
    z = normals(keys, 500, 0, normal_table()).ravel()
    assert stats.kstest(z, "norm").pvalue > 0.001
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert stats.kurtosis(z) == pytest.approx(0, abs=0.02)
    assert np.abs(z).max() > 4.5


def test_normals_of_different_rows_and_columns_are_independent():
    keys = row_hash(np.zeros((3000, 4), np.uint8), np.arange(3000), np.uint64(1))
    z = normals(keys, 40, 0, normal_table())
    correlation = np.corrcoef(z.T) - np.eye(40)
    assert np.abs(correlation).max() < 5 / np.sqrt(3000)
    assert np.abs(np.corrcoef(z[:-1].ravel(), z[1:].ravel())[0, 1]) < 5 / np.sqrt(z.size)


def test_rows_that_differ_in_one_byte_or_one_microsecond_have_other_keys():
    row = np.zeros((1, 64), np.uint8)
    other = row.copy()
    other[0, 63] = 1
    keys = [
        row_hash(x, np.array([t]), np.uint64(s))[0]
        for x, t, s in ((row, 0, 0), (other, 0, 0), (row, 1, 0), (row, 0, 1))
    ]
    assert len(set(keys)) == 4


@pytest.mark.parametrize("memory", [Ladder(1e-3, 1e3), Telegraph(1e-2, 1e3, 0.3)])
def test_remembered_noise_has_unit_variance_and_no_mean_at_any_time(memory):
    for t_s in (0.0, 0.5, 20.0, 5e4):
        fresh, slow = remembered(memory, t_s, horizon_s=1e-9)
        total = np.mean(fresh) + (0.0 if slow is None else slow.var())
        assert total == pytest.approx(1.0, abs=0.06)
        assert slow is None or abs(slow.mean()) < 0.06


@pytest.mark.parametrize("memory", [Ladder(1e-3, 1e3), Telegraph(1e-2, 1e3)])
def test_noise_is_looked_up_not_simulated(memory):
    first, late, again = (remembered(memory, t)[1] for t in (5.0, 900.0, 5.0))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, late)
    assert not np.array_equal(first, remembered(memory, 5.0, key=8)[1])


def test_states_are_forgotten_exponentially():
    memory = Ladder(1.0, 10.0)  # one band, of sqrt(10) seconds
    tau = np.sqrt(10.0)
    start = remembered(memory, 1000.0, shape=(400, 400))[1].ravel()
    for lag in (1, 2, 3):
        later = remembered(memory, 1000.0 + lag * tau, shape=(400, 400))[1].ravel()
        assert np.corrcoef(start, later)[0, 1] == pytest.approx(np.exp(-lag), abs=0.015)


def test_ladder_has_a_one_over_f_spectrum():
    memory = Ladder(1e-2, 1e4)
    step = 0.5
    series = np.stack([remembered(memory, 1e5 + step * k, shape=(4, 40))[1].ravel() for k in range(4096)], axis=1)
    frequency, power = signal.welch(series, fs=1 / step, nperseg=1024, axis=1)
    inside = (frequency > 4e-3) & (frequency < 0.2)
    slope = np.polyfit(np.log(frequency[inside]), np.log(power.mean(axis=0)[inside]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.12)


def test_telegraph_cells_have_two_states_with_the_occupancy_asked_for():
    memory = Telegraph(10.0, 1e3, occupancy=0.2)
    states = remembered(memory, 5e4)[1]
    low, high = np.unique(states)
    assert np.mean(states == high) == pytest.approx(0.2, abs=0.01)
    assert high - low == pytest.approx(1 / np.sqrt(0.2 * 0.8))


def test_memory_below_the_horizon_counts_as_fresh():
    memory = Ladder(1e-6, 1e3)
    shares = [remembered(memory, 1e4, horizon_s=h)[0] for h in (1e-7, 1e-4, 1e-1, 1e4)]
    assert shares[0] == pytest.approx(0.0, abs=1e-12)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert White().split(1, SHAPE, t_s=1.0, horizon_s=1.0) == (1.0, None)


def test_two_reads_a_moment_apart_agree_more_than_two_an_hour_apart():
    device = load("presets", "pcm_nandakumar2019")
    cells = device.program(np.full((100, 100), 25e-6), rng=stream(1))
    now, soon, later = (
        device.fluctuating(cells, np.full((100, 100), 25e-6), t_s=t, horizon_s=1.0)[0] for t in (50.0, 50.5, 3600.0)
    )
    assert np.corrcoef(now.ravel(), soon.ravel())[0, 1] > 0.5
    assert np.corrcoef(now.ravel(), later.ravel())[0, 1] < 0.3


def test_accumulated_noise_is_finite_at_the_instant_of_programming():
    noise = AccumulatedNoise(PowerQuality(0.0088, 0.65, 0.2), 25e-6, t_read_s=250e-9, t0_s=0.0)
    cells = np.array([0.0, 25e-6])
    assert np.all(noise.sigma_siemens(cells, noise.trait(cells), 0.0) == 0.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RelativeNoise(-0.1),
        lambda: RelativeNoise(float("nan")),
        lambda: Ladder(0.0, 1.0),
        lambda: Ladder(2.0, 1.0),
        lambda: Telegraph(1.0, 0.1),
        lambda: Telegraph(occupancy=1.0),
    ],
)
def test_impossible_noise_is_refused(make):
    with pytest.raises(InvalidValueError):
        make()
