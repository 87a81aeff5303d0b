"""AEDAT 4, the recordings of iniVation cameras: read packet by packet with checks, so that damage can be stepped over.

We read the packets ourselves because dv-processing never returns from some broken files.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError, FormatError
from hil.registry import refuse_unknown_options
from sensors.formats import options as option
from sensors.formats.aedat4_layout import MAX_PACKET_BYTES, VERSION_LINE, Header, decompressor, read_header, read_index
from sensors.formats.aedat4_writer import write
from sensors.formats.compression import LZ4_MAGIC, ZSTD_MAGIC, PayloadError
from sensors.formats.flatbuffers import FlatbufferError, root
from sensors.formats.packets import PacketWalk, scan
from sensors.formats.recording import FileRecording, Layout, Steps
from sensors.formats.sink import EARLIEST_US, Sink
from sensors.formats.verdicts import REASONS, SOUND

__all__ = ["FORMAT", "Aedat4", "write"]

EVENT_BYTES = 16
USUAL_LAYOUT = struct.pack("<I4sHHHHiI", 16, b"EVTS", 0, 6, 8, 4, 6, 4)
READ_AHEAD_BYTES = 1 << 20
DENSEST = {"lz4": 255, "zst": 1 << 15}  # most bytes that one byte of a compressed packet can become
ABOUT_EVENT_BYTES = 6  # what an event of a real LZ4 recording takes


class Aedat4:
    """The ``SourceFormat`` of AEDAT4 files; option ``stream`` picks one of several event streams."""

    name = "aedat4"
    about = "AEDAT 4, iniVation DV cameras (.aedat4)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the version line."""
        return head.startswith(VERSION_LINE)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``stream``."""
        refuse_unknown_options(options, ["stream"], of=self.name)
        with path.open("rb") as file:
            header = read_header(file, path.stat().st_size)
        if header.has_index and header.packets_end == header.file_bytes and not salvage:
            message = "the header promises an index of packets beyond the end: the file is cut short"
            raise DamagedFileError(message, offset_bytes=header.file_bytes)
        stream = _pick_stream(header, options)
        layout = Layout(
            self.name,
            header.geometries[stream],
            expected_events=header.file_bytes // ABOUT_EVENT_BYTES,
            assumed=_assumed(header, stream, options),
        )

        def decode(sink: Sink) -> Steps:
            with path.open("rb", buffering=READ_AHEAD_BYTES) as file:
                yield from _Walk(file, header, stream, sink).run()

        return FileRecording(path, layout, decode, salvage=salvage)


def _pick_stream(header: Header, options: Mapping[str, str]) -> int:
    available = sorted(header.geometries)
    if not available:
        message = f"the file has no stream of events; its streams: {header.streams or 'none'}"
        raise FormatError(message)
    wanted = option.number(options, "stream", available[0], low=0, high=2**31 - 1)
    if wanted not in available:
        message = f"stream {wanted} holds no events; streams that do: {available}"
        raise FormatError(message)
    return wanted


def _assumed(header: Header, stream: int, options: Mapping[str, str]) -> str:
    if "stream" in options or len(header.geometries) == 1:
        return ""
    return f"stream {stream} of the streams of events {sorted(header.geometries)}; say otherwise with stream"


class _Packet(NamedTuple):
    """One packet as its header describes it."""

    start: int
    stream: int
    size: int


class _Walk(PacketWalk):
    """One pass over the packets of a file, checked against its index."""

    def __init__(self, file: BinaryIO, header: Header, stream: int, sink: Sink) -> None:
        super().__init__(file, sink, header.packets_start, header.packets_end)
        self._header = header
        self._stream = stream
        self._decompress = decompressor(header.compression)
        self._index = self._load_index()
        self._starts = None if self._index is None else np.ascontiguousarray(self._index["offset"])
        self._counts = None if self._index is None else np.ascontiguousarray(self._index["events"])
        self._cursor = 0

    def _load_index(self) -> npt.NDArray[np.void] | None:
        if not self._header.has_index:
            return None
        try:
            return read_index(self.file, self._header)
        except DamagedFileError as error:
            if not self.sink.salvage:
                raise
            length = self._header.file_bytes - self._header.packets_end
            if length:
                self.sink.account.add(self._header.packets_end, length, error.message, events=0)
            return None

    def take(self, position: int) -> int:
        """Read one packet; those of other streams are passed over."""
        packet = self._packet_at(position)
        if packet.stream == self._stream:
            self._unpack(packet, self._words(packet))
        else:
            self._cursor += 1
        return packet.start + 8 + packet.size

    def _packet_at(self, position: int) -> _Packet:
        head = self.read(position, 8)
        left = self.end - position
        if len(head) < 8 or left < 8:
            raise DamagedFileError("the file ends inside a packet header", offset_bytes=position)
        packet = _Packet(position, *struct.unpack("<ii", head))
        if packet.stream not in self._header.streams:
            message = f"a packet names stream {packet.stream}; the file has {sorted(self._header.streams)}"
            raise DamagedFileError(message, offset_bytes=position)
        if not 0 < packet.size <= min(left - 8, MAX_PACKET_BYTES):
            message = f"a packet claims {packet.size} bytes, but {left - 8} are left"
            raise DamagedFileError(message, offset_bytes=position)
        return packet

    def _words(self, packet: _Packet) -> npt.NDArray[np.uint64]:
        try:
            raw = self._decompress(self.read(packet.start + 8, packet.size))
            start, count = _events_in(raw)
        except (FlatbufferError, PayloadError) as error:
            raise DamagedFileError(f"a packet is broken: {error}", offset_bytes=packet.start) from error
        self._check_count(packet, count)
        words = np.frombuffer(raw, np.uint64, count=2 * count, offset=start) if count else np.frombuffer(b"", np.uint64)
        if not words.flags.aligned:
            words = words.copy()
            words.flags.writeable = False
        return words

    def _check_count(self, packet: _Packet, count: int) -> None:
        if self._starts is None or self._counts is None:
            return
        start, entry = packet.start + 8, self._cursor
        if entry >= len(self._starts) or self._starts[entry] != start:
            entry = int(np.searchsorted(self._starts, start))
        if entry >= len(self._starts) or self._starts[entry] != start or self._counts[entry] != count:
            message = f"a packet of {count} events is not the one that the index has there"
            raise DamagedFileError(message, offset_bytes=packet.start)
        self._cursor = entry + 1

    def _unpack(self, packet: _Packet, words: npt.NDArray[np.uint64]) -> None:
        from sensors.formats.kernels.aedat4 import unpack

        count = words.size // 2
        room = self.sink.room(count)
        geometry = self._header.geometries[self._stream]
        floor_us = EARLIEST_US if self.sink.salvage else self.sink.last_us
        sound, verdict = unpack(words, geometry.width, geometry.height, floor_us, room)
        if verdict != SOUND:
            message = f"{REASONS[verdict]} at event {sound} of a packet"
            raise DamagedFileError(message, offset_bytes=packet.start)
        if self.sink.salvage:
            room.share(packet.start, packet.start + 8 + packet.size, count)
        self.sink.commit(count)

    def resume(self, position: int) -> int:
        """Ask the index, or look for the next packet's mark."""
        if self._index is not None:
            starts = self._index["offset"] - 8
            after = int(np.searchsorted(starts, position))
            return int(starts[after]) if after < len(starts) else self.end
        mark, lead = _mark(self._header.compression)
        pattern = re.compile(re.escape(mark))
        while places := scan(self, position, pattern, lead, len(mark)):
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

    def events_between(self, start: int, stop: int) -> int | None:
        """Add up what the index says about a stretch, unless it claims more than the stretch can hold."""
        if self._index is None:
            return None
        starts = self._index["offset"] - 8
        ours = (starts >= start) & (starts < stop) & (self._index["stream"] == self._stream)
        events = sum(self._index["events"][ours].tolist())
        most_bytes = DENSEST.get(self._header.compression[:3], 1) * (stop - start)
        return events if events >= 0 and EVENT_BYTES * events <= most_bytes else None


def _events_in(raw: bytes) -> tuple[int, int]:
    """Return where a packet's events start and how many there are; nearly all packets are laid out alike."""
    if raw[4:28] == USUAL_LAYOUT:
        size, count = struct.unpack_from("<I", raw)[0], struct.unpack_from("<I", raw, 28)[0]
        if size + 4 <= len(raw) and 32 + EVENT_BYTES * count <= len(raw):
            return 32, count
    return root(raw, b"EVTS").vector(0, EVENT_BYTES)


def _mark(compression: str) -> tuple[bytes, int]:
    """Return bytes that every packet has, and how far behind the packet's start they lie."""
    if compression.startswith("lz4"):
        return LZ4_MAGIC, 8
    if compression.startswith("zstd"):
        return ZSTD_MAGIC, 8
    return b"\x10\x00\x00\x00EVTS", 12


FORMAT = Aedat4()
