"""A pseudo-terminal, so that whatever opens serial ports can talk to an emulated board."""

from __future__ import annotations

import os
import select
import time

from hil.errors import DeadlineError, TargetUnavailableError

__all__ = ["PtyTransport"]


class PtyTransport:
    """The near end of a new pseudo-terminal.

    Attributes:
        path: The far end, which opens like a serial port.
    """

    def __init__(self) -> None:
        import tty

        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._closed = False

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Send every byte; what nobody reads fills the terminal's buffer."""
        deadline = time.monotonic() + timeout_s
        rest = memoryview(data)
        while rest:
            self._wait(writing=True, deadline=deadline, what=f"take {len(rest)} bytes", timeout_s=timeout_s)
            rest = rest[os.write(self._master, rest[:1024]) :]

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return between 1 and ``n_bytes`` bytes, as soon as there are any."""
        deadline = time.monotonic() + timeout_s
        self._wait(writing=False, deadline=deadline, what="send anything", timeout_s=timeout_s)
        return os.read(self._master, n_bytes)

    def close(self) -> None:
        """Close both ends; may be called twice."""
        if not self._closed:
            self._closed = True
            os.close(self._master)
            os.close(self._slave)

    def _wait(self, *, writing: bool, deadline: float, what: str, timeout_s: float) -> None:
        if self._closed:
            message = f"the pseudo-terminal {self.path} is closed"
            raise TargetUnavailableError(message)
        files = [self._master]
        remaining_s = max(deadline - time.monotonic(), 0.0)
        ready = select.select([] if writing else files, files if writing else [], [], remaining_s)
        if not any(ready):
            message = f"the other end of {self.path} did not {what} within {timeout_s:g} s"
            raise DeadlineError(message)
