"""A board in this process: an emulated array or a test's endpoint, without a socket in between."""

from __future__ import annotations

import threading
from typing import Protocol

from hil.errors import DeadlineError, TargetUnavailableError

__all__ = ["Feedable", "LoopbackTransport", "WaitingLoopback"]


class Feedable(Protocol):
    """Anything that takes bytes and returns its answer at once, such as ``boards.link.Endpoint``."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the wire and return the bytes to put on it."""
        ...


class LoopbackTransport:
    """Feeds what is written to an endpoint, and keeps its answers to be read."""

    def __init__(self, endpoint: Feedable) -> None:
        self._endpoint: Feedable | None = endpoint
        self._answers = bytearray()

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Hand the bytes to the endpoint."""
        if self._endpoint is None:
            message = "the loopback is closed"
            raise TargetUnavailableError(message)
        self._answers += self._endpoint.feed(data)

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return what the endpoint has answered; silence will not end by waiting, so it fails at once."""
        if self._endpoint is None:
            message = "the loopback is closed"
            raise TargetUnavailableError(message)
        if not self._answers:
            message = "the endpoint has answered nothing"
            raise DeadlineError(message)
        data = bytes(self._answers[:n_bytes])
        del self._answers[:n_bytes]
        return data

    def close(self) -> None:
        """Let go of the endpoint; may be called twice."""
        self._endpoint = None


class WaitingLoopback:
    """A loopback that one thread reads while another writes, as a relay does; reading waits for an answer."""

    def __init__(self, endpoint: Feedable) -> None:
        self._loopback = LoopbackTransport(endpoint)
        self._answered = threading.Condition()

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Hand the bytes to the endpoint; it works while this waits."""
        with self._answered:
            self._loopback.write(data, timeout_s=timeout_s)
            self._answered.notify_all()

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return what the endpoint answers.

        Raises:
            DeadlineError: It answered nothing in time.
        """
        with self._answered:
            try:
                return self._loopback.read(n_bytes, timeout_s=0.0)
            except DeadlineError:
                self._answered.wait(timeout_s)
            return self._loopback.read(n_bytes, timeout_s=0.0)

    def close(self) -> None:
        """Let go of the endpoint; may be called twice."""
        with self._answered:
            self._loopback.close()
            self._answered.notify_all()
