"""Writes AEDAT 4 from columns, with the index, because dv-processing takes events one at a time only."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args
from xml.sax.saxutils import escape

import numpy as np

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.formats.aedat4_layout import COMPRESSIONS, INDEX_ENTRY, VERSION_LINE
from sensors.formats.writing import in_order, replacing

__all__ = ["Compression", "event_structure", "streams_header", "write"]

Compression: TypeAlias = Literal["none", "lz4", "zstd"]

STREAM = 0
EVENT_BYTES = 16
TABLE_POSITION = 54  # where the header holds the offset of the index, in a file with our header's layout


def write(
    path: Path,
    batches: Iterable[EventBatch],
    geometry: Geometry,
    *,
    compression: Compression = "lz4",
    source: str = "neuromorphic-hil",
    packet_events: int = 10_000,
) -> int:
    """Write a recording that any AEDAT 4 reader reads.

    Args:
        path: The file; it appears when it is complete.
        batches: Events in order of time; a batch may be empty.
        geometry: Size of the sensor, at most 32768 each way.
        compression: Of the packets.
        source: Name of the camera, as readers show it.
        packet_events: Most events in a packet.

    Returns:
        How many events were written.

    Raises:
        InvalidValueError: The events are out of order, or the sensor is too large for the format.
    """
    if max(geometry.width, geometry.height) > 32768:
        message = f"AEDAT4 holds sensors up to 32768 x 32768, but this one is {geometry.width} x {geometry.height}"
        raise InvalidValueError(message)
    if compression not in get_args(Compression):
        message = f"compression must be one of {', '.join(get_args(Compression))}, but is {compression!r}"
        raise InvalidValueError(message)
    compress = _compressor(compression)
    entries: list[tuple[int, int, int, int, int, int]] = []
    with replacing(Path(path)) as file:
        file.write(VERSION_LINE + streams_header(compression, geometry, source))
        for batch in in_order(batches, geometry):
            parts = (batch[start : start + packet_events] for start in range(0, len(batch), packet_events))
            entries.extend(_write_packet(file, part, compress) for part in parts)
        index_start = file.tell()
        file.write(compress(_index(entries)))
        file.seek(TABLE_POSITION)
        file.write(struct.pack("<q", index_start))
    return sum(entry[3] for entry in entries)


def _compressor(compression: Compression) -> Callable[[bytes], bytes]:
    if compression == "lz4":
        import lz4.frame

        return lambda raw: bytes(lz4.frame.compress(raw, store_size=False))
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor().compress
    return lambda raw: raw


def streams_header(compression: Compression, geometry: Geometry, source: str) -> bytes:
    """Return the size-prefixed flatbuffer that names the one stream of events, as files and sockets start with."""
    xml = _streams_xml(compression, geometry, source).encode() + b"\0"
    vtable = struct.pack("<5H", 10, 20, 4, 12, 8)
    table = struct.pack("<iiIq", len(vtable), COMPRESSIONS.index(compression), 12, -1)
    text = struct.pack("<I", len(xml) - 1) + xml
    body = struct.pack("<I4s6x", 24, b"IOHE") + vtable + table + text
    body += bytes(-len(body) % 4)
    return struct.pack("<I", len(body)) + body


def _streams_xml(compression: Compression, geometry: Geometry, source: str) -> str:
    return f"""<dv version="2.0">
    <node name="outInfo" path="/outInfo/">
        <node name="{STREAM}" path="/outInfo/{STREAM}/">
            <attr key="compression" type="string">{compression.upper()}</attr>
            <attr key="originalModuleName" type="string">neuromorphic-hil</attr>
            <attr key="originalOutputName" type="string">events</attr>
            <attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>
            <attr key="typeIdentifier" type="string">EVTS</attr>
            <node name="info" path="/outInfo/{STREAM}/info/">
                <attr key="sizeX" type="int">{geometry.width}</attr>
                <attr key="sizeY" type="int">{geometry.height}</attr>
                <attr key="source" type="string">{escape(source)}</attr>
            </node>
        </node>
    </node>
</dv>
"""


def event_structure(batch: EventBatch) -> bytes:
    """Return the size-prefixed flatbuffer of a batch's events, before compression."""
    from sensors.formats.kernels.aedat4 import pack

    words = np.empty(4 * len(batch), np.uint32)
    pack(batch.t, batch.x, batch.y, batch.p, words)
    head = struct.pack("<I4sHHHHiII", 16, b"EVTS", 0, 6, 8, 4, 6, 4, len(batch))
    body = head + words.astype("<u4", copy=False).tobytes()
    return struct.pack("<I", len(body)) + body


def _write_packet(
    file: BinaryIO, batch: EventBatch, compress: Callable[[bytes], bytes]
) -> tuple[int, int, int, int, int, int]:
    payload = compress(event_structure(batch))
    file.write(struct.pack("<ii", STREAM, len(payload)))
    start = file.tell()
    file.write(payload)
    return STREAM, len(payload), start, len(batch), int(batch.t[0]), int(batch.t[-1])


def _index(entries: list[tuple[int, int, int, int, int, int]]) -> bytes:
    """Return the index as a flatbuffer: one shared vtable, then tables of 44 bytes, each at 4 past a multiple of 8."""
    count = len(entries)
    columns = np.array(entries, INDEX_ENTRY)
    head = struct.pack("<I4sHHHHiII", 16, b"FTAB", 0, 6, 8, 4, 6, 4, count)
    vtable_start = len(head) + 4 * count
    first = -(-(vtable_start + 14) // 8) * 8
    tables = np.zeros(count, [("vtable", "<i4"), ("entry", _TABLE), ("padding", "V4")])
    starts = first + tables.itemsize * np.arange(count)
    tables["vtable"] = starts - vtable_start
    for name in INDEX_ENTRY.names or ():
        tables["entry"][name] = columns[name]
    slots = (starts - (len(head) + 4 * np.arange(count))).astype("<u4")
    vtable = struct.pack("<7H", 14, 44, 12, 4, 20, 28, 36)
    body = head + slots.tobytes() + vtable
    body += bytes(first - len(body)) + tables.tobytes()
    return struct.pack("<I", len(body)) + body


_TABLE = np.dtype([(name, INDEX_ENTRY[name]) for name in INDEX_ENTRY.names or ()])
