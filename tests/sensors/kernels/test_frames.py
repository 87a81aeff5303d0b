"""Count frames and voxel grids against Tonic, and against what Tonic gets wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.kernels.frames import event_rate, to_frame, to_voxel_grid
from sensors.structured import to_tonic
from sensors.windows import count_windows, time_windows

RULES = ("keep", "drop", "half")


@pytest.fixture
def tonic():
    return pytest.importorskip("tonic.functional", reason="tonic is not installed")


def one_pixel(times_us, *, on=True):
    n = len(times_us)
    zeros = np.zeros(n, np.uint16)
    return EventBatch(np.array(times_us, np.int64), zeros, zeros, np.full(n, on))


@pytest.mark.parametrize("division", [{"time_window": 900}, {"event_count": 37}, {"n_event_bins": 10}])
def test_to_frame_equals_tonic(make_events, geometry, tonic, division):
    events = make_events(500, 10_000)
    theirs = tonic.to_frame_numpy(to_tonic(events), (24, 18, 2), **division)
    ours_division = {"time_window_us" if k == "time_window" else k: v for k, v in division.items()}
    ours = to_frame(events, geometry, **ours_division, last="drop")
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)


def test_to_frame_with_time_bins_equals_tonic_where_it_loses_nothing(make_events, geometry, tonic):
    events = EventBatch.concatenate([make_events(500, 9_999), one_pixel([60_000])])
    events = EventBatch(events.t - events.t[0], events.x, events.y, events.p)
    bins = 10 if events.t[-1] % 10 == 0 else int(np.gcd(events.t[-1], 12))
    theirs = tonic.to_frame_numpy(to_tonic(events), (24, 18, 2), n_time_bins=bins)
    ours = to_frame(events, geometry, n_time_bins=bins)
    ours_without_last_event = ours.copy()
    ours_without_last_event[-1, 1, 0, 0] -= 1
    assert np.array_equal(ours_without_last_event, theirs)


def test_to_frame_keeps_the_last_events_that_tonic_loses(tonic):
    events = one_pixel([0, 50, 100, 199, 200])
    assert tonic.to_frame_numpy(to_tonic(events), (1, 1, 2), time_window=100, include_incomplete=True).sum() == 4
    assert to_frame(events, Geometry(1, 1), time_window_us=100, last="keep").sum() == 5
    assert tonic.to_frame_numpy(to_tonic(events), (1, 1, 2), n_time_bins=2).sum() == 4
    assert to_frame(events, Geometry(1, 1), n_time_bins=2).sum() == 5
    assert tonic.to_frame_numpy(to_tonic(events), (1, 1, 2), n_event_bins=2).sum() == 4
    assert to_frame(events, Geometry(1, 1), n_event_bins=2).sum() == 5


def test_to_frame_saturates_where_tonic_wraps_around(tonic):
    events = one_pixel([0] * 40_000)
    assert tonic.to_frame_numpy(to_tonic(events), (1, 1, 2), n_event_bins=1).min() < 0
    assert to_frame(events, Geometry(1, 1), n_event_bins=1).max() == 32767


@given(st.lists(st.integers(0, 400), max_size=50).map(sorted), st.integers(1, 90), st.sampled_from(RULES))
def test_to_frame_cuts_the_stream_as_the_windows_do(times_us, size, last):
    events, geometry = one_pixel(times_us), Geometry(1, 1)
    by_time = [len(w.events) for w in time_windows([events], size, last=last)]
    assert to_frame(events, geometry, time_window_us=size, last=last).sum((1, 2, 3)).tolist() == by_time
    by_count = [len(w.events) for w in count_windows([events], size, last=last)]
    assert to_frame(events, geometry, event_count=size, last=last).sum((1, 2, 3)).tolist() == by_count


def test_to_frame_with_merged_polarities_and_bytes_is_the_sum_of_both(make_events, geometry):
    events = make_events(5_000, 5_000)
    split = to_frame(events, geometry, time_window_us=500)
    merged = to_frame(events, geometry, time_window_us=500, merge_polarities=True, dtype=np.uint8)
    assert merged.dtype == np.uint8
    assert np.array_equal(merged[:, 0], split.sum(1))
    assert to_frame(one_pixel([0] * 300), Geometry(1, 1), n_event_bins=1, dtype=np.uint8).max() == 255


def test_to_frame_into_a_given_array_equals_a_fresh_one(make_events, geometry):
    events = make_events(300, 5_000)
    fresh = to_frame(events, geometry, time_window_us=500)
    given_array = np.full((20, 2, 18, 24), 7, np.int16)
    reused = to_frame(events, geometry, time_window_us=500, out=given_array)
    assert reused.base is given_array
    assert np.array_equal(reused, fresh)


def test_to_frame_refuses_what_it_cannot_do(make_events, geometry):
    events = make_events(10, 100)
    with pytest.raises(InvalidValueError, match="exactly one"):
        to_frame(events, geometry, n_time_bins=2, event_count=3)
    with pytest.raises(InvalidValueError, match="exactly one"):
        to_frame(events, geometry)
    with pytest.raises(InvalidValueError, match="4x4 sensor"):
        to_frame(events, Geometry(4, 4), n_time_bins=2)
    with pytest.raises(InvalidValueError, match="out must be"):
        to_frame(events, geometry, n_time_bins=2, out=np.zeros((1, 2, 18, 24), np.int16))
    with pytest.raises(InvalidValueError, match="int16 or uint8"):
        to_frame(events, geometry, n_time_bins=2, dtype=np.float32)
    with pytest.raises(InvalidValueError, match="cut the stream"):
        to_frame(one_pixel([0, 2**55]), Geometry(1, 1), time_window_us=1)
    with pytest.raises(InvalidValueError, match="at least 1"):
        to_frame(events, geometry, n_event_bins=0)


def test_voxel_grid_equals_tonic_between_its_points(make_events, geometry, tonic):
    """Tonic's grid of n - 1 bins has the points of ours of n, but for the last, where its events are lost."""
    events = make_events(400, 10_000)
    signed = to_tonic(events).astype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
    theirs = tonic.to_voxel_grid_numpy(signed, (24, 18, 2), n_time_bins=9)
    ours = to_voxel_grid(events, geometry, n_time_bins=10)
    assert ours.shape == (10, 1, 18, 24)
    np.testing.assert_allclose(ours[:9], theirs, atol=1e-5)
    assert theirs.sum() != pytest.approx(ours.sum(), abs=0.5)


def test_voxel_grid_counts_off_as_minus_one_where_tonic_counts_booleans_as_on(tonic):
    events = one_pixel([0, 1, 2, 3], on=False)
    assert tonic.to_voxel_grid_numpy(to_tonic(events), (1, 1, 2), n_time_bins=2).sum() > 0
    assert to_voxel_grid(events, Geometry(1, 1), n_time_bins=2).sum() == pytest.approx(-4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(0, 60))
def test_voxel_grid_conserves_signs(seed, n_time_bins, n_events):
    rng = np.random.default_rng(seed)
    column = rng.integers(0, 3, n_events).astype(np.uint16)
    events = EventBatch(np.sort(rng.integers(0, 50, n_events)), column, column, rng.random(n_events) < 0.5)
    grid = to_voxel_grid(events, Geometry(3, 3), n_time_bins=n_time_bins)
    signs = 2 * int(events.p.sum()) - n_events
    assert grid.sum() == pytest.approx(signs, abs=1e-4)
    reused = to_voxel_grid(events, Geometry(3, 3), n_time_bins=n_time_bins, out=np.full_like(grid, 9))
    assert np.array_equal(reused, grid)


@given(
    st.lists(st.integers(0, 2**40), min_size=1, max_size=40).map(sorted) | st.lists(st.integers(0, 9)).map(sorted),
    st.integers(1, 12),
)
def test_voxel_grid_equals_its_formula_for_any_span(times_us, n_time_bins):
    events = one_pixel(times_us)
    expected = np.zeros(n_time_bins)
    for t in times_us:
        position = (n_time_bins - 1) * (t - times_us[0]) / max(1, times_us[-1] - times_us[0])
        point = min(int(position), n_time_bins - 1)
        expected[point] += 1 - (position - point)
        expected[min(point + 1, n_time_bins - 1)] += position - point
    grid = to_voxel_grid(events, Geometry(1, 1), n_time_bins=n_time_bins)
    np.testing.assert_allclose(grid.ravel(), expected, atol=1e-4)


def test_voxel_grid_of_a_microsecond_is_exact_for_a_clock_that_counts_since_1970():
    start_us = 1_605_537_493_718_345
    grid = to_voxel_grid(one_pixel([start_us, start_us + 1, start_us + 3]), Geometry(1, 1), n_time_bins=7)
    assert grid.ravel().tolist() == [1, 0, 1, 0, 0, 0, 1]


def test_voxel_grid_of_very_many_events_at_one_pixel_does_not_overflow():
    n = 700_000
    times_us = np.repeat([0, 500, 1000], [1, n, 1])
    grid = to_voxel_grid(one_pixel(times_us, on=False), Geometry(1, 1), n_time_bins=3)
    assert grid.ravel().tolist() == [-1, -n, -1]


def test_event_rate_of_a_steady_stream_is_its_rate():
    assert event_rate(one_pixel(range(0, 10_000, 10)), time_window_us=1_000, last="half").tolist() == [100_000.0] * 10
    assert event_rate(EventBatch.empty(), time_window_us=1_000).tolist() == []
