"""AEDAT 3.1, the recordings of cAER: packets of 28 bytes of header and events of one type and size.

After docs.inivation.com ("AEDAT 3.1") and libcaer's ``events/common.h`` and ``events/polarity.h``: little-endian;
an event is 32 bits of valid mark, polarity, row and column, counted from the upper left, and 31 bits of microseconds,
above which the packet says how often they overflowed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from hil.errors import DamagedFileError, FormatError
from hil.registry import refuse_unknown_options
from hil.types import Geometry
from sensors.formats import options as option
from sensors.formats.packets import PacketWalk, scan
from sensors.formats.recording import FileRecording, Layout, Steps
from sensors.formats.sink import EARLIEST_US, Sink
from sensors.formats.verdicts import REASONS, SOUND

__all__ = ["FORMAT", "Aedat3"]

VERSION_LINE = b"#!AER-DAT3.1\r\n"
END_LINE = b"#!END-HEADER\r\n"
LONGEST_HEADER = 1 << 20
HEADER_BYTES = 28
MAX_PACKET_BYTES = 1 << 28
POLARITY_TYPE, POLARITY_BYTES = 1, 8
POLARITY_MARK = re.compile(rb"\x01\x00..\x08\x00\x00\x00\x04\x00\x00\x00", re.DOTALL)
SOURCES = (
    ("DVS128", Geometry(128, 128)),
    ("EDVS", Geometry(128, 128)),
    ("DAVIS128", Geometry(128, 128)),
    ("DAVIS208", Geometry(208, 192)),
    ("DAVIS240", Geometry(240, 180)),
    ("DAVIS346", Geometry(346, 260)),
    ("DAVIS640", Geometry(640, 480)),
    ("DAVISHet640", Geometry(640, 480)),
    ("DVS132S", Geometry(132, 104)),
    ("DVXPLORER_LITE", Geometry(320, 240)),
    ("DVXPLORER", Geometry(640, 480)),
)


class Aedat3:
    """The ``SourceFormat`` of AEDAT 3.1 files; options ``width`` and ``height`` where the source is unknown."""

    name = "aedat3"
    about = "AEDAT 3.1, cAER: DVS128, DAVIS and DVXplorer cameras (.aedat)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the version line."""
        return head.startswith(VERSION_LINE)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``width``, ``height``."""
        refuse_unknown_options(options, ["width", "height"], of=self.name)
        with path.open("rb") as file:
            head = file.read(LONGEST_HEADER)
        start = _header_end(head)
        geometry = _geometry(head[:start], options)
        file_bytes = path.stat().st_size

        def decode(sink: Sink) -> Steps:
            with path.open("rb") as file:
                yield from _Walk(file, sink, start, file_bytes, geometry).run()

        layout = Layout(self.name, geometry, (file_bytes - start) // POLARITY_BYTES)
        return FileRecording(path, layout, decode, salvage=salvage)


def _header_end(head: bytes) -> int:
    if not head.startswith(VERSION_LINE):
        message = f"an AEDAT 3.1 file starts with {VERSION_LINE!r}"
        raise FormatError(message)
    end = head.find(END_LINE)
    if end < 0:
        message = f"the header does not end with {END_LINE!r}"
        raise DamagedFileError(message, offset_bytes=len(head))
    written = re.search(rb"^#Format: *(\S+)", head[:end], re.MULTILINE)
    if written and written[1] != b"RAW":
        message = f"the packets are stored as {written[1].decode('latin-1')!r}; RAW is read"
        raise FormatError(message)
    return end + len(END_LINE)


def _geometry(header: bytes, options: Mapping[str, str]) -> Geometry:
    source = re.search(rb"^#Source \d+: *(\S+)", header, re.MULTILINE)
    name = source[1].decode("latin-1") if source else ""
    known = [size for prefix, size in SOURCES if name.lower().startswith(prefix.lower())]
    if not known and not {"width", "height"} <= options.keys():
        message = f"the source is {name or 'not named'}, whose size is not known; say it with width and height"
        raise FormatError(message)
    return option.geometry(options, known[0] if known else Geometry(1, 1))


class _Packet(NamedTuple):
    """A packet's header, field by field."""

    kind: int
    source: int
    size: int
    time_offset: int
    overflow: int
    capacity: int
    number: int
    valid: int

    def problem(self, bytes_left: int) -> str:
        """Say what is inconsistent, or nothing."""
        if self.kind < 0 or self.size <= 0 or not 0 <= self.valid <= self.number <= self.capacity or self.overflow < 0:
            return f"a packet header is inconsistent: {tuple(self)}"
        if self.kind == POLARITY_TYPE and (self.size, self.time_offset) != (POLARITY_BYTES, 4):
            return f"a packet of polarity events has events of {self.size} bytes"
        needed = self.size * self.capacity
        if needed > min(bytes_left, MAX_PACKET_BYTES):
            return f"a packet claims {needed} bytes, but {bytes_left} are left"
        return ""


class _Walk(PacketWalk):
    """One pass over the packets of a file."""

    def __init__(self, file: BinaryIO, sink: Sink, start: int, end: int, geometry: Geometry) -> None:
        super().__init__(file, sink, start, end)
        self._geometry = geometry

    def take(self, position: int) -> int:
        """Read one packet; those of other types are passed over."""
        packet = self._packet_at(position)
        data_start = position + HEADER_BYTES
        if packet.kind == POLARITY_TYPE:
            self._unpack(packet, position, self.read(data_start, POLARITY_BYTES * packet.number))
        return data_start + packet.size * packet.capacity

    def _packet_at(self, position: int) -> _Packet:
        head = self.read(position, HEADER_BYTES)
        if len(head) < HEADER_BYTES:
            raise DamagedFileError("the file ends inside a packet header", offset_bytes=position)
        packet = _Packet(*struct.unpack("<hh6i", head))
        problem = packet.problem(self.end - position - HEADER_BYTES)
        if problem:
            raise DamagedFileError(problem, offset_bytes=position)
        return packet

    def _unpack(self, packet: _Packet, position: int, data: bytes) -> None:
        from sensors.formats.kernels.aedat3 import unpack

        room = self.sink.room(packet.number)
        floor_us = EARLIEST_US if self.sink.salvage else self.sink.last_us
        words = np.frombuffer(data, np.uint32)
        size = self._geometry
        filled, seen, verdict = unpack(words, packet.overflow << 31, size.width, size.height, floor_us, room)
        if verdict != SOUND:
            message = f"{REASONS[verdict]} at event {seen} of a packet"
            raise DamagedFileError(message, offset_bytes=position)
        if self.sink.salvage:
            room.share(position, position + HEADER_BYTES + packet.size * packet.capacity, filled)
        self.sink.commit(filled)

    def resume(self, position: int) -> int:
        """Look for the next packet of polarity events."""
        while places := scan(self, position, POLARITY_MARK, 0, HEADER_BYTES):
            for place in places:
                if self._plausible(place):
                    return place
            position = places[-1] + 1
        return self.end

    def _plausible(self, position: int) -> bool:
        try:
            self._packet_at(position)
        except DamagedFileError:
            return False
        return True


FORMAT = Aedat3()
