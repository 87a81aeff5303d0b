"""Walks a file made of packets, and in salvage steps from a broken one to the next that makes sense."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import BinaryIO

from hil.errors import DamagedFileError
from sensors.formats.recording import Steps
from sensors.formats.sink import Sink

__all__ = ["PacketWalk", "scan"]

SCAN_BYTES = 1 << 20


class PacketWalk(ABC):
    """One pass over the packets between ``start`` and ``end`` of a file."""

    def __init__(self, file: BinaryIO, sink: Sink, start: int, end: int) -> None:
        self.file = file
        self.sink = sink
        self.start = start
        self.end = end

    @abstractmethod
    def take(self, position: int) -> int:
        """Read the packet at a position, commit its events, return where it ends.

        Raises:
            DamagedFileError: It is broken; nothing of it was committed.
        """

    @abstractmethod
    def resume(self, position: int) -> int:
        """Return where the first packet that makes sense starts at or after a position, or ``end``."""

    def events_between(self, start: int, stop: int) -> int | None:
        """Return how many events a stretch held, where something else in the file says it."""
        return None

    def run(self) -> Steps:
        """Commit packet after packet; raise at damage, or step over it in salvage."""
        position = self.start
        while position < self.end:
            try:
                position = self.take(position)
            except DamagedFileError as error:
                if not self.sink.salvage:
                    raise
                resumed = self.resume(position + 1)
                events = self.events_between(position, resumed)
                self.sink.account.add(position, resumed - position, error.message, events=events)
                position = resumed
            yield position

    def read(self, position: int, n_bytes: int) -> bytes:
        """Return bytes of the file; fewer at its end."""
        if self.file.tell() != position:
            self.file.seek(position)
        return self.file.read(n_bytes)


def scan(walk: PacketWalk, position: int, pattern: re.Pattern[bytes], lead: int, longest: int) -> list[int]:
    """Return where packets could start in the next stretch that has any: places of a pattern, less its lead.

    Args:
        walk: Whose file is scanned, up to its end.
        position: First byte to look at.
        pattern: Bytes that every packet has.
        lead: How far behind a packet's start the pattern lies.
        longest: Most bytes that the pattern matches.
    """
    overlap = lead + longest
    while position < walk.end:
        window = walk.read(position, min(SCAN_BYTES, walk.end - position))
        places = [position + found.start() - lead for found in pattern.finditer(window)]
        places = [place for place in places if place >= position]
        if places or len(window) < SCAN_BYTES:
            return places
        position += len(window) - overlap
    return []
