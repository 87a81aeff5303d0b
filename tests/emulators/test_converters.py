"""Converters: ideal ones are transparent, real ones depart from a line as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.calibration import METHODS, Profile, TileProfile, column_fit, range_of
from emulators.converters import Adc, Dac, Nonideality
from emulators.kernels import convert, normal_table
from hil.errors import InvalidValueError
from hil.rng import stream


def converted(adc, analog, *, low=-10.0, high=10.0, signed=True, seed=0, variance=None):
    n, columns = analog.shape
    bank = adc.bank(np.full(columns, low), np.full(columns, high), signed=signed, rng=stream(seed))
    if variance is None:
        variance = np.broadcast_to(bank.noise_variance, analog.shape) if bank.noise_lsb else np.empty((0, columns))
    out = np.zeros_like(analog)
    straight = np.tile([1.0, 0.0], (columns, 1))
    keys = np.arange(n, dtype=np.uint64) * np.uint64(7919)
    clipped = convert(
        analog, variance, keys, 0, np.ones(n, bool), bank.limits, straight, bank.nonlinearity, 1.0, out, normal_table()
    )
    return out, clipped


@pytest.mark.parametrize("bits", range(2, 11))
def test_an_ideal_signed_adc_has_the_published_levels_and_step(bits):
    analog = np.linspace(-14.9, 14.9, 4001)[:, None]
    out, clipped = converted(Adc(bits), analog)
    values = np.unique(out)
    assert len(values) == 2**bits - 1
    assert 0.0 in values
    np.testing.assert_allclose(np.diff(values), 20.0 / (2**bits - 2))
    inside = np.abs(analog) <= 10
    assert np.abs(out - analog)[inside].max() <= 10.0 / (2**bits - 2) * (1 + 1e-9)
    assert clipped == np.count_nonzero(np.abs(analog) > 10.0 * (1 + 0.5 / (2 ** (bits - 1) - 1)))


def test_a_positive_adc_has_one_level_more_and_none_below_zero():
    out, _ = converted(Adc(4), np.linspace(-5, 15, 2001)[:, None], low=0.0, signed=False)
    values = np.unique(out)
    assert len(values) == 16
    np.testing.assert_allclose(np.diff(values), 10.0 / 15)
    assert values[0] == 0.0


def test_a_lossless_adc_changes_nothing():
    analog = np.random.default_rng(1).normal(size=(50, 3)) * 1e5
    out, clipped = converted(Adc(None), analog)
    assert np.array_equal(out, analog)
    assert clipped == 0


def test_noise_of_a_conversion_has_the_spread_asked_for():
    out, _ = converted(Adc(12, Nonideality(noise_lsb=8.0)), np.zeros((2000, 50)))
    step = 20.0 / (2**12 - 2)
    assert out.std() == pytest.approx(8.0 * step, rel=0.01)


def test_summed_variance_is_the_distribution_of_fresh_noise_in_every_cell():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(2)
    x, sigma, mu = rng.integers(0, 9, 64).astype(float), rng.uniform(0.5, 2, 64), rng.normal(size=64)
    n = 40_000
    cell_by_cell = ((mu + sigma * rng.standard_normal((n, 64))) * x).sum(axis=1)
    analog, variance = np.full((n, 1), (mu * x).sum()), np.full((n, 1), (x**2 * sigma**2).sum())
    matched, _ = converted(Adc(None), analog, variance=variance)
    assert ks_2samp(cell_by_cell, matched[:, 0]).pvalue > 0.01


@pytest.mark.parametrize(("part", "least"), [("gain", 0.02), ("offset_lsb", 0.5), ("inl_lsb", 0.5), ("dnl_lsb", 0.2)])
def test_each_static_error_bends_columns_differently_and_by_seed(part, least):
    analog = np.tile(np.linspace(-9, 9, 300)[:, None], (1, 6))
    errors = Nonideality(**{part: 0.1 if part == "gain" else 1.0})
    ideal, _ = converted(Adc(8), analog)
    first, again, other = (converted(Adc(8, errors), analog, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    step = 20.0 / 254
    assert np.abs(first - ideal).max() > least * step
    assert not np.array_equal(first[:, 0], first[:, 1])


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_integral_nonlinearity_vanishes_at_the_ends_and_has_its_spread_inside(bits):
    codes = 2**bits - 1
    curves = Nonideality(inl_lsb=1.0).curves(4000, codes, rng=stream(3))
    assert np.abs(curves[:, [0, -1]]).max() < 1e-12
    assert curves[:, codes // 2].std() == pytest.approx(1.0, rel=0.04)
    widths = np.diff(Nonideality(dnl_lsb=0.5).curves(2000, codes, rng=stream(4)), axis=1)
    assert widths.std() == pytest.approx(0.5, rel=0.1)


@given(st.integers(-128, 128))
def test_an_eight_bit_dac_is_transparent_to_int8(value):
    bank = Dac(8).bank(3, rng=stream(0))
    assert bank.drive(np.full((1, 3), value), None).tolist() == [[value] * 3]


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
def test_a_coarse_dac_rounds_to_its_steps(bits):
    values = np.arange(-128, 129)[:, None]
    driven = Dac(bits).bank(1, rng=stream(0)).drive(values, None)
    step = 2.0 ** (8 - bits)
    assert len(np.unique(driven)) == 2**bits + 1
    assert np.abs(driven - values).max() <= step / 2


@pytest.mark.parametrize("part", ["inl_lsb", "dnl_lsb", "gain", "offset_lsb"])
def test_dac_errors_belong_to_the_line(part):
    bank = Dac(8, Nonideality(**{part: 0.3})).bank(5, rng=stream(1))
    driven = bank.drive(np.full((2, 5), 77), None)
    assert np.array_equal(driven[0], driven[1])
    assert len(set(driven[0])) == 5
    assert np.array_equal(driven * 1024, np.rint(driven * 1024))


@pytest.mark.parametrize("bits", [0, 17, -3])
def test_impossible_resolutions_are_refused(bits):
    for make in (Adc, Dac):
        with pytest.raises(InvalidValueError, match="bits"):
            make(bits)


def test_a_signed_adc_of_one_bit_is_refused():
    with pytest.raises(InvalidValueError, match="at least 2 bits"):
        Adc(1)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_impossible_errors_are_refused(bad):
    with pytest.raises(InvalidValueError, match="zero or positive"):
        Nonideality(gain=bad)


# --- calibration ---------------------------------------------------------------------------------------------------

SAMPLES = np.random.default_rng(5).standard_t(5, 20_000) * 40.0


def ends(method, *, samples=SAMPLES, signed=True, levels=15, **more):
    return range_of(method, samples, signed=signed, full_scale=16_000.0, levels=levels, **more)


def test_each_method_takes_the_range_it_says():
    assert ends("max") == (-16_000.0, 16_000.0)
    assert ends("minmax") == (SAMPLES.min(), SAMPLES.max())
    assert ends("sigma", sigmas=3.0) == pytest.approx(
        (SAMPLES.mean() - 3 * SAMPLES.std(), SAMPLES.mean() + 3 * SAMPLES.std())
    )
    reach = np.percentile(np.abs(SAMPLES), 99.0)
    assert ends("percentile", percentile=99.0) == (-reach, reach)


def test_mse_loses_least_of_all_methods():
    def loss(method):
        low, high = ends(method)
        step = (high - low) / 14
        return np.mean(
            (np.clip(np.rint(SAMPLES / step), np.rint(low / step), np.rint(low / step) + 14) * step - SAMPLES) ** 2
        )

    losses = {method: loss(method) for method in METHODS}
    assert min(losses, key=losses.__getitem__) == "mse"


@pytest.mark.parametrize("method", METHODS)
def test_positive_ranges_start_at_zero(method):
    low, high = ends(method, samples=np.abs(SAMPLES), signed=False)
    assert low == 0.0
    assert high > 0.0


@pytest.mark.parametrize("method", METHODS)
def test_ranges_of_silent_tiles_are_not_empty(method):
    low, high = ends(method, samples=np.zeros(10), levels=255)
    assert high - low >= 0.5 * 254


def test_empty_profiles_and_unknown_methods_are_refused():
    with pytest.raises(InvalidValueError, match="profile is empty"):
        ends("mse", samples=np.empty(0))
    with pytest.raises(InvalidValueError, match="percentile"):
        ends("widest")


def test_column_fit_takes_gain_and_offset_out():
    rng = np.random.default_rng(6)
    wanted = rng.normal(size=(500, 8)) * 30
    gain, offset = rng.uniform(0.8, 1.2, 8), rng.normal(size=8) * 5
    fit = column_fit((wanted - offset) / gain, wanted)
    np.testing.assert_allclose(fit, np.stack([gain, offset], axis=1), rtol=0.01, atol=0.05)


def test_column_fit_leaves_silent_columns_alone():
    np.testing.assert_array_equal(column_fit(np.zeros((10, 2)), np.zeros((10, 2))), [[1.0, 0.0], [1.0, 0.0]])


def test_a_profile_is_summed_up_and_plotted(tmp_path):
    tile = TileProfile(0, 1, 2, 0, True, 1000.0, SAMPLES)
    profile = Profile((tile, TileProfile(1, 0, 0, 0, True, 1000.0, SAMPLES / 2)))
    summary = profile.summary()
    assert summary[0]["strip"] == 1
    assert summary[1]["std"] == pytest.approx(SAMPLES.std() / 2)
    assert len(profile.of_layer(1)) == len(SAMPLES)
    profile.plot(tmp_path / "profile.png")
    assert (tmp_path / "profile.png").read_bytes()[:4] == b"\x89PNG"
