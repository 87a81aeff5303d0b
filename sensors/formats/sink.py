"""Where decoders put events: growing columns that become batches, in order of time whatever the file says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hil.types import BoolArray, EventBatch, Int64Array, UInt16Array
from sensors.formats.account import LossAccount
from sensors.formats.memory import reused
from sensors.formats.verdicts import REASONS, TIME_BACK

__all__ = ["EARLIEST_US", "Columns", "Sink"]

EARLIEST_US = int(np.iinfo(np.int64).min) // 2  # far before any time, with room to subtract from
EVENT_BYTES = (8, 2, 2, 1)  # of a time, column, row and polarity
LINE_BYTES = 64
HELD_BACK = 4096  # events of a salvaged stretch that wait for what follows before anyone judges their times


class Columns(NamedTuple):
    """Space for events, one column each.

    ``offset`` and ``end`` are the bytes that each event takes in the file; they are empty when nobody asks.
    """

    t: Int64Array
    x: UInt16Array
    y: UInt16Array
    p: BoolArray
    offset: Int64Array
    end: Int64Array

    @classmethod
    def of(cls, capacity: int, *, with_offsets: bool) -> Columns:
        """Return uninitialised columns for at least that many, in memory that is used again."""
        capacity = -(-capacity // LINE_BYTES) * LINE_BYTES  # every column starts a line of the cache
        memory, starts = reused(capacity * sum(EVENT_BYTES)), np.cumsum((0, *EVENT_BYTES)) * capacity
        t, x, y, p = (memory[start:stop] for start, stop in pairwise(starts))
        n_offsets = capacity if with_offsets else 0
        return cls(
            t.view(np.int64),
            x.view(np.uint16),
            y.view(np.uint16),
            p.view(np.bool_),
            np.empty(n_offsets, np.int64),
            np.empty(n_offsets, np.int64),
        )

    def part(self, start: int, stop: int) -> Columns:
        """Return a stretch as views."""
        t, x, y, p, offset, end = self  # one by one, because this is done for every few kilobytes of a file
        return Columns(t[start:stop], x[start:stop], y[start:stop], p[start:stop], offset[start:stop], end[start:stop])

    def take_over(self, events: Columns) -> None:
        """Copy events to the start of these columns; the two may overlap."""
        for name in self._fields:
            theirs = getattr(events, name)
            getattr(self, name)[: len(theirs)] = theirs

    def pick(self, choice: BoolArray | Int64Array) -> Columns:
        """Return some of the events, in the order of the choice."""
        return Columns(*(column[choice] if column.size else column for column in self))  # type: ignore[arg-type]

    def share(self, start: int, stop: int, n_events: int) -> None:
        """Give the first events equal shares of a stretch of the file, where they have no bytes of their own."""
        shares = start + np.arange(n_events + 1) * (stop - start) // max(n_events, 1)
        self.offset[:n_events], self.end[:n_events] = shares[:-1], shares[1:]

    def batch(self) -> EventBatch:
        """Return the events as a batch, trusting their order."""
        return EventBatch.unchecked(self.t, self.x, self.y, self.p)


class Sink:
    """Takes decoded events and hands out batches.

    A decoder asks for room, fills it and commits what it filled. In strict reading it must refuse any event that is
    more than ``reorder_us`` earlier than the latest one; events that are less late are put in order here. In salvage
    it commits events as stored, with their offsets, and the sink keeps a longest ordered choice and accounts for the
    rest; the last few thousand wait until it is known what follows them.

    Args:
        account: Takes what is dropped.
        salvage: Whether events may come out of order.
        capacity: Events to make room for at the start; a good guess saves copying.
        reorder_us: How late an event may be and still count as sound.
        start_us: Added to every time that is handed out.
    """

    def __init__(
        self, account: LossAccount, *, salvage: bool, capacity: int, reorder_us: int = 0, start_us: int = 0
    ) -> None:
        self.account = account
        self.salvage = salvage
        self.reorder_us = reorder_us
        self.last_us = EARLIEST_US
        self._start_us = start_us
        self._columns = Columns.of(capacity, with_offsets=salvage)
        self._filled = 0
        self._emitted_us = EARLIEST_US
        self._in_order = True

    def __len__(self) -> int:
        """Return the number of committed events not yet handed out."""
        return self._filled

    def room(self, n_events: int) -> Columns:
        """Return free columns of at least ``n_events``."""
        needed = self._filled + n_events
        if needed > len(self._columns.t):
            bigger = Columns.of(max(needed, 2 * self._filled), with_offsets=self.salvage)
            bigger.take_over(self._columns.part(0, self._filled))
            self._columns = bigger
        return self._columns.part(self._filled, len(self._columns.t))

    def commit(self, n_events: int, *, in_order: bool = True) -> None:
        """Accept the first ``n_events`` of the room as events; say so if some are late."""
        self._filled += n_events
        self._in_order &= in_order
        if n_events:
            self.last_us = int(self._columns.t[self._filled - 1])

    def batches(self, *, final: bool = False) -> Iterator[EventBatch]:
        """Hand out what is ready, as one batch or none; ``final`` when the file is at its end."""
        in_order = self._in_order and not self.salvage
        batch = self._take_sound(final=final) if in_order else self._take_ordered(final=final)
        if len(batch):
            yield EventBatch.unchecked(batch.t + self._start_us, batch.x, batch.y, batch.p) if self._start_us else batch

    def _take_sound(self, *, final: bool) -> EventBatch:
        events = self._columns.part(0, self._filled)
        ready = self._filled
        if self.reorder_us and not final and ready:
            ready = int(np.searchsorted(events.t, events.t[-1] - self.reorder_us, side="right"))
        self._restart(events.part(ready, self._filled), final=final)
        return events.part(0, ready).batch()

    def _restart(self, kept: Columns, *, final: bool) -> None:
        """Start anew with events that wait; the old columns belong to the batch that was handed out."""
        self._columns = Columns.of(0 if final else len(self._columns.t), with_offsets=self.salvage)
        self._columns.take_over(kept)
        self._filled = len(kept.t)

    def _take_ordered(self, *, final: bool) -> EventBatch:
        events = self._columns.part(0, self._filled)
        settled = np.ones(self._filled, np.bool_)
        if self.salvage and not final:
            settled[-HELD_BACK:] = False
        keep = self._choose(events.t)
        ready = settled & keep
        if not final and self.reorder_us and ready.any():
            ready &= events.t <= int(events.t[ready].max()) - self.reorder_us
        self._drop(events.pick(settled & ~keep))
        emitted = events.pick(ready)
        if _backwards(emitted.t, EARLIEST_US):
            emitted = emitted.pick(np.argsort(emitted.t, kind="stable"))
        if len(emitted.t):
            self._emitted_us = int(emitted.t[-1])
        self._restart(events.pick(~ready & (keep | ~settled)), final=final)
        self._in_order = not _backwards(self._columns.t[: self._filled], EARLIEST_US)
        return emitted.batch()

    def _choose(self, t: Int64Array) -> BoolArray:
        """Mark the events to keep: all of a sound stretch, a longest ordered choice of a salvaged one."""
        if not self.salvage or not _backwards(t, self._emitted_us):
            return np.ones(len(t), np.bool_)
        from sensors.formats.kernels.order import longest_ordered, settle

        settled_us = settle(t, self.reorder_us) if self.reorder_us else t
        return longest_ordered(settled_us, self._emitted_us)

    def _drop(self, events: Columns) -> None:
        breaks = np.flatnonzero(events.offset[1:] > events.end[:-1]) + 1
        for run, stops in zip(np.split(events.offset, breaks), np.split(events.end, breaks), strict=True):
            if run.size:
                self.account.add(int(run[0]), int(stops[-1] - run[0]), REASONS[TIME_BACK], events=run.size)


def _backwards(t: Int64Array, floor_us: int) -> bool:
    from sensors.formats.kernels.order import first_backwards

    return bool(first_backwards(t, floor_us) >= 0)
