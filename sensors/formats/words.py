"""Streams the headerless part of raw recordings, chunk by chunk, through a compiled loop, with damage in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError
from hil.types import Int64Array
from sensors.formats.recording import Steps
from sensors.formats.sink import Sink
from sensors.formats.verdicts import LATE, REASONS, SOUND

__all__ = ["Kernel", "WordStream"]

Kernel: TypeAlias = Callable[..., tuple[int, int, int, int]]
"""``kernel(words, base, limits, state, room, marks) -> (consumed, filled, marked, verdict)``.

It fills the room's columns from the words until either runs out. With an empty ``offset`` it stops before the first
damaged word and says why; otherwise it steps over damage and marks it as rows of first byte, byte after, reason and
events (-1 unknown), until the marks are full. ``base`` is the byte offset of the first word and
``state`` what the loop remembers.
"""

CHUNK_BYTES = 1 << 20  # enough that calls between pieces of a file do not count
MARKS = 1 << 12
LONGEST_REST = 1 << 13  # more than any loop leaves over
PAGE_BYTES = 4096


def _no_complaint(_state: Int64Array) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class WordStream:
    """Words of one size from ``start`` to the end of a file.

    Attributes:
        path: The file.
        start: Byte offset of the first word.
        dtype: Of a word.
        kernel: Imports and returns the compiled loop.
        limits: What the loop checks against, as it documents.
        state: What the loop remembers before the first word.
        bytes_per_event: What an event takes, or about that.
        events_per_word: Most events one word can hold.
        events_when_cut: How many events an incomplete last word held; -1 unknown.
        ending: Bytes to read on after the last of the file.
        complaint: Says from the final state what is wrong with the file as a whole, or nothing.
    """

    path: Path
    start: int
    dtype: npt.DTypeLike
    kernel: Callable[[], Kernel]
    limits: tuple[int, ...]
    state: tuple[int, ...]
    bytes_per_event: int
    events_per_word: int = 1
    events_when_cut: int = -1
    ending: bytes = b""
    complaint: Callable[[Int64Array], str] = _no_complaint

    def decode(self, sink: Sink) -> Steps:
        """Commit every word's events; raise at damage, or step over it in salvage."""
        feed = _Feed(self, sink)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            while read := file.readinto(feed.space):
                yield feed.take(read)
        if self.ending:
            feed.space[: len(self.ending)] = self.ending
            yield feed.take(len(self.ending))
        feed.finish()


def _paged(n_bytes: int) -> npt.NDArray[np.uint8]:
    """Return memory that starts at a page: some processors copy a file to elsewhere five times more slowly."""
    memory = np.empty(n_bytes + PAGE_BYTES, np.uint8)
    start = -memory.ctypes.data % PAGE_BYTES
    return memory[start : start + n_bytes]


class _Feed:
    """One pass over the words: a buffer, and what the loop remembers.

    The file is read to a fixed place in the buffer, and what the loop left over is moved to right before it.
    """

    def __init__(self, stream: WordStream, sink: Sink) -> None:
        self._stream = stream
        self._sink = sink
        self._kernel = stream.kernel()
        self._state = np.array(stream.state, np.int64)
        self._limits = np.array(stream.limits, np.int64)
        self._marks = np.empty((MARKS if sink.salvage else 0, 4), np.int64)
        self._word_bytes = np.dtype(stream.dtype).itemsize
        self._buffer = _paged(CHUNK_BYTES + 2 * LONGEST_REST)
        self._rest = 0
        self._position = stream.start

    @property
    def space(self) -> memoryview:
        """Where to put what is read next: behind what the loop left over."""
        return memoryview(self._buffer.data)[self._place : self._place + len(self._buffer) - 2 * LONGEST_REST]

    @property
    def _place(self) -> int:
        """Where the space starts: what lies before it has to start at a word."""
        return LONGEST_REST + self._rest % self._word_bytes

    def take(self, n_bytes: int) -> int:
        """Decode what was put into the space; return how far in the file that comes."""
        data = self._buffer[self._place - self._rest : self._place + n_bytes]
        words = data[: data.size // self._word_bytes * self._word_bytes].view(self._stream.dtype)
        used = self._decode(words) * self._word_bytes
        self._position += used
        self._rest = data.size - used
        self._buffer[self._place - self._rest : self._place] = data[used:]
        return self._position

    def _decode(self, words: npt.NDArray[Any]) -> int:
        used, word_bytes = 0, self._word_bytes
        while used < words.size:
            about = (words.size - used) * word_bytes // self._stream.bytes_per_event
            room = self._sink.room(max(about, self._stream.events_per_word))
            offset = self._position + used * word_bytes
            consumed, filled, marked, verdict = self._kernel(
                words[used:], offset, self._limits, self._state, room, self._marks
            )
            self._sink.commit(filled, in_order=verdict != LATE)
            if marked:
                self._sink.account.add_marks(self._marks[:marked])
            used += consumed
            if verdict > SOUND:
                raise DamagedFileError(REASONS[verdict], offset_bytes=self._position + used * word_bytes)
            if not consumed and not marked and not filled:
                break
        return used

    def finish(self) -> None:
        """Check that nothing is left and nothing is missing."""
        message = "the file ends inside an event"
        if self._rest and not self._sink.salvage:
            raise DamagedFileError(message, offset_bytes=self._position)
        if self._rest:
            events = self._stream.events_when_cut
            self._sink.account.add(self._position, self._rest, message, events=events if events >= 0 else None)
        complaint = self._stream.complaint(self._state)
        if complaint and not self._sink.salvage:
            raise DamagedFileError(complaint, offset_bytes=self._stream.start)
