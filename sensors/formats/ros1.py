"""ROS 1 bags with messages of events: read record by record, so that an unindexed or cut bag still gives its events.

After wiki.ros.org/Bags/Format/2.0: a record is a header of ``name=value`` fields and data; messages lie in chunks.
"""

from __future__ import annotations

import bz2
import re
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hil.errors import DamagedFileError
from sensors.formats.compression import PayloadError, lz4_frame
from sensors.formats.packets import PacketWalk, scan
from sensors.formats.recording import Steps
from sensors.formats.ros import BagFormat, Topic

__all__ = ["FORMAT", "Ros1"]

MAX_RECORD_BYTES = 1 << 28
MESSAGE, BAG_HEADER, INDEX, CHUNK, CHUNK_INFO, CONNECTION = 2, 3, 4, 5, 6, 7
READ_KINDS = (MESSAGE, CHUNK, CONNECTION)
CHUNK_MARK = re.compile(rb"compression=(?:none|lz4|bz2)")
FIRST_FIELD, SECOND_FIELD = 8, 16  # how far into a record the chunk mark lies when it is its first or second field


class Ros1(BagFormat):
    """The ``SourceFormat`` of ROS 1 bags; option ``topic``, by default the first that holds events."""

    name = "ros1"
    about = "ROS 1 bag with event_camera_msgs or dvs_msgs (.bag)"
    signature = b"#ROSBAG V2.0\n"

    def steps(self, path: Path, topic: Topic) -> Steps:
        """Walk over the records."""
        with path.open("rb") as file:
            yield from _Walk(file, path.stat().st_size, topic).run()


class _Record(NamedTuple):
    """One record; ``data`` only where it is of a kind that we read."""

    kind: int
    fields: dict[bytes, bytes]
    data: bytes
    end: int

    def number(self, name: bytes) -> int:
        value = self.fields.get(name, b"")
        if len(value) != 4:
            message = f"a record has no number {name.decode()!r}"
            raise PayloadError(message)
        return int.from_bytes(value, "little")

    def text(self, name: bytes) -> str:
        return self.fields.get(name, b"").decode("latin-1")


def _length(data: bytes, position: int, limit: int) -> int:
    """Return the length at a place, which must leave room for it before the limit."""
    if position + 4 > len(data):
        raise PayloadError("a record is cut short")
    length: int = struct.unpack_from("<I", data, position)[0]
    if length > min(limit - position - 4, MAX_RECORD_BYTES):
        message = f"a record claims {length} bytes, but {limit - position - 4} are left"
        raise PayloadError(message)
    return length


def _fields(header: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    position = 0
    while position < len(header):
        length = _length(header, position, len(header))
        name, equals, value = header[position + 4 : position + 4 + length].partition(b"=")
        if not equals:
            raise PayloadError("a record header is no list of fields")
        fields[name] = value
        position += 4 + length
    return fields


def _kind(fields: dict[bytes, bytes]) -> int:
    value = fields.get(b"op", b"")
    if len(value) != 1 or not MESSAGE <= value[0] <= CONNECTION:
        message = f"a record is of unknown kind {value!r}"
        raise PayloadError(message)
    return value[0]


def _record_in(data: bytes, start: int) -> _Record:
    """Parse the record at a place of a chunk."""
    header_bytes = _length(data, start, len(data))
    data_start = start + 8 + header_bytes
    data_bytes = _length(data, data_start - 4, len(data))
    fields = _fields(data[start + 4 : data_start - 4])
    return _Record(_kind(fields), fields, data[data_start : data_start + data_bytes], data_start + data_bytes)


class _Walk(PacketWalk):
    """One pass over the records of a bag."""

    def __init__(self, file: BinaryIO, end: int, topic: Topic) -> None:
        super().__init__(file, topic.sink, len(Ros1.signature), end)
        self._topic = topic

    def take(self, position: int) -> int:
        """Read one record; messages outside chunks count, too."""
        try:
            record = self._record_at(position)
            if record.kind == CHUNK:
                self._take_chunk(record, position, _decompress(record))
            else:
                self._take_record(record, position, record.end)
        except PayloadError as error:
            raise DamagedFileError(str(error), offset_bytes=position) from error
        return record.end

    def _record_at(self, position: int) -> _Record:
        left = self.end - position
        header_bytes = _length(self.read(position, 4), 0, left)
        head = self.read(position, header_bytes + 8)
        data_bytes = _length(head, header_bytes + 4, left)
        fields = _fields(head[4 : 4 + header_bytes])
        kind, data_start = _kind(fields), position + header_bytes + 8
        data = self.read(data_start, data_bytes) if kind in READ_KINDS else b""
        return _Record(kind, fields, data, data_start + data_bytes)

    def _take_chunk(self, chunk: _Record, start: int, raw: bytes) -> None:
        """Take a chunk's records, each with its share of the chunk; in salvage, what is behind a broken one is lost."""
        length = chunk.end - start
        at = 0
        while at < len(raw):
            try:
                record = _record_in(raw, at)
                shares = (start + place * length // len(raw) for place in (at, record.end))
                self._take_record(record, *shares)
                at = record.end
            except PayloadError as error:
                if not self.sink.salvage:
                    raise
                lost = start + at * length // len(raw)
                self.sink.account.add(lost, chunk.end - lost, str(error), events=None)
                return

    def _take_record(self, record: _Record, start: int, stop: int) -> None:
        if record.kind == CONNECTION:
            message_type = _fields(record.data).get(b"type", b"").decode("latin-1")
            self._topic.declare(record.number(b"conn"), record.text(b"topic"), message_type, cdr=False)
        elif record.kind == MESSAGE:
            self._topic.take(record.number(b"conn"), record.data, start, stop)

    def resume(self, position: int) -> int:
        """Look for the next chunk."""
        while places := scan(self, position, CHUNK_MARK, FIRST_FIELD, SECOND_FIELD):
            for place in places:
                for start in (place, place - SECOND_FIELD + FIRST_FIELD):
                    if start >= position and self._is_chunk(start):
                        return start
            position = places[-1] + 1
        return self.end

    def _is_chunk(self, position: int) -> bool:
        try:
            return self._record_at(position).kind == CHUNK
        except PayloadError:
            return False


def _decompress(chunk: _Record) -> bytes:
    compression, size = chunk.text(b"compression"), chunk.number(b"size")
    if size > MAX_RECORD_BYTES:
        message = f"a chunk claims to hold {size} bytes, at most {MAX_RECORD_BYTES} are read"
        raise PayloadError(message)
    if compression == "none":
        raw = chunk.data
    elif compression == "lz4":
        raw = lz4_frame(chunk.data, size)
    elif compression == "bz2":
        raw = _bz2(chunk.data, size)
    else:
        message = f"a chunk is compressed as {compression!r}; read are none, lz4 and bz2"
        raise PayloadError(message)
    if len(raw) != size:
        message = f"a chunk holds {len(raw)} bytes, but claims {size}"
        raise PayloadError(message)
    return raw


def _bz2(data: bytes, size: int) -> bytes:
    try:
        return bz2.BZ2Decompressor().decompress(data, size + 1)
    except (OSError, ValueError) as error:
        message = f"bzip2 data is broken: {error}"
        raise PayloadError(message) from error


FORMAT = Ros1()
