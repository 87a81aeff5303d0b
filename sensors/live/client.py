"""Reads events from servers of the DV network protocol: DV itself, dv-processing's ``NetworkWriter``, or ours."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

from hil.closing import Closing, undone_on_error
from hil.errors import DeadlineError, LinkError, TargetUnavailableError
from hil.types import EventBatch, Geometry
from sensors.live.wire import MAX_HEADER_BYTES, PACKET_HEAD, Address, Stream

__all__ = ["NetworkSource"]


class NetworkSource(Closing):
    """An ``EventSource`` over TCP; a context manager.

    Args:
        address: Of the server.
        timeout_s: Longest wait to connect, for the header, and for the rest of a packet that has begun.
        silence_s: Longest wait for the next packet; None waits for ever, because a still scene sends nothing.

    Raises:
        TargetUnavailableError: Nobody listens there.
        DeadlineError: The server says nothing.
        LinkError: It speaks another protocol.
    """

    def __init__(self, address: Address, *, timeout_s: float = 5.0, silence_s: float | None = None) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        try:
            self._socket = socket.create_connection((address.host, address.port), timeout=timeout_s)
        except OSError as error:
            message = f"no server answers at {address}: {error.strerror or error}"
            raise TargetUnavailableError(message) from error
        with undone_on_error(self.close):
            self._stream = self._greet()

    def _greet(self) -> Stream:
        prefix = self._read(4, self._timeout_s)
        (size,) = struct.unpack("<I", prefix)
        if not 0 < size <= MAX_HEADER_BYTES:
            raise LinkError(f"{self.address} speaks no DV network protocol: it announces a header of {size} bytes")
        return Stream(prefix + self._read(size, self._timeout_s))

    @property
    def geometry(self) -> Geometry:
        """Size of the sensor, as the server says."""
        return self._stream.geometry

    def __iter__(self) -> Iterator[EventBatch]:
        """Yield the events of each packet until the server closes the connection.

        Raises:
            DeadlineError: The server fell silent.
            LinkError: A packet is broken, cut short, or its times go back.
        """
        last_us: int | None = None
        while head := self._read(PACKET_HEAD.size, self._silence_s, may_end=True):
            number, size = PACKET_HEAD.unpack(head)
            self._stream.check(number, size)
            payload = self._read(size, self._timeout_s)
            if number != self._stream.number:
                continue
            batch = self._stream.events(payload)
            if not len(batch):
                continue
            if last_us is not None and batch.t[0] < last_us:
                raise LinkError(f"events must be in order, but the server went from {last_us} us to {batch.t[0]} us")
            last_us = int(batch.t[-1])
            yield batch

    def _read(self, size: int, timeout_s: float | None, *, may_end: bool = False) -> bytes:
        """Return exactly ``size`` bytes, or none where the stream may end and does."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        parts, missing = [], size
        while missing:
            part = self._receive(missing, deadline_s)
            if not part and may_end and missing == size:
                return b""
            if not part:
                raise LinkError(f"{self.address} closed the connection {missing} bytes before the end of a packet")
            if missing == size and deadline_s is None:  # it has begun: now the rest must come
                deadline_s = time.monotonic() + self._timeout_s
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _receive(self, size: int, deadline_s: float | None) -> bytes:
        try:
            self._socket.settimeout(None if deadline_s is None else max(0.001, deadline_s - time.monotonic()))
            return self._socket.recv(min(size, 1 << 20))
        except TimeoutError as error:
            raise DeadlineError(f"{self.address} sent nothing in time") from error
        except OSError as error:
            raise LinkError(f"the connection to {self.address} broke: {error.strerror or error}") from error

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._socket.close()
