"""A debugger's way into an emulated board: stop, read and write memory, reset, go on, over the GDB remote protocol.

"Debugging with GDB", appendix E, Remote Protocol; QEMU's stub takes hexadecimal memory writes of up to 2,000 bytes.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hil.errors import DeadlineError, LinkError, TargetUnavailableError

__all__ = ["GdbStub"]

WRITE_BYTES = 1900
READ_BYTES = 1900
INTERRUPT = b"\x03"


class GdbStub:
    """One emulator's stub; the emulator is halted when it starts with ``-S`` and while memory is touched.

    Args:
        connected: The stub's socket; closed with this object.
        timeout_s: Deadline of each command.
    """

    def __init__(self, connected: socket.socket, *, timeout_s: float = 10.0) -> None:
        self._socket = connected
        self._timeout_s = timeout_s
        self._received = b""
        self._running = False
        self._lock = threading.Lock()

    def resume(self) -> None:
        """Let the board run."""
        if not self._running:
            self._send(_packet(b"c"))
            self._running = True

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Keep the board stopped for the block, then let it run; blocks of several threads follow each other."""
        with self._lock:
            self.halt()
            try:
                yield
            finally:
                self.resume()

    def halt(self) -> None:
        """Stop the board between two instructions."""
        if self._running:
            self._send(INTERRUPT)
            self._reply()
            self._running = False

    def write(self, address: int, data: bytes) -> None:
        """Overwrite memory of a halted board."""
        for at in range(0, len(data), WRITE_BYTES):
            piece = data[at : at + WRITE_BYTES]
            command = f"M{address + at:x},{len(piece):x}:{piece.hex()}"
            if self._ask(command.encode()) != b"OK":
                message = f"the emulator has no writable memory at 0x{address + at:x}"
                raise LinkError(message)

    def read(self, address: int, length: int) -> bytes:
        """Return memory of a halted board."""
        data = b""
        while len(data) < length:
            size = min(READ_BYTES, length - len(data))
            answer = self._ask(f"m{address + len(data):x},{size:x}".encode())
            if len(answer) != 2 * size:
                message = f"the emulator has no readable memory at 0x{address + len(data):x}"
                raise LinkError(message)
            data += bytes.fromhex(answer.decode())
        return data

    def monitor(self, command: str) -> None:
        """Give a halted emulator's monitor a command, such as ``system_reset``."""
        answer = self._ask(b"qRcmd," + command.encode().hex().encode())
        while answer.startswith(b"O") and answer != b"OK":
            answer = self._reply()

    def close(self) -> None:
        """Close the socket; may be called twice."""
        self._socket.close()

    def _ask(self, command: bytes) -> bytes:
        self._send(_packet(command))
        return self._reply()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(data)
        except OSError as error:
            message = f"the emulator's debug stub is gone: {error}"
            raise TargetUnavailableError(message) from error

    def _reply(self) -> bytes:
        """Return the body of the next packet, acknowledged."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            start, end = self._received.find(b"$"), self._received.find(b"#")
            if 0 <= start < end and len(self._received) >= end + 3:
                body = self._received[start + 1 : end]
                self._received = self._received[end + 3 :]
                self._send(b"+")
                return body
            self._received += self._receive(deadline)

    def _receive(self, deadline: float) -> bytes:
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
            data = self._socket.recv(65536)
        except TimeoutError as error:
            message = f"the emulator's debug stub did not answer within {self._timeout_s:g} s"
            raise DeadlineError(message) from error
        except OSError as error:
            message = f"the emulator's debug stub is gone: {error}"
            raise TargetUnavailableError(message) from error
        if not data:
            message = "the emulator has closed its debug stub"
            raise TargetUnavailableError(message)
        return data


def _packet(body: bytes) -> bytes:
    return b"$%s#%02x" % (body, sum(body) % 256)
