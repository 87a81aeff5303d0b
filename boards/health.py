"""A board's bill of health: how quickly and how cleanly it answers, what it counts, whether its memory still holds."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from boards.driver import BoardBackend
from boards.info import READY, BoardInfo
from boards.link import LinkSession, LinkStatistics, Verb

__all__ = ["Health", "examine"]

COUNTS = struct.Struct("<5I")


@dataclass(frozen=True, slots=True)
class Health:
    """What an examination found.

    Attributes:
        info: What the board says of itself.
        echo_s: (p50, p99) seconds from request to answer.
        statistics: What crossed the link.
        frames: Frames the board has seen since power-up.
        bad_frames: Those it could not read.
        repeated: Answers it sent again.
        refused: Frames it refused.
        memory_holds: Whether its program memory still has the CRC it was committed with; None without a program.
    """

    info: BoardInfo
    echo_s: tuple[float, float]
    statistics: LinkStatistics
    frames: int
    bad_frames: int
    repeated: int
    refused: int
    memory_holds: bool | None

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with the program."""
        return self.memory_holds is not False

    def as_document(self) -> dict[str, Any]:
        """Return the examination as JSON-ready values."""
        return {
            "board": self.info.name,
            "firmware": self.info.firmware_hash,
            "echo_p50_s": self.echo_s[0],
            "echo_p99_s": self.echo_s[1],
            "link_retries": self.statistics.retries,
            "link_damaged": self.statistics.damaged + self.statistics.naks,
            "board_frames": self.frames,
            "board_bad_frames": self.bad_frames,
            "board_repeated": self.repeated,
            "board_refused": self.refused,
            "board_executed": self.info.executed,
            "program_bytes": self.info.program_bytes,
            "memory_holds": self.memory_holds,
        }


def examine(backend: BoardBackend, *, echoes: int = 50) -> Health:
    """Greet a board, time requests, read its counters and its program memory back.

    Args:
        backend: The board.
        echoes: How many requests to time, at least one.
    """
    board = backend.open()
    try:
        with LinkSession(board.connect, policy=backend.settings.policy) as link:
            info = BoardInfo.decode(link.open())
            times = [_timed(link) for _ in range(max(echoes, 1))]
            frames, bad, repeated, refused, _ = COUNTS.unpack(link.request(Verb.HEALTH))
            p50, p99 = np.percentile(times, [50, 99])
            holds = _memory_holds(link, info)
            return Health(info, (float(p50), float(p99)), link.statistics, frames, bad, repeated, refused, holds)
    finally:
        board.close()


def _timed(link: LinkSession) -> float:
    started = time.perf_counter()
    link.request(Verb.INFO)
    return time.perf_counter() - started


def _memory_holds(link: LinkSession, info: BoardInfo) -> bool | None:
    if info.state != READY:
        return None
    return link.request(Verb.CHECK) == struct.pack("<II", info.program_bytes, info.program_crc)
