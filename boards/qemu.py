"""The firmware on an emulated microcontroller: QEMU started, loaded through its debug stub, and stopped by us.

With ``-icount shift=0`` QEMU runs one instruction per nanosecond of its own time, so the board's counter counts
instructions, exactly and repeatably; they are not clock cycles.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from boards.board import ProgramMemory
from boards.firmware import firmware_elf, missing_tools, source_hash
from boards.gdb import GdbStub
from boards.info import BoardInfo
from boards.process import BoardProcess
from hil.errors import MissingToolError, TargetUnavailableError, UnknownNameError
from hil.ports import Transport

__all__ = ["MACHINES", "Machine", "QemuBoard", "missing_for"]


@dataclass(frozen=True, slots=True)
class Machine:
    """An emulated board.

    Attributes:
        program: QEMU's program.
        package: The Debian package that has it.
        machine: QEMU's name of the board.
        firmware: The firmware's target, where it is not called like the CPU.
        extra: Further arguments.
        uart: Which of its serial ports the firmware uses.
    """

    program: str
    package: str
    machine: str
    firmware: str | None = None
    extra: tuple[str, ...] = ()
    uart: int = 0


ARM = ("qemu-system-arm", "qemu-system-arm")
MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        "cortex-m3": Machine(*ARM, "mps2-an385"),
        "cortex-m4": Machine(*ARM, "mps2-an386"),
        "cortex-m7": Machine(*ARM, "mps2-an500"),
        "cortex-m33": Machine(*ARM, "mps2-an505"),
        "cortex-m55": Machine(*ARM, "mps3-an547"),
        "riscv32": Machine("qemu-system-riscv32", "qemu-system-misc", "virt", extra=("-bios", "none")),
        "stm32f4": Machine(*ARM, "netduinoplus2", firmware="netduinoplus2", uart=1),
    }
)


def missing_for(cpu: str) -> str | None:
    """Say which program must be installed before a machine can be used, or None."""
    machine = MACHINES[cpu]
    if shutil.which(machine.program) is None:
        return f"{machine.program} (apt-get install {machine.package})"
    return missing_tools(machine.firmware or cpu)


@cache
def _version(program: str) -> str:
    done = subprocess.run(  # noqa: S603  (a program of our own table)
        [program, "--version"], capture_output=True, text=True, timeout=30.0, check=True
    )
    return done.stdout.splitlines()[0]


class _StubMemory:
    """Program memory through the debug stub: halts, touches, lets run."""

    def __init__(self, stub: GdbStub, address: int) -> None:
        self._stub = stub
        self._address = address

    def write(self, offset: int, data: bytes) -> None:
        with self._stub.halted():
            self._stub.write(self._address + offset, data)

    def read(self, offset: int, length: int) -> bytes:
        with self._stub.halted():
            return self._stub.read(self._address + offset, length)


class QemuBoard:
    """One emulated board, running from construction until ``close``.

    Args:
        cpu: A name of ``MACHINES``.

    Raises:
        UnknownNameError: No such machine.
        MissingToolError: QEMU or the cross compiler is not installed.
    """

    def __init__(self, cpu: str) -> None:
        if cpu not in MACHINES:
            raise UnknownNameError.of("emulated CPU", cpu, list(MACHINES))
        self._cpu = cpu
        self._machine = MACHINES[cpu]
        if shutil.which(self._machine.program) is None:
            raise MissingToolError.of(self._machine.program, package=self._machine.package, purpose=f"emulating {cpu}")
        self._elf = str(firmware_elf(self._machine.firmware or cpu))
        self._process: BoardProcess | None = None
        self.restart()

    @property
    def provenance(self) -> Mapping[str, str]:
        """How it is reached, and the emulator."""
        emulator = f"{_version(self._machine.program)}, machine {self._machine.machine}, icount shift=0"
        return {"substrate": "emulated", "emulator": emulator}

    @property
    def expected_firmware(self) -> str | None:
        """The firmware we built."""
        return source_hash()

    def connect(self) -> Transport:
        """Return a transport to the emulated UART."""
        return self._running().connect()

    def program_memory(self, info: BoardInfo) -> ProgramMemory | None:
        """Return the way through the debug stub."""
        self._running().refuse_ended()
        return _StubMemory(self._stub, info.program_address) if info.program_address else None

    def reset(self) -> None:
        """Reset the CPU and its devices; memory keeps what it holds, as on a real board."""
        with self._stub.halted():
            self._stub.monitor("system_reset")

    def executions(self) -> list[tuple[int, int, int]] | None:
        """Keep no account outside the board: its own counter is checked at every answer."""
        return None

    def restart(self) -> None:
        """Stop the emulator and start another."""
        self.close()
        self._process = BoardProcess(self._command, sockets=2, name=f"emulated {self._cpu}")
        self._stub = GdbStub(self._process.sockets[1])
        self._stub.resume()

    def close(self) -> None:
        """Stop the emulator; may be called twice."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _running(self) -> BoardProcess:
        if self._process is None:
            message = f"emulated {self._cpu} has been stopped"
            raise TargetUnavailableError(message)
        return self._process

    def _command(self, descriptors: Sequence[int]) -> list[str]:
        uart, stub = descriptors
        machine = self._machine
        sockets = {"uart": uart, "stub": stub}
        chardevs = [part for name, fd in sockets.items() for part in ("-chardev", f"socket,id={name},fd={fd}")]
        quiet = ["-nodefaults", "-nic", "none", "-display", "none", "-monitor", "none"]
        serial = ["-serial", "null"] * machine.uart + ["-serial", "chardev:uart"]
        clock = ["-icount", "shift=0", "-S", "-gdb", "chardev:stub"]
        start = [machine.program, "-machine", machine.machine, *machine.extra, "-kernel", self._elf]
        return [*start, *quiet, *chardevs, *serial, *clock]
