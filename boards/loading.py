"""Puts a program on a board and has the board prove, by CRC over its memory, that it arrived."""

from __future__ import annotations

import logging
import struct
import zlib

from boards.board import Board
from boards.info import BoardInfo
from boards.link import LinkSession, ProgramLostError, RefusedError, Status, Verb
from hil.progress import OnProgress, ignore_progress

__all__ = ["OFFSET_BYTES", "PieceSize", "load_program"]

logger = logging.getLogger(__name__)

SMALLEST_PIECE_BYTES = 128
OFFSET_BYTES = 4
ATTEMPTS = 3


class PieceSize:
    """How much goes into one frame: all that fits on a clean line, less after every retry.

    Args:
        link: Whose retries count.
        largest: The most the board takes.
        fixed: Whether to stay at that, so that a recording can be played back.
    """

    def __init__(self, link: LinkSession, largest: int, *, fixed: bool) -> None:
        self._link = link
        self._largest = largest
        self._fixed = fixed
        self._size = largest
        self._retries = link.statistics.retries

    def now(self) -> int:
        """Return the bytes of payload to put into the next frame."""
        retries = self._link.statistics.retries
        if retries > self._retries and not self._fixed:
            self._size = max(self._size // 2, SMALLEST_PIECE_BYTES)
        else:
            self._size = min(self._size + self._size // 8, self._largest)
        self._retries = retries
        return self._size


def load_program(
    link: LinkSession,
    board: Board,
    info: BoardInfo,
    program: bytes,
    *,
    piece: PieceSize,
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Put a program on a greeted board, more than once if its memory does not hold what was sent.

    Raises:
        RefusedError: The board does not accept the program.
        ProgramLostError: Its memory does not hold what is written to it.
    """
    for _ in range(ATTEMPTS):
        try:
            _send(link, board, info, program, piece=piece, on_progress=on_progress)
        except RefusedError as error:
            if error.status != Status.CRC_MISMATCH:
                raise
            logger.warning("the program did not arrive whole; sending it again")
        else:
            return
    message = f"the board's memory does not hold the program it was sent {ATTEMPTS} times"
    raise ProgramLostError(message)


def _send(
    link: LinkSession, board: Board, info: BoardInfo, program: bytes, *, piece: PieceSize, on_progress: OnProgress
) -> None:
    link.request(Verb.BEGIN, struct.pack("<I", len(program)))
    memory = board.program_memory(info)
    if memory is not None:
        memory.write(0, program)
    else:
        at = 0
        while at < len(program):
            data = program[at : at + piece.now() - OFFSET_BYTES]
            link.request(Verb.CHUNK, struct.pack("<I", at) + data)
            at += len(data)
            on_progress(at, len(program))
    link.request(Verb.COMMIT, struct.pack("<II", len(program), zlib.crc32(program)))
