"""Keeps a conversation with a board as JSON lines, and plays it back where the board is not.

A log holds every byte as it crossed, faults included, so it can be sent to whoever must find a defect. Played back, it
is a board that has seen exactly this conversation: the same requests get the same answers, anything else is an error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from boards.link.frames import Frame, FrameDecoder
from boards.link.verbs import REPLY, VERSION, Status, Verb
from hil.errors import DamagedFileError, DeadlineError, FormatError, TargetUnavailableError, VerificationError
from hil.ports import Transport

__all__ = ["Conversation", "RecordingTransport", "ReplayTransport", "SessionLog"]

FORMAT = "hil-board-session"
FORMAT_VERSION = 1
TO_BOARD, FROM_BOARD = "to", "from"


class SessionLog:
    """A log being written: one header line, then one line per piece of bytes in either direction.

    Each line reaches the file as it is written, because a log is wanted most when a program did not end well.

    Args:
        path: The file; an existing one is replaced.
        header: What the board is: target and provenance.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._started = time.monotonic()
        self._file: IO[str] | None = path.open("w", encoding="ascii", buffering=1)
        self._line({"format": FORMAT, "version": FORMAT_VERSION, "protocol": VERSION, **header})

    def wrap(self, transport: Transport) -> RecordingTransport:
        """Return a transport whose bytes are logged."""
        return RecordingTransport(transport, self)

    def note(self, direction: str, data: bytes) -> None:
        """Write one piece of bytes."""
        self._line({"t_s": round(time.monotonic() - self._started, 6), direction: data.hex()})

    def close(self) -> None:
        """Finish the file; may be called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _line(self, document: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(document) + "\n")


class RecordingTransport:
    """Passes bytes through and notes them."""

    def __init__(self, transport: Transport, log: SessionLog) -> None:
        self._transport = transport
        self._log = log

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Send every byte."""
        self._transport.write(data, timeout_s=timeout_s)
        self._log.note(TO_BOARD, data)

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return the next bytes."""
        data = self._transport.read(n_bytes, timeout_s=timeout_s)
        self._log.note(FROM_BOARD, data)
        return data

    def close(self) -> None:
        """Close the transport; the log stays open for the next one."""
        self._transport.close()


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was asked and answered in a log, in order, retries and damage removed.

    Attributes:
        header: The log's first line.
        exchanges: Pairs of request and answer.
    """

    header: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    exchanges: tuple[tuple[Frame, Frame], ...] = ()

    @classmethod
    def load(cls, path: Path) -> Conversation:
        """Read a log.

        Raises:
            FormatError: The file is no log, or of a newer version.
            DamagedFileError: A line is broken.
        """
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        header = _parse(lines[0], 1, path) if lines else {}
        if header.get("format") != FORMAT or header.get("version") != FORMAT_VERSION:
            message = f"{path} is no board session of version {FORMAT_VERSION}: it starts with {lines[:1]}"
            raise FormatError(message)
        return cls(MappingProxyType(header), tuple(_exchanges(lines[1:], path)))


def _parse(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except json.JSONDecodeError as error:
        raise DamagedFileError(f"line {number} of {path} is no JSON", offset_bytes=error.pos) from error
    if not isinstance(document, dict):
        raise DamagedFileError(f"line {number} of {path} is no JSON object", offset_bytes=0)
    return document


def _exchanges(lines: list[str], path: Path) -> list[tuple[Frame, Frame]]:
    decoders = {TO_BOARD: FrameDecoder(), FROM_BOARD: FrameDecoder()}
    pairing = _Pairing()
    for number, line in enumerate(lines, start=2):
        document = _parse(line, number, path)
        for direction, decoder in decoders.items():
            for frame in decoder.feed(_bytes(document.get(direction, ""), number, path)):
                if isinstance(frame, Frame):
                    pairing.take(direction, frame)
    return pairing.answered


def _bytes(text: object, number: int, path: Path) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError as error:
        raise DamagedFileError(f"line {number} of {path} holds no hexadecimal bytes", offset_bytes=0) from error


class _Pairing:
    """Finds each request's answer; a host asks one thing at a time, so a repeated key is a retry."""

    def __init__(self) -> None:
        self.answered: list[tuple[Frame, Frame]] = []
        self._asked: Frame | None = None

    def take(self, direction: str, frame: Frame) -> None:
        if direction == TO_BOARD:
            if not (self.answered and _key(self.answered[-1][0]) == _key(frame)):
                self._asked = frame
        elif self._asked is not None and _answers(frame, self._asked):
            self.answered.append((self._asked, frame))
            self._asked = None


def _key(frame: Frame) -> tuple[int, int]:
    return frame.nonce, frame.sequence


def _answers(answer: Frame, request: Frame) -> bool:
    forgotten = answer.status in (Status.NO_SESSION, Status.BAD_SEQUENCE)
    return answer.type == request.type | REPLY and _key(answer) == _key(request) and not forgotten


class ReplayTransport:
    """A board that knows one conversation by heart, in order; sessions and sequence numbers may differ."""

    def __init__(self, conversation: Conversation) -> None:
        self._exchanges = list(conversation.exchanges)
        self._next = 0
        self._decoder = FrameDecoder()
        self._last: tuple[tuple[int, int], bytes] | None = None
        self._answers = b""
        self._closed = False

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Take requests.

        Raises:
            VerificationError: A request is not the one that was recorded.
        """
        self._refuse_closed()
        for frame in self._decoder.feed(data):
            if isinstance(frame, Frame):
                self._answers += self._answer(frame)

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return recorded answers."""
        self._refuse_closed()
        if not self._answers:
            message = "the recorded session has nothing more to say"
            raise DeadlineError(message)
        data, self._answers = self._answers[:n_bytes], self._answers[n_bytes:]
        return data

    def close(self) -> None:
        """Stop playing; may be called twice."""
        self._closed = True

    def _answer(self, request: Frame) -> bytes:
        key = (request.nonce, request.sequence)
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        if self._next >= len(self._exchanges):
            message = f"the recorded session ends after {self._next} exchanges, but {_describe(request)} was asked"
            raise VerificationError(message)
        recorded, answer = self._exchanges[self._next]
        if (recorded.type, recorded.payload) != (request.type, request.payload):
            message = (
                f"exchange {self._next} of the recorded session asked {_describe(recorded)}, "
                f"but now {_describe(request)} is asked; replay the same inputs with the same network"
            )
            raise VerificationError(message)
        self._next += 1
        wire = Frame(answer.type, request.sequence, request.nonce, answer.payload, answer.status).encode()
        self._last = (key, wire)
        return wire

    def _refuse_closed(self) -> None:
        if self._closed:
            message = "the recorded session is closed"
            raise TargetUnavailableError(message)


def _describe(frame: Frame) -> str:
    name = Verb(frame.type).name if frame.type in Verb._value2member_map_ else hex(frame.type)
    shown = frame.payload[:12].hex() + ("..." if len(frame.payload) > 12 else "")
    return f"{name} [{len(frame.payload)} bytes {shown}]"
