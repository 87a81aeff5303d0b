"""Streams the headerless part of raw recordings, chunk by chunk, through a compiled loop, with damage in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError
from hil.types import Int64Array
from sensors.formats.recording import Steps
from sensors.formats.sink import Sink
from sensors.formats.verdicts import REASONS, SOUND

__all__ = ["Kernel", "WordStream"]

Kernel: TypeAlias = Callable[..., tuple[int, int, int, int]]
"""``kernel(words, base, limits, state, room, marks) -> (consumed, filled, marked, verdict)``.

It fills the room's columns from the words until either runs out. With an empty ``offset`` it stops before the first
damaged word and says why; otherwise it steps over damage and marks it as rows of first byte, byte after, reason and
events (-1 unknown), until the marks are full. ``base`` is the byte offset of the first word and
``state`` what the loop remembers.
"""

CHUNK_BYTES = 1 << 20
MARKS = 1 << 12


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
    events_per_word: int = 1
    events_when_cut: int = -1
    ending: bytes = b""
    complaint: Callable[[Int64Array], str] = _no_complaint

    def decode(self, sink: Sink) -> Steps:
        """Commit every word's events; raise at damage, or step over it in salvage."""
        kernel = self.kernel()
        state = np.array(self.state, np.int64)
        limits = np.array(self.limits, np.int64)
        position, rest = self.start, b""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            for chunk in self._chunks(file):
                data = rest + chunk if rest else chunk
                used = self._feed(kernel, data, position, limits, state, sink)
                position += used
                rest = data[used:]
                yield position
        if rest:
            self._cut(position, len(rest), sink)
        complaint = self.complaint(state)
        if complaint and not sink.salvage:
            raise DamagedFileError(complaint, offset_bytes=self.start)

    def _chunks(self, file: FileIO) -> Iterator[bytes]:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
        if self.ending:
            yield self.ending

    def _feed(self, kernel: Kernel, data: bytes, base: int, limits: Int64Array, state: Int64Array, sink: Sink) -> int:
        size = np.dtype(self.dtype).itemsize
        words: npt.NDArray[Any] = np.frombuffer(data, self.dtype, count=len(data) // size)
        marks = np.empty((MARKS if sink.salvage else 0, 4), np.int64)
        used = 0
        while used < words.size:
            room = sink.room(max(words.size - used, self.events_per_word))
            consumed, filled, marked, verdict = kernel(words[used:], base + used * size, limits, state, room, marks)
            sink.commit(filled)
            used += consumed
            sink.account.add_marks(marks[:marked])
            if verdict != SOUND:
                raise DamagedFileError(REASONS[verdict], offset_bytes=base + used * size)
            if not consumed and not marked and not filled:
                break
        return used * size

    def _cut(self, position: int, length: int, sink: Sink) -> None:
        message = "the file ends inside an event"
        if not sink.salvage:
            raise DamagedFileError(message, offset_bytes=position)
        events = self.events_when_cut if self.events_when_cut >= 0 else None
        sink.account.add(position, length, message, events=events)
