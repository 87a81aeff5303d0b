"""The fixed parts of an AEDAT4 file: its header with the streams, and the index of its packets at the end.

After the format's description at docs.inivation.com ("AEDAT 4.0") and the schemas of dv-processing 2 (IOHeader.fbs,
FileDataTable.fbs): version line, size-prefixed ``IOHE`` flatbuffer with an XML tree of streams, packets of an
8-byte header (stream, size) and a compressed flatbuffer, and a compressed ``FTAB`` flatbuffer.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError, FormatError
from hil.types import Geometry
from sensors.formats.compression import Lz4Frames, PayloadError, zstd_frame
from sensors.formats.flatbuffers import FlatbufferError, root

__all__ = [
    "INDEX_ENTRY",
    "MAX_PACKET_BYTES",
    "VERSION_LINE",
    "Header",
    "decompress",
    "decompressor",
    "read_header",
    "read_index",
]

VERSION_LINE = b"#!AER-DAT4.0\r\n"
COMPRESSIONS = ("none", "lz4", "lz4_high", "zstd", "zstd_high")
MAX_HEADER_BYTES = 1 << 24
MAX_PACKET_BYTES = 1 << 28

INDEX_ENTRY = np.dtype(
    [
        ("stream", "<i4"),
        ("size", "<i4"),
        ("offset", "<i8"),
        ("events", "<i8"),
        ("start_us", "<i8"),
        ("end_us", "<i8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Header:
    """What the start of the file says.

    Attributes:
        compression: Of packets and index.
        streams: Four-letter type by stream number.
        geometries: Size of the sensor by number of an event stream.
        packets_start: Byte offset of the first packet.
        packets_end: Byte offset of the index, or of the end of the file where none was written.
        has_index: Whether the header names an index.
        file_bytes: Size of the file.
    """

    compression: str
    streams: dict[int, str]
    geometries: dict[int, Geometry]
    packets_start: int
    packets_end: int
    has_index: bool
    file_bytes: int


def read_header(file: BinaryIO, file_bytes: int) -> Header:
    """Read the header.

    Raises:
        FormatError: The version line is another's.
        DamagedFileError: The header is cut short or inconsistent.
    """
    if file.read(len(VERSION_LINE)) != VERSION_LINE:
        message = f"an AEDAT4 file starts with {VERSION_LINE!r}"
        raise FormatError(message)
    prefix = file.read(4)
    size = struct.unpack("<I", prefix)[0] if len(prefix) == 4 else 0
    start = len(VERSION_LINE)
    if not 0 < size <= min(MAX_HEADER_BYTES, file_bytes - start - 4):
        message = f"the header claims {size} bytes in a file of {file_bytes}"
        raise DamagedFileError(message, offset_bytes=start)
    try:
        table = root(prefix + file.read(size), b"IOHE")
        code, index_start, xml = table.integer(0, "<i"), table.integer(1, "<q"), table.string(2)
    except FlatbufferError as error:
        message = f"the header is inconsistent: {error}"
        raise DamagedFileError(message, offset_bytes=start) from error
    if not 0 <= code < len(COMPRESSIONS):
        message = f"the header names compression {code}; known: 0 to {len(COMPRESSIONS) - 1}"
        raise DamagedFileError(message, offset_bytes=start)
    streams, geometries = _streams(xml, start)
    packets_start = start + 4 + size
    has_index = index_start > 0
    in_file = packets_start <= index_start <= file_bytes
    return Header(
        COMPRESSIONS[code],
        streams,
        geometries,
        packets_start,
        index_start if in_file else file_bytes,
        has_index,
        file_bytes,
    )


def _streams(xml: bytes, offset: int) -> tuple[dict[int, str], dict[int, Geometry]]:
    try:
        if b"<!" in xml:
            raise ET.ParseError("document type declarations are not allowed")
        tree = ET.fromstring(xml.rstrip(b"\0").decode("utf-8"))  # noqa: S314  (no DTD can reach it)
    except (ET.ParseError, UnicodeDecodeError) as error:
        message = f"the list of streams is no XML: {error}"
        raise DamagedFileError(message, offset_bytes=offset) from error
    streams: dict[int, str] = {}
    geometries: dict[int, Geometry] = {}
    for node in tree.iterfind("./node[@name='outInfo']/node"):
        name = node.get("name", "")
        if re.fullmatch(r"\d{1,9}", name):
            stream = int(name)
            streams[stream] = _attribute(node, "typeIdentifier")
            info = node.find("./node[@name='info']")
            if streams[stream] == "EVTS" and info is not None:
                geometries[stream] = _geometry(info, offset)
    return streams, geometries


def _attribute(node: ET.Element, key: str) -> str:
    for attribute in node.iterfind("attr"):
        if attribute.get("key") == key:
            return (attribute.text or "").strip()
    return ""


def _geometry(info: ET.Element, offset: int) -> Geometry:
    width, height = _attribute(info, "sizeX"), _attribute(info, "sizeY")
    sizes = [int(text) if re.fullmatch(r"\d{1,6}", text) else 0 for text in (width, height)]
    if not all(1 <= size <= 32768 for size in sizes):
        message = f"the header gives the sensor {width or '?'} x {height or '?'} pixels; expected 1 to 32768 each"
        raise DamagedFileError(message, offset_bytes=offset)
    return Geometry(*sizes)


def decompress(data: bytes, compression: str) -> bytes:
    """Return the flatbuffer inside one payload; for many, keep a ``decompressor``.

    Raises:
        PayloadError: The payload is broken or too big.
    """
    return decompressor(compression)(data)


def decompressor(compression: str) -> Callable[[bytes], bytes]:
    """Return what gets the flatbuffer out of a payload; it raises ``PayloadError`` if that is broken or too big."""
    if compression == "none":
        return lambda data: data
    frame = Lz4Frames().decompress if compression.startswith("lz4") else zstd_frame
    return lambda data: frame(data, MAX_PACKET_BYTES)


def read_index(file: BinaryIO, header: Header) -> npt.NDArray[np.void]:
    """Read the index.

    Returns:
        (n_packets,) structures of ``INDEX_ENTRY``, in the order of the file.

    Raises:
        DamagedFileError: The index is missing, broken or points outside the packets.
    """
    start, size = header.packets_end, header.file_bytes - header.packets_end
    if not 0 < size <= MAX_PACKET_BYTES:
        message = f"the header promises an index of packets, but {size} bytes are left for it: the file is cut short"
        raise DamagedFileError(message, offset_bytes=start)
    file.seek(start)
    try:
        entries = _entries(decompressor(header.compression)(file.read(size)))
    except (FlatbufferError, PayloadError) as error:
        message = f"the index of packets is broken: {error}"
        raise DamagedFileError(message, offset_bytes=start) from error
    ends = entries["offset"] + entries["size"]
    before, after = entries["offset"] < header.packets_start + 8, entries["offset"] > start
    if np.any(before | after | (entries["size"] < 0) | (ends > start) | (entries["events"] < 0)):
        message = "the index of packets points outside the packets"
        raise DamagedFileError(message, offset_bytes=start)
    return np.sort(entries, order="offset")


def _entries(data: bytes) -> npt.NDArray[np.void]:
    start, count = root(data, b"FTAB").vector(0, 4)
    raw = np.frombuffer(data, np.uint8)
    slots = start + 4 * np.arange(count, dtype=np.int64)
    tables = slots + _gather(raw, slots, "<u4")
    vtables = tables - _gather(raw, tables, "<i4")
    vtable_bytes = _gather(raw, vtables, "<u2")
    entries = np.zeros(count, INDEX_ENTRY)

    def column(field: int, code: str, shift: int = 0) -> npt.NDArray[np.int64]:
        present = vtable_bytes >= 6 + 2 * field
        offsets = np.zeros(count, np.int64)
        offsets[present] = _gather(raw, vtables[present] + 4 + 2 * field, "<u2")
        values = np.zeros(count, np.int64)
        written = offsets > 0
        values[written] = _gather(raw, (tables + offsets)[written] + shift, code)
        return values

    entries["offset"] = column(0, "<i8")
    entries["stream"] = column(1, "<i4")
    entries["size"] = column(1, "<i4", shift=4)
    entries["events"] = column(2, "<i8")
    entries["start_us"] = column(3, "<i8")
    entries["end_us"] = column(4, "<i8")
    return entries


def _gather(raw: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64], code: str) -> npt.NDArray[np.int64]:
    size = np.dtype(code).itemsize
    if positions.size and not (positions.min() >= 0 and positions.max() <= raw.size - size):
        message = "an offset of the index points outside it"
        raise FlatbufferError(message)
    pieces = raw[positions[:, None] + np.arange(size)]
    values: npt.NDArray[np.int64] = np.ascontiguousarray(pieces).view(code)[:, 0].astype(np.int64)
    return values
