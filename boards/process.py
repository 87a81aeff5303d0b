"""A board that is a process of ours: started with a socket for its UART, and never left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Sequence
from typing import IO

from boards.transports.sockets import SocketTransport
from hil.errors import TargetUnavailableError
from hil.ports import Transport

__all__ = ["BoardProcess"]

STOP_TIMEOUT_S = 5.0


def _stop(process: subprocess.Popen[bytes], sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()
    if process.poll() is None:
        process.kill()
    process.wait(STOP_TIMEOUT_S)


class BoardProcess:
    """A running process and our ends of the sockets it was given.

    Args:
        command: Given the descriptors of the process's ends, returns its command line.
        sockets: How many sockets it gets; the first is its UART.
        name: What it is, for messages.
        on_stdio: Whether the UART is the process's standard input and output.
    """

    def __init__(
        self, command: Callable[[Sequence[int]], list[str]], *, sockets: int, name: str, on_stdio: bool = False
    ) -> None:
        pairs = [socket.socketpair() for _ in range(sockets)]
        self.sockets = [ours for ours, _ in pairs]
        theirs = [end for _, end in pairs]
        descriptors = [end.fileno() for end in theirs]
        self._name = name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        uart = descriptors[0] if on_stdio else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command(descriptors), pass_fds=descriptors, stdin=uart, stdout=uart, stderr=self._errors
            )
        finally:
            for end in theirs:
                end.close()
        self._finalizer = weakref.finalize(self, _stop, self._process, self.sockets)

    def connect(self) -> Transport:
        """Return a transport to the process's UART; closing it leaves the process running.

        Raises:
            TargetUnavailableError: The process has ended.
        """
        self.refuse_ended()
        return SocketTransport(self.sockets[0].dup(), peer=self._name)

    def refuse_ended(self) -> None:
        """Raise with the process's own words if it has ended.

        Raises:
            TargetUnavailableError: It has.
        """
        if self._process.poll() is not None or not self._finalizer.alive:
            message = f"{self._name} has ended with code {self._process.returncode}: {self._last_words()}"
            raise TargetUnavailableError(message)

    def close(self) -> None:
        """Stop the process; may be called twice."""
        self._finalizer()
        self._errors.close()

    def _last_words(self) -> str:
        if self._errors.closed:
            return "it was stopped"
        self._errors.seek(0, os.SEEK_SET)
        return self._errors.read()[-400:].decode(errors="replace").strip() or "it said nothing"
