"""Bytes over a connected socket: TCP, TLS, or the pair that joins us to a process we started."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time

from hil.errors import DeadlineError, TargetUnavailableError

__all__ = ["SocketTransport"]


class SocketTransport:
    """A stream socket with a deadline on every call; one thread may read while another writes.

    Args:
        connected: The socket; closed with the transport.
        peer: Who is at the other end, for messages.
    """

    def __init__(self, connected: socket.socket, *, peer: str) -> None:
        connected.settimeout(0.0)
        self._socket: socket.socket | None = connected
        self._peer = peer
        self._lock = threading.Lock()  # TLS state is shared by both directions

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Send every byte."""
        deadline = time.monotonic() + timeout_s
        rest = memoryview(data)
        try:
            while rest:
                connected = self._connected()
                with self._lock:
                    sent = _try_send(connected, rest)
                rest = rest[sent:]
                if not sent and not _wait(connected, deadline, writing=True):
                    message = f"{self._peer} did not take {len(rest)} of {len(data)} bytes within {timeout_s:g} s"
                    raise DeadlineError(message)
        except DeadlineError:
            raise
        except (OSError, ValueError) as error:
            raise self._gone(error) from error

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return between 1 and ``n_bytes`` bytes, as soon as there are any."""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                connected = self._connected()
                with self._lock:
                    data = _try_receive(connected, n_bytes)
                if data is not None:
                    break
                if not _wait(connected, deadline, writing=False):
                    message = f"nothing came from {self._peer} within {timeout_s:g} s"
                    raise DeadlineError(message)
        except DeadlineError:
            raise
        except (OSError, ValueError) as error:
            raise self._gone(error) from error
        if not data:
            message = f"{self._peer} closed the connection"
            raise TargetUnavailableError(message)
        return data

    def close(self) -> None:
        """Close the socket; may be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            message = f"the connection to {self._peer} is closed"
            raise TargetUnavailableError(message)
        return self._socket

    def _gone(self, error: Exception) -> TargetUnavailableError:
        if isinstance(error, TargetUnavailableError):
            return error
        return TargetUnavailableError(f"{self._peer} is gone: {error}")


def _try_send(connected: socket.socket, data: memoryview) -> int:
    try:
        return connected.send(data)
    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        return 0


def _try_receive(connected: socket.socket, n_bytes: int) -> bytes | None:
    try:
        return connected.recv(n_bytes)
    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        return None


def _wait(connected: socket.socket, deadline: float, *, writing: bool) -> bool:
    """Wait until the socket is ready; False when time is up."""
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        return False
    files = [connected]
    ready = select.select([] if writing else files, files if writing else [], [], remaining_s)
    return any(ready)
