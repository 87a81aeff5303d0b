"""The bytes of the DV network protocol: the header of an AEDAT4 file without its version line, then its packets.

After what dv-processing 2 sends and reads: a size-prefixed ``IOHE`` flatbuffer that names the streams, then packets of
an 8-byte header (stream, size) and a size-prefixed ``EVTS`` flatbuffer, compressed as the header says.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hil.errors import FormatError, InvalidValueError, LinkError
from hil.types import EventBatch, Geometry
from sensors.formats.aedat4_layout import MAX_PACKET_BYTES, VERSION_LINE, Header, decompress, read_header
from sensors.formats.aedat4_writer import event_structure, streams_header
from sensors.formats.compression import PayloadError
from sensors.formats.flatbuffers import FlatbufferError, root

__all__ = ["MAX_HEADER_BYTES", "PACKET_HEAD", "Address", "Stream", "parse_address", "write_header", "write_packets"]

PACKET_HEAD = struct.Struct("<ii")
PACKET_EVENTS = 10_000  # as dv-processing's own
MAX_HEADER_BYTES = 1 << 24
STREAM = 0
LOOPBACK = "127.0.0.1"
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("padding", "V3")])


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Attributes:
        host: Name or number; only this machine by default.
        port: TCP port; 0 lets the system choose when listening.
    """

    host: str = LOOPBACK
    port: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address of ``tcp://host:port``; without a host it is this machine.

    Raises:
        InvalidValueError: The text is no such address.

    Example:
        >>> parse_address("tcp://:7777")
        Address(host='127.0.0.1', port=7777)
    """
    scheme, _, rest = text.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not port.isdecimal() or int(port) > 65535:
        message = f"an address looks like tcp://127.0.0.1:7777, but got {text!r}"
        raise InvalidValueError(message)
    return Address(host.strip("[]") or LOOPBACK, int(port))


def write_header(geometry: Geometry, source: str) -> bytes:
    """Return what a server says first: one stream of events, not compressed."""
    return streams_header("none", geometry, source)


def write_packets(batch: EventBatch) -> Iterator[bytes]:
    """Yield the packets of a batch, each of at most 10,000 events."""
    for start in range(0, len(batch), PACKET_EVENTS):
        body = event_structure(batch[start : start + PACKET_EVENTS])
        yield PACKET_HEAD.pack(STREAM, len(body)) + body


class Stream:
    """What a server's header says, and how its packets are read.

    Args:
        head: The size-prefixed header.

    Raises:
        LinkError: It is no header, or names no stream of events.
    """

    def __init__(self, head: bytes) -> None:
        data = VERSION_LINE + head
        try:
            self._header: Header = read_header(io.BytesIO(data), len(data))
        except FormatError as error:
            raise LinkError(f"the server speaks no DV network protocol: {error}") from error
        if not self._header.geometries:
            raise LinkError(f"the server sends no events; its streams: {self._header.streams or 'none'}")
        self.number, self.geometry = min(self._header.geometries.items())

    def check(self, number: int, size: int) -> None:
        """Refuse the head of a packet that cannot be.

        Raises:
            LinkError: The stream is unknown or the size impossible.
        """
        if number not in self._header.streams or not 0 < size <= MAX_PACKET_BYTES:
            raise LinkError(f"the server sent a packet of {size} bytes in stream {number}; expected a known stream")

    def events(self, payload: bytes) -> EventBatch:
        """Return the events of a packet; times may go back by no microsecond within it.

        Raises:
            LinkError: The packet is broken, or an event lies outside the sensor.
        """
        try:
            raw = decompress(payload, self._header.compression)
            start, n_events = root(raw, b"EVTS").vector(0, EVENT.itemsize)
            records = np.frombuffer(raw, EVENT, count=n_events, offset=start)
            x, y = records["x"].view("<u2"), records["y"].view("<u2")
            if x.max(initial=0) >= self.geometry.width or y.max(initial=0) >= self.geometry.height:
                raise LinkError(f"an event lies outside the {self.geometry.width}x{self.geometry.height} sensor")
            return EventBatch(records["t"], x, y, records["p"] != 0)
        except (FlatbufferError, PayloadError, InvalidValueError) as error:
            raise LinkError(f"the server sent a broken packet: {error}") from error
