"""What every recording in a file shares: reading again from the start, whole or in batches, and its account of loss."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from weakref import WeakSet

from hil.errors import DamagedFileError, FormatError, InputError
from hil.types import EventBatch, Geometry, Loss
from sensors.formats.account import LossAccount
from sensors.formats.sink import Sink

__all__ = ["Decode", "FileRecording", "Layout", "Steps"]

Steps: TypeAlias = Generator[int, None, None]
Decode: TypeAlias = Callable[[Sink], Steps]
"""Reads a file from its start and commits events to the sink; each step yields the byte it has come to."""

OUTSIDE = "outside the sensor"
BATCH_EVENTS = 1 << 16
SPARE_EVENTS = 1 << 13  # for those that wait for the next batch
MOST_EXPECTED_EVENTS = 1 << 26


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known of a recording before its events are read.

    Attributes:
        format: Name of the format.
        geometry: Size of the sensor.
        expected_events: About how many events there are, or 0; saves copying when the whole file is read.
        reorder_us: How late an event may be and still count as sound; it is put in order.
        assumed: What the file does not say and we took for granted, a sentence a line; or nothing.
        start_us: Added to every time in the file.
        resizable: Whether options ``width`` and ``height`` overrule what the file says.
    """

    format: str
    geometry: Geometry
    expected_events: int = 0
    reorder_us: int = 0
    assumed: str = ""
    start_us: int = 0
    resizable: bool = False


class FileRecording:
    """A recording in a file; every iteration starts at its beginning with a file handle of its own.

    Attributes:
        path: The file.
        format: Name of its format.
        geometry: Size of the sensor.
        assumed: What the file does not say and we took for granted, a sentence a line; or nothing.
        file_bytes: Size of the file.
        bytes_read: How far the latest reading has come.
    """

    def __init__(self, path: Path, layout: Layout, decode: Decode, *, salvage: bool) -> None:
        self.path = path
        self.format = layout.format
        self.geometry = layout.geometry
        self.assumed = layout.assumed
        self.file_bytes = path.stat().st_size
        self.bytes_read = 0
        self._layout = layout
        self._decode = decode
        self._salvage = salvage
        self._account = LossAccount()
        self._steps: WeakSet[Steps] = WeakSet()
        self._closed = False

    def __iter__(self) -> Iterator[EventBatch]:
        """Yield time-ordered, non-empty batches."""
        sink, steps = self._start(BATCH_EVENTS + SPARE_EVENTS)
        for self.bytes_read in steps:
            if len(sink) >= BATCH_EVENTS // 2:
                yield from sink.batches()
        yield from sink.batches(final=True)

    def read(self) -> EventBatch:
        """Return every event in one batch, decoded straight into its columns."""
        if self._salvage:
            return EventBatch.concatenate(list(self))
        sink, steps = self._start(min(self._layout.expected_events, MOST_EXPECTED_EVENTS) or BATCH_EVENTS)
        for self.bytes_read in steps:
            pass
        return next(sink.batches(final=True), EventBatch.empty())

    @property
    def lost(self) -> Loss | None:
        """What salvage could not read so far in the latest reading; None for a sound file."""
        return self._account.loss()

    def close(self) -> None:
        """Release every open reading; may be called twice."""
        self._closed = True
        for steps in list(self._steps):
            steps.close()
        self._steps.clear()

    def _named(self, steps: Steps) -> Steps:
        """Put the file's name into what is wrong with it, and the size of the sensor where an event lies outside."""
        try:
            yield from steps
        except DamagedFileError as error:
            message = error.message
            if OUTSIDE in message:
                size = f"{OUTSIDE} of {self.geometry.width} x {self.geometry.height}"
                remedy = "; say its true size with width and height" if self._layout.resizable else ""
                message = message.replace(OUTSIDE, size) + remedy
            raise type(error)(message, offset_bytes=error.offset_bytes).in_file(self.path) from error
        except FormatError as error:
            raise error.in_file(self.path) from error

    def _start(self, capacity: int) -> tuple[Sink, Steps]:
        if self._closed:
            message = f"recording {self.path} is closed; open it again to read it"
            raise InputError(message)
        self._account = LossAccount()
        sink = Sink(
            self._account,
            salvage=self._salvage,
            capacity=capacity,
            reorder_us=self._layout.reorder_us,
            start_us=self._layout.start_us,
        )
        steps = self._named(self._decode(sink))
        self._steps.add(steps)
        return sink, steps
