"""Where decoders put events: growing columns that become batches, in order of time whatever the file says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hil.types import BoolArray, EventBatch, Int64Array, UInt16Array
from sensors.formats.account import LossAccount
from sensors.formats.verdicts import REASONS, TIME_BACK

__all__ = ["EARLIEST_US", "Columns", "Sink"]

EARLIEST_US = int(np.iinfo(np.int64).min)
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
        """Return uninitialised columns."""
        return cls(
            np.empty(capacity, np.int64),
            np.empty(capacity, np.uint16),
            np.empty(capacity, np.uint16),
            np.empty(capacity, np.bool_),
            np.empty(capacity if with_offsets else 0, np.int64),
            np.empty(capacity if with_offsets else 0, np.int64),
        )

    def part(self, start: int, stop: int) -> Columns:
        """Return a stretch as views."""
        return Columns(*(column[start:stop] for column in self))  # type: ignore[arg-type]

    def take_over(self, events: Columns) -> None:
        """Copy events to the start of these columns; the two may overlap."""
        for mine, theirs in zip(self, events, strict=True):
            column: npt.NDArray[Any] = mine
            column[: len(theirs)] = theirs


class Sink:
    """Takes decoded events and hands out batches.

    A decoder asks for room, fills it and commits what it filled. In strict reading it must commit events in order of
    time. In salvage it commits them as stored, with their offsets, and the sink keeps a longest ordered choice and
    accounts for the rest; the last few thousand wait until it is known what follows them.

    Args:
        account: Takes what is dropped.
        salvage: Whether events may come out of order.
        capacity: Events to make room for at the start; a good guess saves copying.
    """

    def __init__(self, account: LossAccount, *, salvage: bool, capacity: int) -> None:
        self.account = account
        self.salvage = salvage
        self.last_us = EARLIEST_US
        self._columns = Columns.of(capacity, with_offsets=salvage)
        self._filled = 0
        self._emitted_us = EARLIEST_US

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

    def commit(self, n_events: int) -> None:
        """Accept the first ``n_events`` of the room as events."""
        self._filled += n_events
        if n_events:
            self.last_us = int(self._columns.t[self._filled - 1])

    def batches(self, *, final: bool = False) -> Iterator[EventBatch]:
        """Hand out what is ready, as one batch or none; ``final`` when the file is at its end."""
        batch = self._take_checked(final=final) if self.salvage else self._take()
        if len(batch):
            yield batch

    def _take(self) -> EventBatch:
        columns = self._columns.part(0, self._filled)
        self._columns = Columns.of(len(self._columns.t), with_offsets=False)
        self._filled = 0
        return EventBatch.unchecked(columns.t, columns.x, columns.y, columns.p)

    def _take_checked(self, *, final: bool) -> EventBatch:
        stop = self._filled if final else max(0, self._filled - HELD_BACK)
        if not stop:
            return EventBatch.empty()
        keep = self._ordered()[:stop]
        columns = self._columns.part(0, stop)
        self._drop(columns.offset[~keep], columns.end[~keep])
        batch = EventBatch.unchecked(columns.t, columns.x, columns.y, columns.p).select(keep)
        self._columns.take_over(self._columns.part(stop, self._filled))
        self._filled -= stop
        if len(batch):
            self._emitted_us = int(batch.t[-1])
        return batch

    def _ordered(self) -> BoolArray:
        from sensors.formats.kernels.order import first_backwards, longest_ordered

        t = self._columns.t[: self._filled]
        if first_backwards(t, self._emitted_us) < 0:
            return np.ones(self._filled, np.bool_)
        return longest_ordered(t, self._emitted_us)

    def _drop(self, starts: Int64Array, ends: Int64Array) -> None:
        breaks = np.flatnonzero(starts[1:] > ends[:-1]) + 1
        for run, stops in zip(np.split(starts, breaks), np.split(ends, breaks), strict=True):
            if run.size:
                self.account.add(int(run[0]), int(stops[-1] - run[0]), REASONS[TIME_BACK], events=run.size)
