"""The sink hands out every sound event once, in order, whatever order it got them in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hil.types import EventBatch
from sensors.formats.account import MAX_SPANS, LossAccount
from sensors.formats.kernels.order import first_backwards, longest_ordered, settle
from sensors.formats.sink import EARLIEST_US, Sink

TIMES = npst.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 30))


def fill(sink: Sink, t: np.ndarray, first: int = 0, *, in_order: bool = True) -> None:
    """Commit events whose column is their number, two bytes each."""
    room = sink.room(len(t))
    n = len(t)
    room.t[:n] = t
    room.x[:n] = np.arange(first, first + n)
    room.y[:n] = 0
    room.p[:n] = True
    if sink.salvage:
        room.offset[:n] = 2 * np.arange(first, first + n)
        room.end[:n] = room.offset[:n] + 2
    sink.commit(n, in_order=in_order)


def longest_by_table(t: np.ndarray) -> int:
    best = [0] * len(t)
    for i in range(len(t)):
        best[i] = 1 + max((best[j] for j in range(i) if t[j] <= t[i]), default=0)
    return max(best, default=0)


@given(TIMES)
def test_longest_ordered_keeps_as_many_as_a_table_of_all_choices(t: np.ndarray) -> None:
    keep = longest_ordered(t, 0)
    assert first_backwards(t[keep], EARLIEST_US) == -1
    assert int(keep.sum()) == longest_by_table(t)


@given(TIMES, st.integers(0, 30))
def test_longest_ordered_keeps_nothing_below_the_floor(t: np.ndarray, floor_us: int) -> None:
    assert np.all(t[longest_ordered(t, floor_us)] >= floor_us)


@given(TIMES)
def test_settled_times_step_back_only_where_it_matters(t: np.ndarray) -> None:
    steps = np.diff(settle(t, 5))
    assert np.all((steps >= 0) | (steps < -5))


@given(st.lists(TIMES, max_size=6))
def test_salvaging_sink_keeps_or_accounts_for_every_event(parts: list[np.ndarray]) -> None:
    account = LossAccount()
    sink = Sink(account, salvage=True, capacity=4)
    batches, first = [], 0
    for part in parts:
        fill(sink, part, first)
        first += len(part)
        batches += list(sink.batches())
    batches += list(sink.batches(final=True))
    read = EventBatch.concatenate(batches)  # refuses batches that go back
    loss = account.loss()
    assert len(read) + (loss.events or 0 if loss else 0) == first
    assert 2 * len(read) + (loss.as_document()["bytes"] if loss else 0) == 2 * first
    assert len(read) == longest_by_table(np.concatenate([*parts, np.empty(0, np.int64)]))


def test_salvaging_sink_in_many_chunks_loses_only_the_wild_times() -> None:
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, 10**6, 60_000))
    wild = rng.choice(60_000, 300, replace=False)
    stored = t.copy()
    stored[wild] = rng.integers(0, 2**40, 300)
    account = LossAccount()
    sink = Sink(account, salvage=True, capacity=4)
    batches = []
    for start in range(0, 60_000, 7_000):
        fill(sink, stored[start : start + 7_000], start)
        batches += list(sink.batches())
    read = EventBatch.concatenate(batches + list(sink.batches(final=True)))
    assert len(read) >= 60_000 - 300
    assert not set(read.x.tolist()).intersection(
        np.delete(np.arange(60_000), [])[wild][stored[wild] > 2 * 10**6] % 65536
    )


@given(
    st.lists(npst.arrays(np.int64, st.integers(0, 40), elements=st.integers(-8, 8)), max_size=5), st.integers(1, 100)
)
def test_strict_sink_puts_late_events_in_order_and_loses_none(jitters: list[np.ndarray], step_us: int) -> None:
    sink = Sink(LossAccount(), salvage=False, capacity=4, reorder_us=16)
    batches, first, all_t = [], 0, []
    for jitter in jitters:
        t = 100 + step_us * np.arange(first, first + len(jitter)) + jitter
        fill(sink, t, first, in_order=False)
        first += len(jitter)
        all_t.append(t)
        batches += list(sink.batches())
    read = EventBatch.concatenate(batches + list(sink.batches(final=True)))
    expected = np.concatenate([*all_t, np.empty(0, np.int64)])
    order = np.argsort(expected, kind="stable")
    np.testing.assert_array_equal(read.t, expected[order])
    np.testing.assert_array_equal(read.x, order)


def test_account_joins_neighbours_and_stays_small() -> None:
    account = LossAccount()
    account.add(10, 5, "a", events=1)
    account.add(15, 5, "a", events=2)
    account.add(20, 5, "b", events=None)
    loss = account.loss()
    assert loss is not None
    assert loss.spans == ((10, 10, "a"), (20, 5, "b"))
    assert loss.events is None
    for i in range(3 * MAX_SPANS):
        account.add(100 + 10 * i, 1, "c", events=0)
    loss = account.loss()
    assert loss is not None
    assert len(loss.spans) == MAX_SPANS + 1
    assert loss.as_document()["bytes"] == 15 + 3 * MAX_SPANS


def test_account_when_nothing_is_lost_is_none() -> None:
    assert LossAccount().loss() is None
