"""Windows tile the stream, lose nothing but what the last-window rule says, and do not depend on the chunks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InvalidValueError
from hil.types import EventBatch
from sensors.windows import count_windows, time_windows

RULES = ("keep", "drop", "half")


def events_at(times_us):
    n = len(times_us)
    column = np.arange(n, dtype=np.uint16)
    return EventBatch(np.array(times_us, np.int64), column, column, np.arange(n) % 2 == 0)


def chunked(batch, cuts):
    borders = [0, *sorted(min(cut, len(batch)) for cut in cuts), len(batch)]
    return [batch[a:b] for a, b in itertools.pairwise(borders)]


times = st.lists(st.integers(0, 500), max_size=60).map(sorted)
cut_points = st.lists(st.integers(0, 60), max_size=5)


def described(windows):
    return [(w.start_us, w.end_us, w.events.t.tolist(), w.events.x.tolist()) for w in windows]


@given(times, cut_points, st.integers(1, 120), st.sampled_from(RULES), st.sampled_from(["yield", "skip"]))
def test_time_windows_do_not_depend_on_chunks(times_us, cuts, window_us, last, empty):
    batch = events_at(times_us)
    whole = time_windows([batch], window_us, last=last, empty=empty)
    parts = time_windows(chunked(batch, cuts), window_us, last=last, empty=empty)
    assert described(whole) == described(parts)


@given(times, st.integers(1, 120))
def test_time_windows_tile_the_stream_and_keep_every_event(times_us, window_us):
    windows = list(time_windows([events_at(times_us)], window_us, last="keep"))
    assert [t for w in windows for t in w.events.t.tolist()] == times_us
    assert all(w.end_us - w.start_us == window_us for w in windows)
    assert all(a.end_us == b.start_us for a, b in itertools.pairwise(windows))
    assert all(((w.events.t >= w.start_us) & (w.events.t < w.end_us)).all() for w in windows)
    if times_us:
        assert windows[0].start_us == times_us[0]


@given(times, st.integers(1, 120), st.sampled_from(RULES))
def test_skipping_empty_windows_leaves_exactly_those_with_events(times_us, window_us, last):
    batch = events_at(times_us)
    every = time_windows([batch], window_us, last=last)
    filled = time_windows([batch], window_us, last=last, empty="skip")
    assert described(w for w in every if len(w.events)) == described(filled)


@pytest.mark.parametrize(
    ("last_event_us", "last", "n_windows"),
    [
        (249, "keep", 3),
        (249, "half", 3),  # 200..249 inclusive covers 50 of 100 us
        (248, "half", 2),
        (298, "drop", 2),
        (299, "drop", 3),  # covers its window to the last microsecond
        (200, "keep", 3),
    ],
)
def test_last_time_window_when_partial_follows_the_rule(last_event_us, last, n_windows):
    windows = list(time_windows([events_at([0, 150, last_event_us])], 100, last=last))
    assert len(windows) == n_windows


@given(times, cut_points, st.integers(1, 120), st.sampled_from(RULES), st.sampled_from(["yield", "skip"]))
def test_events_in_windows_and_events_left_out_are_all_there_are(times_us, cuts, size, last, empty):
    parts = chunked(events_at(times_us), cuts)
    left_out = []
    timed = list(time_windows(parts, size, last=last, empty=empty, on_left_out=left_out.append))
    assert sum(len(w.events) for w in timed) + sum(left_out) == len(times_us)
    counted_out = []
    counted = list(count_windows(parts, size, last=last, on_left_out=counted_out.append))
    assert sum(len(w.events) for w in counted) + sum(counted_out) == len(times_us)
    assert max(len(left_out), len(counted_out)) <= (last != "keep")
    assert all(n > 0 for n in left_out + counted_out)


@pytest.mark.parametrize("last", RULES)
def test_recording_shorter_than_a_window_is_kept(last):
    assert len(list(time_windows([events_at([5, 6])], 1000, last=last))) == 1
    assert len(list(count_windows([events_at([5, 6])], 1000, last=last))) == 1


@pytest.mark.parametrize("make", [time_windows, count_windows])
def test_stream_without_events_has_no_windows(make):
    assert list(make([EventBatch.empty()], 10, last="keep")) == []
    assert list(make([], 10, last="keep")) == []


def test_skipping_costs_nothing_when_time_jumps_far_ahead():
    windows = list(time_windows([events_at([0, 2**60])], 10, empty="skip", last="keep"))
    assert [w.start_us for w in windows] == [0, 2**60 // 10 * 10]


@given(times, cut_points, st.integers(1, 20), st.sampled_from(RULES))
def test_count_windows_hold_their_count_and_do_not_depend_on_chunks(times_us, cuts, n_events, last):
    batch = events_at(times_us)
    windows = list(count_windows([batch], n_events, last=last))
    assert described(windows) == described(count_windows(chunked(batch, cuts), n_events, last=last))
    assert all(len(w.events) == n_events for w in windows[:-1])
    kept = [t for w in windows for t in w.events.t.tolist()]
    left = len(times_us) - len(kept)
    assert kept == times_us[: len(kept)]
    assert left < {"keep": 1, "half": (n_events + 1) // 2, "drop": n_events}[last] or not left


@pytest.mark.parametrize("make", [time_windows, count_windows])
def test_windows_refuse_a_size_below_one_and_an_unknown_rule(make):
    with pytest.raises(InvalidValueError, match="at least 1"):
        make([], 0)
    with pytest.raises(InvalidValueError, match="keep, drop or half"):
        make([], 5, last="maybe")
