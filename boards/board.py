"""A board as the driver sees it: something to connect to, perhaps with a quicker way into its memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from boards.info import BoardInfo
from hil.ports import Transport

__all__ = ["Board", "ProgramMemory", "Servable"]


class ProgramMemory(Protocol):
    """The memory a board keeps its program in, reached without its help: a debug probe, a mapped file."""

    def write(self, offset: int, data: bytes) -> None:
        """Overwrite bytes, while the board is running or not."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes."""
        ...


class Servable(Protocol):
    """What can be offered to another host."""

    def connect(self) -> Transport:
        """Open a transport; called again when one breaks.

        Raises:
            TargetUnavailableError: The board cannot be reached.
        """
        ...

    def close(self) -> None:
        """Stop what we started; may be called twice."""
        ...


class Board(Servable, Protocol):
    """One physical or emulated board, started and stopped by us or not."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """What it is, for reports: how it is reached, emulator and version."""
        ...

    @property
    def expected_firmware(self) -> str | None:
        """Hash of the firmware we put on it ourselves, or None when somebody else did."""
        ...

    def program_memory(self, info: BoardInfo) -> ProgramMemory | None:
        """Return the quick way into its memory, or None when programs travel over the link."""
        ...

    def restart(self) -> None:
        """Reset the board.

        Raises:
            TargetUnavailableError: Only a hand can do that.
        """
        ...
