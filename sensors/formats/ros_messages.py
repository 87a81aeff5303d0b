"""Events inside ROS messages, whichever bag they came in: one decoder for each way to pack them.

After event_camera_msgs (``EventPacket.msg``, its README and event_camera_codecs) and dvs_msgs (``EventArray.msg``).
ROS 1 packs fields without gaps; ROS 2 uses XCDR1, where each is aligned to its size behind a 4-byte preamble.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hil.errors import FormatError
from hil.types import Geometry, Int64Array
from sensors.formats.evt3 import START
from sensors.formats.sink import EARLIEST_US, Columns, Sink
from sensors.formats.verdicts import REASONS, SOUND

__all__ = ["EventMessages", "MessageError", "is_event_type"]

PACKET_TYPES = (
    "event_camera_msgs/EventPacket",
    "event_camera_msgs/msg/EventPacket",
    "event_array_msgs/EventArray",  # its name before 2023
    "event_array_msgs/msg/EventArray",
)
ARRAY_TYPES = ("dvs_msgs/EventArray", "dvs_msgs/msg/EventArray", "prophesee_event_msgs/EventArray")
ENCODINGS = ("evt3", "libcaer", "libcaer_cmp", "mono")


class MessageError(Exception):
    """A message is inconsistent; the caller says where in the file it lies."""


def is_event_type(message_type: str) -> bool:
    """Say whether messages of a type hold events."""
    return message_type in PACKET_TYPES or message_type in ARRAY_TYPES


class _Fields:
    """Reads fields one after the other, in either serialisation."""

    def __init__(self, data: bytes, *, cdr: bool) -> None:
        self.data = data
        self.position = 4 if cdr else 0
        self._cdr = cdr
        if cdr and data[:2] != b"\0\1":
            raise MessageError("a message is not little-endian CDR")

    def number(self, code: str) -> int:
        size = struct.calcsize("<" + code)
        self.align(size)
        if self.position + size > len(self.data):
            raise MessageError("a message is cut short")
        value: int = struct.unpack_from("<" + code, self.data, self.position)[0]
        self.position += size
        return value

    def align(self, size: int) -> None:
        if self._cdr:
            self.position += -(self.position - 4) % size

    def raw(self, length: int) -> bytes:
        if length > len(self.data) - self.position:
            message = f"a message claims {length} bytes, but {len(self.data) - self.position} are left"
            raise MessageError(message)
        self.position += length
        return self.data[self.position - length : self.position]

    def text(self) -> str:
        return self.raw(self.number("I")).rstrip(b"\0").decode("latin-1")


@dataclass(frozen=True, slots=True)
class _Packet:
    """An ``EventPacket`` without what we do not need."""

    geometry: Geometry
    time_base: int
    encoding: str
    events: bytes


def _header(fields: _Fields, *, cdr: bool) -> tuple[int, int]:
    if not cdr:
        fields.number("I")
    fields.number("I")
    fields.number("I")
    fields.text()
    height, width = fields.number("I"), fields.number("I")
    if not (1 <= width <= 65536 and 1 <= height <= 65536):
        message = f"a message names a sensor of {width} x {height}"
        raise MessageError(message)
    return width, height


def _packet(data: bytes, *, cdr: bool) -> _Packet:
    fields = _Fields(data, cdr=cdr)
    width, height = _header(fields, cdr=cdr)
    fields.number("Q")
    time_base = fields.number("Q")
    encoding = fields.text()
    fields.number("B")
    return _Packet(Geometry(width, height), time_base, encoding, fields.raw(fields.number("I")))


@dataclass(slots=True)
class EventMessages:
    """Decodes the messages of one topic, one after the other.

    Attributes:
        message_type: Type of the messages.
        cdr: Whether they are ROS 2 messages.
    """

    message_type: str
    cdr: bool
    _evt3: Int64Array = field(default_factory=lambda: np.array(START, np.int64))

    def geometry(self, data: bytes) -> Geometry:
        """Return the size of the sensor that a message names.

        Raises:
            MessageError: The message is inconsistent.
        """
        return Geometry(*_header(_Fields(data, cdr=self.cdr), cdr=self.cdr))

    def commit(self, data: bytes, geometry: Geometry, sink: Sink, start: int, stop: int) -> None:
        """Commit a message's events.

        Args:
            data: The message.
            geometry: Size of the sensor.
            sink: Takes the events.
            start: Where the message starts in the file.
            stop: Where it ends.

        Raises:
            MessageError: The message is inconsistent; nothing was committed.
        """
        if self.message_type in ARRAY_TYPES:
            columns = _array(data, cdr=self.cdr)
        else:
            packet = _packet(data, cdr=self.cdr)
            columns = self._unpack(packet, geometry, salvage=sink.salvage)
        late_us = sink.reorder_us
        _check(columns, geometry, EARLIEST_US if sink.salvage else sink.last_us - late_us, late_us)
        count = len(columns.t)
        room = sink.room(count)
        for name in ("t", "x", "y", "p"):
            getattr(room, name)[:count] = getattr(columns, name)
        if sink.salvage:
            room.share(start, stop, count)
        sink.commit(count)

    def _unpack(self, packet: _Packet, geometry: Geometry, *, salvage: bool) -> Columns:
        if packet.encoding == "evt3":
            return self._unpack_evt3(packet.events, geometry)
        if packet.encoding == "libcaer_cmp":
            return _unpack_compressed(packet, geometry)
        if packet.encoding not in ENCODINGS:
            message = f"events are packed as {packet.encoding!r}; read are {', '.join(ENCODINGS)}"
            raise FormatError(message)
        if len(packet.events) % 8:
            raise MessageError("a message ends inside an event")
        words = np.frombuffer(packet.events, "<u4").reshape(-1, 2).astype(np.int64)
        return _mono(words, packet.time_base) if packet.encoding == "mono" else _libcaer(words, packet.time_base)

    def _unpack_evt3(self, events: bytes, geometry: Geometry) -> Columns:
        from sensors.formats.kernels.evt3 import decode

        if len(events) % 2:
            raise MessageError("a message ends inside an event")
        words = np.frombuffer(events, np.uint16).copy()  # writable, as the compiled loop was made for
        limits = np.array([geometry.width, geometry.height, 1 << 62, 0], np.int64)  # order is checked later
        state, self._evt3 = self._evt3, np.array(START, np.int64)  # after damage, start anew
        parts, used = [], 0
        while used < words.size:
            room = Columns.of(max(words.size - used, 12), with_offsets=False)
            consumed, filled, _, verdict = decode(words[used:], 0, limits, state, room, np.empty((0, 4), np.int64))
            if verdict > SOUND:
                message = f"{REASONS[verdict]} in an EVT3 message"
                raise MessageError(message)
            parts.append(room.part(0, filled))
            used += consumed
        self._evt3 = state
        return _joined(parts)


def _joined(parts: list[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    parts = parts or [Columns.of(0, with_offsets=False)]
    return Columns(*(np.concatenate([part[i] for part in parts]) for i in range(6)))


def _columns(t: Int64Array, x: Int64Array, y: Int64Array, p: npt.NDArray[np.bool_]) -> Columns:
    if x.size and (int(x.max()) > 65535 or int(y.max()) > 65535):
        raise MessageError("an event lies outside any sensor")
    none = np.empty(0, np.int64)
    return Columns(t, x.astype(np.uint16), y.astype(np.uint16), p, none, none)


def _mono(words: Int64Array, time_base: int) -> Columns:
    """Unpack ``mono``: nanoseconds since the time base, column, row, polarity."""
    t = (_signed(time_base) + words[:, 0]) // 1000
    return _columns(t, words[:, 1] & 0xFFFF, (words[:, 1] >> 16) & 0x7FFF, words[:, 1] >> 31 == 1)


def _libcaer(words: Int64Array, time_base: int) -> Columns:
    """Unpack ``libcaer``: AEDAT 3 polarity events, microseconds since a time base in nanoseconds."""
    overflows = np.cumsum(np.diff(words[:, 1], prepend=words[:1, 1]) < 0) << 31
    t = _signed(time_base) // 1000 + words[:, 1] + overflows
    return _columns(t, words[:, 0] >> 17, (words[:, 0] >> 2) & 0x7FFF, (words[:, 0] >> 1) & 1 == 1)


def _unpack_compressed(packet: _Packet, geometry: Geometry) -> Columns:
    from sensors.formats.kernels.libcaer import unpack

    if len(packet.events) % 2:
        raise MessageError("a message ends inside an event")
    words = np.frombuffer(packet.events, np.uint16)
    room = Columns.of(8 * words.size, with_offsets=False)
    filled, verdict = unpack(words, _signed(packet.time_base), geometry.width, geometry.height, room)
    if verdict != SOUND:
        message = f"{REASONS[verdict]} in a libcaer_cmp message"
        raise MessageError(message)
    return room.part(0, filled)


def _signed(time_base: int) -> int:
    if time_base >= 1 << 62:
        message = f"a message has a time base of {time_base}"
        raise MessageError(message)
    return time_base


def _array(data: bytes, *, cdr: bool) -> Columns:
    """Unpack an ``EventArray``: a structure of column, row, time and polarity for each event."""
    fields = _Fields(data, cdr=cdr)
    _header(fields, cdr=cdr)
    count = fields.number("I")
    x, y, seconds, nanoseconds, p = _array_columns(fields, count, cdr=cdr)
    return _columns(seconds * 1_000_000 + nanoseconds // 1000, x, y, p != 0)


def _array_columns(fields: _Fields, count: int, *, cdr: bool) -> list[Int64Array]:
    """Return column, row, seconds, nanoseconds and polarity of each event.

    ROS 1 packs 13 bytes. In CDR the time is aligned to 4 bytes and comes every 16; column and row are aligned to 2, so
    those of the first event lie 4 bytes before its time, those of all others 6.
    """
    packed = np.dtype([("x", "<u2"), ("y", "<u2"), ("s", "<u4"), ("ns", "<u4"), ("p", "u1")])
    if not cdr:
        events = np.frombuffer(fields.raw(count * packed.itemsize), packed)
        return [events[name].astype(np.int64) for name in packed.names or ()]
    raw = np.frombuffer(fields.raw(16 * count - 3 if count else 0) + bytes(3), np.uint8)[: 16 * count].reshape(-1, 16)
    before = np.concatenate([np.roll(raw, 1, axis=0)[:, 14:], raw[:, :2]], axis=1)
    before[:1] = raw[:1, :4]
    place = np.ascontiguousarray(before).view("<u2").astype(np.int64)
    time = np.ascontiguousarray(raw[:, 4:12]).view("<u4").astype(np.int64)
    return [place[:, 0], place[:, 1], time[:, 0], time[:, 1], raw[:, 12].astype(np.int64)]


def _check(columns: Columns, geometry: Geometry, floor_us: int, late_us: int) -> None:
    if not len(columns.t):
        return
    if int(columns.x.max()) >= geometry.width or int(columns.y.max()) >= geometry.height:
        raise MessageError("an event lies outside the sensor")
    latest = np.maximum.accumulate(columns.t)
    if int(columns.t[0]) < floor_us or bool(np.any(columns.t < latest - late_us)):
        raise MessageError("time goes back in a message")
