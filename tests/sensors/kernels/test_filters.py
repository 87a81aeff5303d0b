"""Filters against dv-processing and Tonic, and against what these get wrong."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.kernels.filters import denoise, drop_pixel, identify_hot_pixel, keep_polarity, refractory_period
from sensors.kernels.memory import last_times, surface_memory
from sensors.structured import from_structured, to_tonic


@pytest.fixture
def tonic():
    return pytest.importorskip("tonic.functional", reason="tonic is not installed")


@pytest.fixture
def dv():
    return pytest.importorskip("dv_processing")


def events_of(*rows):
    t, x, y, p = zip(*rows, strict=True)
    return EventBatch(np.array(t), np.array(x), np.array(y), np.array(p, bool))


def rows_of(events):
    return list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(), strict=True))


@pytest.mark.parametrize("filter_time_us", [1, 300, 2_000])
def test_denoise_with_8_neighbours_equals_dv_processing(make_events, geometry, dv, to_store, filter_time_us):
    events = make_events(2_000, 30_000)
    noise_filter = dv.noise.BackgroundActivityNoiseFilter((24, 18), timedelta(microseconds=filter_time_us))
    noise_filter.accept(to_store(events))
    theirs = noise_filter.generateEvents()
    ours = denoise(events, geometry, filter_time_us=filter_time_us)
    assert 0 < len(ours) < len(events)
    assert ours.t.tolist() == theirs.timestamps().ravel().tolist()
    assert np.column_stack([ours.x, ours.y]).tolist() == theirs.coordinates().tolist()


@pytest.mark.parametrize("filter_time_us", [1, 300, 2_000])
def test_denoise_with_4_neighbours_equals_tonic(make_events, geometry, tonic, filter_time_us):
    events = make_events(2_000, 30_000)
    theirs = tonic.denoise_numpy(to_tonic(events), filter_time_us)
    ours = denoise(events, geometry, filter_time_us=filter_time_us, neighbours=4)
    assert rows_of(ours) == rows_of(from_structured(theirs))


def test_denoise_drops_lone_events_at_the_start_where_tonic_and_dv_keep_them(tonic, dv, to_store):
    lone = events_of((10, 3, 3, 1), (20, 9, 9, 1))
    noise_filter = dv.noise.BackgroundActivityNoiseFilter((24, 18), timedelta(microseconds=100))
    noise_filter.accept(to_store(lone))
    assert noise_filter.generateEvents().size() == 2
    assert len(tonic.denoise_numpy(to_tonic(lone), 100)) == 2
    assert len(denoise(lone, Geometry(24, 18), filter_time_us=100)) == 0


@given(st.integers(0, 80), st.integers(0, 2**32 - 1))
def test_filters_do_not_depend_on_how_the_stream_is_cut(cut, seed):
    rng, geometry = np.random.default_rng(seed), Geometry(4, 3)
    x, y = rng.integers(0, 4, 80).astype(np.uint16), rng.integers(0, 3, 80).astype(np.uint16)
    events = EventBatch(np.sort(rng.integers(0, 900, 80)), x, y, rng.random(80) < 0.5)
    for function, settings in ((denoise, {"filter_time_us": 25}), (refractory_period, {"refractory_us": 50})):
        memory = last_times(geometry)
        parts = [function(part, geometry, **settings, memory=memory) for part in (events[:cut], events[cut:])]
        assert rows_of(EventBatch.concatenate(parts)) == rows_of(function(events, geometry, **settings))


def test_refractory_period_equals_tonic_where_dropped_events_stand_alone(geometry, tonic):
    events = events_of((100, 1, 1, 1), (150, 1, 1, 0), (300, 1, 1, 1), (310, 2, 1, 1), (500, 2, 1, 0), (900, 1, 1, 1))
    theirs = tonic.refractory_period_numpy(to_tonic(events), 100)
    assert rows_of(refractory_period(events, geometry, refractory_us=100)) == rows_of(from_structured(theirs))


def test_refractory_period_lets_a_fast_pixel_speak_where_tonic_silences_it_for_ever(geometry, tonic):
    fast = events_of(*((t, 1, 1, 1) for t in range(100, 1_000, 60)))
    assert len(tonic.refractory_period_numpy(to_tonic(fast), 100)) == 1
    kept = refractory_period(fast, geometry, refractory_us=100)
    assert np.diff(kept.t).tolist() == [120] * (len(kept) - 1)


def test_refractory_period_keeps_a_first_event_at_time_zero_which_tonic_drops(geometry, tonic):
    first = events_of((0, 1, 1, 1))
    assert len(tonic.refractory_period_numpy(to_tonic(first), 100)) == 0
    assert len(refractory_period(first, geometry, refractory_us=100)) == 1


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=60).map(sorted), st.integers(0, 300))
def test_refractory_period_keeps_gaps_longer_than_the_period_and_every_event_it_may(times_us, refractory_us):
    events = events_of(*((t, 0, 0, 1) for t in times_us))
    kept = refractory_period(events, Geometry(1, 1), refractory_us=refractory_us).t.tolist()
    expected = times_us[:1]
    for t in times_us[1:]:
        if t - expected[-1] > refractory_us:
            expected.append(t)
    assert kept == expected


def test_hot_pixels_equal_tonic_and_can_be_dropped(make_events, geometry, tonic):
    events = EventBatch.concatenate(
        [make_events(1_000, 50_000), events_of(*((100_000 + i, 5, 7, 1) for i in range(400)))]
    )
    theirs = tonic.identify_hot_pixel(to_tonic(events), hot_pixel_frequency=1_000)
    ours = identify_hot_pixel(events, geometry, hot_pixel_frequency_hz=1_000)
    assert ours.tolist() == theirs.tolist() == [[5, 7]]
    assert rows_of(drop_pixel(events, geometry, ours)) == rows_of(
        from_structured(tonic.drop_pixel_numpy(to_tonic(events), theirs))
    )


def test_hot_pixels_of_no_events_are_none(geometry):
    assert identify_hot_pixel(EventBatch.empty(), geometry, hot_pixel_frequency_hz=1).shape == (0, 2)
    assert len(drop_pixel(EventBatch.empty(), geometry, [])) == 0


def test_polarity_equals_dv_processing(make_events, dv, to_store):
    events = make_events(200, 1_000)
    polarity_filter = dv.EventPolarityFilter(True)
    polarity_filter.accept(to_store(events))
    assert keep_polarity(events, on=True).t.tolist() == polarity_filter.generateEvents().timestamps().ravel().tolist()
    assert len(keep_polarity(events, on=True)) + len(keep_polarity(events, on=False)) == len(events)


def test_filters_refuse_impossible_settings(make_events, geometry):
    events = make_events(5, 10)
    with pytest.raises(InvalidValueError, match="between 0 and"):
        denoise(events, geometry, filter_time_us=-1)
    with pytest.raises(InvalidValueError, match="4 or 8"):
        denoise(events, geometry, neighbours=6)
    with pytest.raises(InvalidValueError, match="of shape"):
        refractory_period(events, geometry, refractory_us=5, memory=surface_memory(geometry))
    with pytest.raises(InvalidValueError, match="24x18 sensor"):
        drop_pixel(events, geometry, [(24, 0)])
