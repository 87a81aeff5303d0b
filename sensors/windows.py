"""Cuts a stream of events into windows of equal time or equal count, holding no more than one window in memory.

Windows start at the first event. Time windows tile the stream from there without gaps or overlap; what becomes of the
stretch after the last full window is the caller's stated choice (``hil.network.FeatureSpec.last_window``):

``keep``
    It becomes a window.
``drop``
    It is left out.
``half``
    It becomes a window when it covers at least half of one: half the time, from the window's start to the last event
    inclusive, or half the count.

A recording shorter than one window is always kept, whatever the choice. How many events the choice leaves out is said
to ``on_left_out``, so that an account can state it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hil.errors import InvalidValueError
from hil.network import LastWindow
from hil.types import EventBatch

__all__ = ["OnLeftOut", "TimeWindows", "Window", "count_windows", "time_windows"]

OnLeftOut: TypeAlias = Callable[[int], None]
"""Told at the end of the stream how many events of its last stretch became no window, if any."""


def _ignore(_n_events: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of a stream.

    Attributes:
        start_us: Its beginning, inclusive.
        end_us: Its end, exclusive: the moment it is complete. The last time window ends where it would have ended,
            had the stream gone on.
        events: The events with ``start_us <= t < end_us`` (of a count window: those it counts).
    """

    start_us: int
    end_us: int
    events: EventBatch


@dataclass(frozen=True, slots=True)
class TimeWindows:
    """The windows of a source, as something that can be iterated again; see ``time_windows``.

    Attributes:
        source: A source, or a list of batches.
        window_us: Length of every window.
        last: What becomes of the stretch after the last full window.
        empty: Whether windows without events are yielded or skipped.
    """

    source: Iterable[EventBatch]
    window_us: int
    last: LastWindow = "half"
    empty: Literal["yield", "skip"] = "yield"

    def __post_init__(self) -> None:
        """Refuse what ``time_windows`` refuses."""
        _check(self.window_us, "us", self.last)

    def __iter__(self) -> Iterator[Window]:
        """Cut the source from its start."""
        return time_windows(self.source, self.window_us, last=self.last, empty=self.empty)


def time_windows(
    batches: Iterable[EventBatch],
    window_us: int,
    *,
    last: LastWindow = "half",
    empty: Literal["yield", "skip"] = "yield",
    on_left_out: OnLeftOut = _ignore,
) -> Iterator[Window]:
    """Yield windows of equal length that tile the stream from its first event.

    Args:
        batches: A source, or batches in time order.
        window_us: Length of every window.
        last: What becomes of the stretch after the last full window.
        empty: Whether windows without events are yielded or skipped. A stream that jumps far ahead has as many empty
            windows as the jump is long; skipping them costs nothing.
        on_left_out: Called at the end with the events that ``last`` leaves out.

    Raises:
        InvalidValueError: The window is not at least one microsecond long, or ``last`` is unknown.
    """
    _check(window_us, "us", last)
    return _time_windows(batches, window_us, last, on_left_out, skip=empty == "skip")


def _time_windows(
    batches: Iterable[EventBatch], window_us: int, last: LastWindow, on_left_out: OnLeftOut, *, skip: bool
) -> Iterator[Window]:
    held: list[EventBatch] = []
    first_us = start_us = None
    for batch in batches:
        rest = batch
        if start_us is None and len(rest):
            first_us = start_us = int(rest.t[0])
        while start_us is not None and len(rest) and rest.t[-1] >= start_us + window_us:
            end_us = start_us + window_us
            inside = rest.between(start_us, end_us)
            window = Window(start_us, end_us, _join([*held, inside]))
            rest, held = rest[len(inside) :], []
            if len(window.events) or not skip:
                yield window
            start_us = _next_start(end_us, int(rest.t[0]), window_us) if skip else end_us
        held.append(rest)
    events = _join(held)
    if start_us is not None and len(events):
        covered_us = int(events.t[-1]) + 1 - start_us
        if start_us == first_us or _is_kept(covered_us, window_us, last):
            yield Window(start_us, start_us + window_us, events)
        else:
            on_left_out(len(events))


def _next_start(end_us: int, next_event_us: int, window_us: int) -> int:
    return end_us + (next_event_us - end_us) // window_us * window_us


def count_windows(
    batches: Iterable[EventBatch], n_events: int, *, last: LastWindow = "half", on_left_out: OnLeftOut = _ignore
) -> Iterator[Window]:
    """Yield windows of equally many events; each ends one microsecond after its last event.

    Args:
        batches: A source, or batches in time order.
        n_events: Events in every window.
        last: What becomes of the events after the last full window.
        on_left_out: Called at the end with the events that ``last`` leaves out.

    Raises:
        InvalidValueError: The window does not hold at least one event, or ``last`` is unknown.
    """
    _check(n_events, "events", last)
    return _count_windows(batches, n_events, last, on_left_out)


def _count_windows(
    batches: Iterable[EventBatch], n_events: int, last: LastWindow, on_left_out: OnLeftOut
) -> Iterator[Window]:
    held: list[EventBatch] = []
    n_held = n_windows = 0
    for batch in batches:
        rest = batch
        while n_held + len(rest) >= n_events:
            taken = n_events - n_held
            yield _counted(_join([*held, rest[:taken]]))
            rest, held, n_held, n_windows = rest[taken:], [], 0, n_windows + 1
        held.append(rest)
        n_held += len(rest)
    if n_held and (n_windows == 0 or _is_kept(n_held, n_events, last)):
        yield _counted(_join(held))
    elif n_held:
        on_left_out(n_held)


def _counted(events: EventBatch) -> Window:
    return Window(int(events.t[0]), int(events.t[-1]) + 1, events)


def _join(batches: list[EventBatch]) -> EventBatch:
    filled = [batch for batch in batches if len(batch)]
    return filled[0] if len(filled) == 1 else EventBatch.concatenate(filled)


def _is_kept(covered: int, full: int, last: LastWindow) -> bool:
    if last == "half":
        return 2 * covered >= full
    return last == "keep" or covered >= full


def _check(size: int, unit: str, last: LastWindow) -> None:
    if size < 1:
        message = f"a window must hold at least 1 {unit}, but got {size}"
        raise InvalidValueError(message)
    if last not in ("keep", "drop", "half"):
        message = f"the last window is keep, drop or half, but got {last!r}"
        raise InvalidValueError(message)
