"""Picks the stretch of a recording that a picture shows, without reading more than it must."""

from __future__ import annotations

from dataclasses import dataclass

from hil.errors import InputError
from hil.ports import EventSource
from hil.progress import OnProgress, ignore_progress
from hil.types import EventBatch, Geometry

__all__ = ["LONGEST_US", "MOST_EVENTS", "Stretch", "read_stretch"]

LONGEST_US = 10_000_000  # shown when nobody says where to stop
MOST_EVENTS = 20_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Part of a recording.

    Attributes:
        events: Its events.
        geometry: Size of the sensor.
        first_us: Time of the recording's first event.
        start_us: Beginning of the stretch.
        end_us: End of the stretch, exclusive.
        cut: Why the recording goes on after the stretch although nobody asked to stop there; or nothing.
    """

    events: EventBatch
    geometry: Geometry
    first_us: int
    start_us: int
    end_us: int
    cut: str = ""


def read_stretch(
    source: EventSource, *, from_us: int | None, to_us: int | None, on_progress: OnProgress = ignore_progress
) -> Stretch:
    """Read the events from one time to another.

    Times are stream times, as ``hil info`` shows them; a time before the first event counts from the first event, so
    that 0 is where a recording starts even if its clock shows the microseconds since 1970. In a recording that starts
    before 0 they are always stream times.

    Args:
        source: A recording.
        from_us: Beginning; None is the first event.
        to_us: End, exclusive; None is the end of the recording, but at most ten seconds on.
        on_progress: Called with the events kept so far; their total is not known.

    Raises:
        InputError: There are no events in the stretch.
    """
    first_us: int | None = None
    last_us = start_us = end_us = 0
    kept: list[EventBatch] = []
    n_events, cut = 0, ""
    for batch in source:
        if first_us is None:
            first_us = int(batch.t[0])
            start_us = first_us if from_us is None else _absolute(from_us, first_us)
            end_us = start_us + LONGEST_US if to_us is None else _absolute(to_us, first_us)
        last_us = int(batch.t[-1])
        kept.append(batch.between(start_us, end_us)[: MOST_EVENTS - n_events])
        n_events += len(kept[-1])
        on_progress(n_events, 0)
        if last_us >= end_us or n_events >= MOST_EVENTS:
            cut = "" if to_us is not None and n_events < MOST_EVENTS else "it goes on"
            break
    events = EventBatch.concatenate([batch for batch in kept if len(batch)])
    if first_us is None or not len(events):
        message = _nothing(first_us, last_us, start_us, end_us)
        raise InputError(message)
    shown_end_us = end_us if to_us is not None and n_events < MOST_EVENTS else int(events.t[-1]) + 1
    return Stretch(events, source.geometry, first_us, start_us, shown_end_us, cut)


def _absolute(time_us: int, first_us: int) -> int:
    return time_us if time_us >= first_us or first_us < 0 else first_us + time_us


def _nothing(first_us: int | None, last_us: int, start_us: int, end_us: int) -> str:
    if first_us is None:
        return "the recording has no events to show"
    return (
        f"no events between {start_us} us and {end_us} us; the recording starts at {first_us} us, and was read up to "
        f"{last_us} us"
    )
