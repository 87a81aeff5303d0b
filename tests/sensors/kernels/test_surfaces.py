"""Time surfaces against Tonic, and against a slow sum in double precision."""

import numpy as np
import pytest

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.kernels.memory import surface_memory
from sensors.kernels.surfaces import to_averaged_timesurface, to_timesurface
from sensors.structured import to_tonic


@pytest.fixture
def tonic():
    return pytest.importorskip("tonic.functional", reason="tonic is not installed")


@pytest.mark.parametrize("start_us", [0, 1_605_537_493_718_345])
def test_exponential_surface_equals_tonic(make_events, geometry, tonic, start_us):
    events = make_events(600, 20_000, start_us=start_us)
    theirs = tonic.to_timesurface_numpy(to_tonic(events), (24, 18, 2), dt=1_700, tau=3_000)
    ours = to_timesurface(events, geometry, dt_us=1_700, tau_us=3_000, last="drop")
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-7)


def test_exponential_surface_stays_within_its_stated_error_over_its_whole_range():
    pixels = 60_000
    geometry = Geometry(pixels, 1)
    times_us = np.sort(np.random.default_rng(1).integers(0, 9_000_000, pixels))
    events = EventBatch(times_us, np.arange(pixels), np.zeros(pixels, int), np.ones(pixels, bool))
    span_us = int(times_us[-1] - times_us[0]) + 1
    surface = to_timesurface(events, geometry, dt_us=span_us, tau_us=100_000)[0, 1, 0]
    exact = np.exp((times_us - times_us[0] - span_us) / 100_000)
    normal = exact > 2.4e-38
    assert np.abs(surface - exact).max() < 2e-7
    assert np.abs(surface[normal] / exact[normal] - 1).max() < 6e-6
    assert (surface[exact < 2.3e-38] == 0).all()


@pytest.mark.parametrize("tau_us", [0.5, 3e4, 1.2e7])
@pytest.mark.parametrize("decay", ["exp", "lin"])
def test_surface_equals_its_formula_for_short_and_very_long_constants(make_events, geometry, tau_us, decay):
    events = make_events(300, 10_000)
    surface = to_timesurface(events, geometry, dt_us=20_000, tau_us=tau_us, decay=decay)[0]
    seen = np.full((2, 18, 24), -np.inf)
    seen[events.p.astype(int), events.y, events.x] = events.t
    ages = int(events.t[0]) + 20_000 - seen
    expected = np.exp(-ages / tau_us) if decay == "exp" else np.maximum(0, 1 - ages / (3 * tau_us))
    np.testing.assert_allclose(surface, expected, atol=3e-7)


def test_surface_goes_on_where_the_last_batch_ended(make_events, geometry):
    events = make_events(400, 10_000)
    middle = int(events.t[0]) + 5_000
    memory = surface_memory(geometry)
    to_timesurface(events.between(0, middle), geometry, dt_us=1_000, tau_us=2_000, last="drop", memory=memory)
    second = events.between(middle, 2**60)
    resumed = to_timesurface(second, geometry, dt_us=10**6, tau_us=2_000, memory=memory)
    whole = to_timesurface(events, geometry, dt_us=int(second.t[0]) - int(events.t[0]) + 10**6, tau_us=2_000)
    assert np.array_equal(resumed, whole)


def test_surface_into_a_given_array_equals_a_fresh_one(make_events, geometry):
    events = make_events(300, 5_000)
    given_array = np.full((20, 2, 18, 24), 7, np.float32)
    reused = to_timesurface(events, geometry, dt_us=500, tau_us=900, out=given_array)
    assert reused.base is given_array
    assert np.array_equal(reused, to_timesurface(events, geometry, dt_us=500, tau_us=900))


@pytest.mark.parametrize(
    "wrong", [{"tau_us": 0}, {"tau_us": 2e7}, {"tau_us": np.inf}, {"dt_us": 0}, {"decay": "cubic"}]
)
def test_surface_refuses_impossible_settings(make_events, geometry, wrong):
    with pytest.raises(InvalidValueError):
        to_timesurface(make_events(5, 10), geometry, **({"dt_us": 10, "tau_us": 10} | wrong))


def tonic_records(events):
    """Return records whose coordinates do not wrap in Tonic's differences."""
    return to_tonic(events).astype([("x", "i8"), ("y", "i8"), ("t", "i8"), ("p", "i8")])


@pytest.mark.parametrize(("decay", "window_us"), [("exp", 3_000), ("exp", 10**6), ("lin", 3_000)])
def test_averaged_surface_equals_tonic(make_events, geometry, tonic, decay, window_us):
    events = make_events(400, 20_000)
    settings = {"cell_size": 7, "surface_size": 5, "decay": decay}
    theirs = tonic.to_averaged_timesurface_numpy(
        tonic_records(events), (24, 18, 2), time_window=window_us, tau=2_000, **settings
    )
    ours = to_averaged_timesurface(events, geometry, time_window_us=window_us, tau_us=2_000, **settings)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_averaged_surface_does_not_lose_microseconds_late_in_a_recording_as_tonic_does(make_events, geometry, tonic):
    settings = {"cell_size": 7, "surface_size": 5, "decay": "exp"}
    early, late = make_events(200, 2_000, start_us=0), make_events(200, 2_000, start_us=10**12)
    first, second = (
        tonic.to_averaged_timesurface_numpy(tonic_records(e), (24, 18, 2), time_window=900, tau=100, **settings)
        for e in (early, late)
    )
    assert not np.allclose(first, second, atol=0.01)
    ours = [to_averaged_timesurface(e, geometry, time_window_us=900, tau_us=100, **settings) for e in (early, late)]
    assert np.array_equal(*ours)
    np.testing.assert_allclose(ours[0], first, atol=2e-6)


def test_averaged_surface_never_turns_negative_where_tonics_does(tonic):
    column = np.zeros(2, np.uint16)
    events = EventBatch(np.array([0, 1_000]), column, column, np.ones(2, bool))
    settings = {"cell_size": 3, "surface_size": 3, "decay": "lin"}
    theirs = tonic.to_averaged_timesurface_numpy(
        tonic_records(events), (3, 3, 2), time_window=10_000, tau=100, **settings
    )
    ours = to_averaged_timesurface(events, Geometry(3, 3), time_window_us=10_000, tau_us=100, **settings)
    assert theirs.min() < 0
    assert ours[0, 1, 1, 1] == 1


def test_averaged_surface_refuses_an_even_surface(make_events, geometry):
    with pytest.raises(InvalidValueError, match="odd"):
        to_averaged_timesurface(make_events(5, 10), geometry, surface_size=4)
    with pytest.raises(InvalidValueError, match="positive"):
        to_averaged_timesurface(make_events(5, 10), geometry, tau_us=0)
