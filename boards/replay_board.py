"""A board that was recorded: a session log in place of the hardware."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from boards.board import ProgramMemory
from boards.info import BoardInfo
from boards.link.verbs import Verb
from boards.session_log import Conversation, ReplayTransport
from hil.errors import FormatError, TargetUnavailableError
from hil.ports import Transport

__all__ = ["ReplayBoard"]


class _AlreadyThere:
    """Program memory of a recording whose program came through a debug stub: nothing crosses the link again."""

    def write(self, offset: int, data: bytes) -> None:
        """Do nothing: the CRC of the commit proves that it is the same program."""

    def read(self, offset: int, length: int) -> bytes:
        """Refuse: a recording has no memory."""
        message = "a recorded session has no memory to read"
        raise TargetUnavailableError(message)


class ReplayBoard:
    """Plays a session log.

    Args:
        path: The log.

    Raises:
        FormatError: It is no log, or nothing was asked in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._conversation = Conversation.load(path)
        if not self._conversation.exchanges:
            message = f"{path} holds no exchange with a board"
            raise FormatError(message)
        self._transport: ReplayTransport | None = None

    @property
    def info(self) -> BoardInfo:
        """What the recorded board said of itself."""
        for request, answer in self._conversation.exchanges:
            if request.type in (Verb.HELLO, Verb.INFO):
                return BoardInfo.decode(answer.payload)
        message = f"{self._path} holds no greeting"
        raise FormatError(message)

    @property
    def provenance(self) -> Mapping[str, str]:
        """The recorded board's, and that it is a recording."""
        recorded = self._conversation.header.get("provenance", {})
        return {**{str(k): str(v) for k, v in recorded.items()}, "replayed_from": self._path.name}

    @property
    def expected_firmware(self) -> str | None:
        """Whatever it was then."""
        return None

    def connect(self) -> Transport:
        """Start playing, from the beginning."""
        self._transport = ReplayTransport(self._conversation)
        return self._transport

    def program_memory(self, info: BoardInfo) -> ProgramMemory | None:
        """Pretend to load quickly when the recording did."""
        sent = any(request.type == Verb.CHUNK for request, _ in self._conversation.exchanges)
        return None if sent else _AlreadyThere()

    def restart(self) -> None:
        """Nothing to reset."""
        message = f"the recorded session {self._path.name} cannot be reset"
        raise TargetUnavailableError(message)

    def close(self) -> None:
        """Stop playing; may be called twice."""
        if self._transport is not None:
            self._transport.close()
