"""The firmware as a process of this machine: the same C, a fast stand-in for tests and where no emulator is."""

from __future__ import annotations

import struct
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.board import ProgramMemory
from boards.firmware import firmware_elf, source_hash
from boards.info import BoardInfo
from boards.process import BoardProcess
from hil.errors import TargetUnavailableError
from hil.ports import Transport

__all__ = ["HostBoard"]

EXECUTION = struct.Struct("<BxHI")


class _MappedMemory:
    """Program memory through the file the firmware maps."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, offset: int, data: bytes) -> None:
        with self._path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def read(self, offset: int, length: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


class HostBoard:
    """The firmware in a process, running from construction until ``close``.

    Args:
        log_executions: Keep the firmware's own account of every request it executed; it survives restarts.
        load_over_link: Send programs over the link like to a real board, instead of writing the mapped memory.

    Raises:
        MissingToolError: There is no compiler.
    """

    def __init__(self, *, log_executions: bool = False, load_over_link: bool = False) -> None:
        self._load_over_link = load_over_link
        self._folder = tempfile.TemporaryDirectory(prefix="hil-board-")
        self._memory = Path(self._folder.name) / "program"
        self._memory.write_bytes(b"")
        self._log = Path(self._folder.name) / "executed" if log_executions else None
        if self._log is not None:
            self._log.write_bytes(b"")
        self._elf = str(firmware_elf("host"))
        self._process: BoardProcess | None = None
        self._lock = threading.Lock()  # a reset may come from another thread than whoever is connecting
        self.restart()

    @property
    def provenance(self) -> Mapping[str, str]:
        """A process of this machine."""
        return {"substrate": "firmware compiled for this machine", "emulator": "none"}

    @property
    def expected_firmware(self) -> str | None:
        """The firmware we built."""
        return source_hash()

    @property
    def memory(self) -> ProgramMemory:
        """The mapped program memory, also for whoever wants to damage it."""
        return _MappedMemory(self._memory)

    def connect(self) -> Transport:
        """Return a transport to the process."""
        with self._lock:
            if self._process is None:
                message = "the host firmware has been stopped"
                raise TargetUnavailableError(message)
            return self._process.connect()

    def program_memory(self, info: BoardInfo) -> ProgramMemory | None:
        """Return the mapped memory, or None when programs shall travel over the link."""
        return None if self._load_over_link else self.memory

    def executions(self) -> list[tuple[int, int, int]] | None:
        """Return (verb, nonce, sequence) of every request executed, over all restarts, in order; None if not logged."""
        if self._log is None:
            return None
        data = self._log.read_bytes()
        whole = data[: len(data) // EXECUTION.size * EXECUTION.size]
        return [(verb, nonce, sequence) for verb, sequence, nonce in EXECUTION.iter_unpack(whole)]

    def reset(self) -> None:
        """Reset the board; its memory keeps what it holds."""
        self.restart()

    def restart(self) -> None:
        """Kill the process and start another; its memory keeps what it holds, as on a real board."""
        with self._lock:
            if self._process is not None:
                self._process.close()
            self._process = BoardProcess(self._command, sockets=1, name="host firmware", on_stdio=True)

    def close(self) -> None:
        """Stop the process; may be called twice."""
        with self._lock:
            if self._process is not None:
                self._process.close()
                self._process = None
                self._folder.cleanup()

    def _command(self, descriptors: Sequence[int]) -> list[str]:
        log = [str(self._log)] if self._log is not None else []
        return [self._elf, str(self._memory), *log]
