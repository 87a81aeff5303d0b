"""MCAP files with messages of events, as ROS 2 records them: read record by record, with the chunks' checksums.

After mcap.dev, "MCAP Format Specification": a record is an opcode, a 64-bit length and content.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hil.errors import DamagedFileError
from sensors.formats.compression import PayloadError, lz4_frame, zstd_frame
from sensors.formats.packets import PacketWalk, scan
from sensors.formats.recording import Steps
from sensors.formats.ros import BagFormat, Topic

__all__ = ["FORMAT", "Mcap"]

MAX_RECORD_BYTES = 1 << 28
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F
READ_OPCODES = (SCHEMA, CHANNEL, MESSAGE, CHUNK)
CHUNK_HEAD = struct.Struct("<QQQI")
CHUNK_MARK = re.compile(
    rb"\x06.{5}\x00\x00\x00.{28}(?:\x00\x00\x00\x00|\x03\x00\x00\x00lz4|\x04\x00\x00\x00zstd)", re.DOTALL
)
CHUNK_MARK_BYTES = 45


class Mcap(BagFormat):
    """The ``SourceFormat`` of MCAP files; option ``topic``, by default the first that holds events."""

    name = "mcap"
    about = "MCAP with event_camera_msgs or dvs_msgs, ROS 2 (.mcap)"
    signature = b"\x89MCAP0\r\n"

    def steps(self, path: Path, topic: Topic) -> Steps:
        """Walk over the records of the data section."""
        with path.open("rb") as file:
            yield from _Walk(file, path.stat().st_size, topic).run()


class _Record(NamedTuple):
    """One record; ``content`` only where it is of a kind that we read."""

    opcode: int
    content: bytes
    end: int


class _Walk(PacketWalk):
    """One pass over the records up to the end of the data section; what follows is an index we do not need."""

    def __init__(self, file: BinaryIO, end: int, topic: Topic) -> None:
        super().__init__(file, topic.sink, len(Mcap.signature), end)
        self._topic = topic
        self._types: dict[int, str] = {}

    def take(self, position: int) -> int:
        """Read one record."""
        try:
            record = self._record_at(position)
            if record.opcode in (DATA_END, FOOTER):
                return self._finish(position)
            if record.opcode == CHUNK:
                self._take_chunk(position, record.end, *_decompress(record.content))
            else:
                self._take_record(record.opcode, record.content, position, record.end)
        except (PayloadError, struct.error) as error:
            raise DamagedFileError(f"a record is broken: {error}", offset_bytes=position) from error
        return record.end

    def _record_at(self, position: int) -> _Record:
        head = self.read(position, 9)
        if len(head) < 9:
            raise PayloadError("the file ends inside a record")
        opcode, length = struct.unpack("<BQ", head)
        left = self.end - position - 9
        if not opcode or length > left or (opcode in READ_OPCODES and length > MAX_RECORD_BYTES):
            message = f"a record of kind {opcode} claims {length} bytes, but {left} are left"
            raise PayloadError(message)
        content = self.read(position + 9, length) if opcode in READ_OPCODES else b""
        return _Record(opcode, content, position + 9 + length)

    def _finish(self, position: int) -> int:
        magic = Mcap.signature
        if self.read(self.end - len(magic), len(magic)) != magic:
            raise DamagedFileError("the file does not end as it began: it is cut short", offset_bytes=position)
        return self.end

    def _take_chunk(self, start: int, stop: int, raw: bytes, problem: str) -> None:
        """Take a chunk's records, each with its share of the chunk; in salvage, what is behind a broken one is lost."""
        at = 0
        if problem and not self.sink.salvage:
            raise PayloadError(problem)
        try:
            for opcode, content, begin, end in _records_in(raw):
                shares = (start + place * (stop - start) // len(raw) for place in (begin, end))
                self._take_record(opcode, content, *shares)
                at = end
        except (PayloadError, struct.error) as error:
            if not self.sink.salvage:
                raise
            lost = start + at * (stop - start) // max(len(raw), 1)
            self.sink.account.add(lost, stop - lost, str(error), events=None)

    def _take_record(self, opcode: int, content: bytes, start: int, stop: int) -> None:
        if opcode == SCHEMA:
            (number,) = struct.unpack_from("<H", content)
            self._types[number] = _text(content, 2)[0]
        elif opcode == CHANNEL:
            number, schema = struct.unpack_from("<HH", content)
            name, after = _text(content, 4)
            encoding, _ = _text(content, after)
            self._topic.declare(number, name, self._types.get(schema, ""), cdr=encoding != "ros1")
        elif opcode == MESSAGE:
            (number,) = struct.unpack_from("<H", content)
            self._topic.take(number, content[22:], start, stop)

    def resume(self, position: int) -> int:
        """Look for the next chunk, and where the index of a sound end starts."""
        while places := scan(self, position, CHUNK_MARK, 0, CHUNK_MARK_BYTES):
            for place in places:
                if self._is_chunk(place):
                    return place
            position = places[-1] + 1
        return self.end

    def _is_chunk(self, position: int) -> bool:
        try:
            _decompress(self._record_at(position).content)
        except (PayloadError, struct.error):
            return False
        return True


def _text(content: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", content, position)
    end = position + 4 + length
    if end > len(content):
        raise PayloadError("a text is longer than its record")
    return content[position + 4 : end].decode("latin-1"), end


def _records_in(raw: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield opcode, content, start and end of a chunk's records."""
    at = 0
    while at < len(raw):
        opcode, length = struct.unpack_from("<BQ", raw, at)
        end = at + 9 + length
        if end > len(raw):
            message = f"a record of a chunk claims {length} bytes, but {len(raw) - at - 9} are left"
            raise PayloadError(message)
        yield opcode, raw[at + 9 : end], at, end
        at = end


def _decompress(content: bytes) -> tuple[bytes, str]:
    """Return a chunk's records, and what is wrong with them as a whole."""
    _, _, size, checksum = CHUNK_HEAD.unpack_from(content)
    compression, after = _text(content, CHUNK_HEAD.size)
    (length,) = struct.unpack_from("<Q", content, after)
    data = content[after + 8 :]
    if length != len(data) or size > MAX_RECORD_BYTES:
        message = f"a chunk claims {length} bytes that hold {size}, but has {len(data)}"
        raise PayloadError(message)
    if compression == "lz4":
        raw = lz4_frame(data, size)
    elif compression == "zstd":
        raw = zstd_frame(data, size)
    elif not compression:
        raw = data
    else:
        message = f"a chunk is compressed as {compression!r}; read are none, lz4 and zstd"
        raise PayloadError(message)
    if len(raw) != size:
        message = f"a chunk holds {len(raw)} bytes, but claims {size}"
        raise PayloadError(message)
    if checksum and zlib.crc32(raw) != checksum:
        return raw, "the checksum of a chunk is wrong"
    return raw, ""


FORMAT = Mcap()
