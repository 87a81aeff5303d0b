"""Prophesee DAT, 8-byte events behind a text header: both event types, both versions; reading and writing.

After docs.prophesee.ai, "DAT File Format": the header is followed by two bytes, the event type (0 Event2d, 12 EventCD,
14 trigger) and the event size. Version 2 has 14 bits of column and row each, version 1 had 9 and 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from hil.errors import DamagedFileError, FormatError
from hil.registry import refuse_unknown_options
from hil.types import EventBatch, Geometry
from sensors.formats import options as option
from sensors.formats import percent_header
from sensors.formats.geometry import SENSORS, smallest_sensor
from sensors.formats.percent_header import PercentHeader
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel, WordStream
from sensors.formats.writing import EventLimits, in_order, replacing

__all__ = ["FORMAT", "Dat", "write"]

EVENT_BYTES = 8
EVENT_TYPES = {0: "Event2d", 12: "EventCD"}
TRIGGER = 14
GUESS_BYTES = 1 << 20
LIMITS = EventLimits("DAT", Geometry(16384, 16384), first_us=1 << 32, longest_gap_us=1 << 30)


class Dat:
    """The ``SourceFormat`` of DAT files; options ``width`` and ``height`` where the header does not say."""

    name = "dat"
    about = "Prophesee DAT (.dat)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for a header that is not a RAW file's, and that says what it is or has the two bytes behind it."""
        header = percent_header.parse(head)
        if not header.start or header.encoding or "format" in header.fields:
            return False
        if "contains" in header.fields:
            return True
        after = head[header.start : header.start + 2]
        return len(after) == 2 and after[1] == EVENT_BYTES and after[0] in {*EVENT_TYPES, TRIGGER}

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``width``, ``height``."""
        refuse_unknown_options(options, ["width", "height"], of=self.name)
        with path.open("rb") as file:
            header = percent_header.read(file)
            file.seek(header.start)
            start = header.start + _check_type(file.read(2), header)
            file.seek(start)
            head = file.read(GUESS_BYTES)
        x_bits, y_bits = (14, 14) if _version(header) >= 2 else (9, 8)
        geometry, assumed = _geometry(header, options, head, x_bits, y_bits)
        limits = (geometry.width, geometry.height, x_bits, y_bits)
        stream = WordStream(
            path, start, np.uint64, _kernel, limits, (EARLIEST_US, 0, 0), EVENT_BYTES, events_when_cut=1
        )
        expected = (path.stat().st_size - start) // EVENT_BYTES
        layout = Layout(self.name, geometry, expected, assumed=assumed, start_us=header.start_us, resizable=True)
        return FileRecording(path, layout, stream.decode, salvage=salvage)


def _check_type(pair: bytes, header: PercentHeader) -> int:
    if not header.start:
        return 0  # files from before headers start with their first event
    if len(pair) < 2:
        raise DamagedFileError("the file ends behind its header", offset_bytes=header.start)
    if pair[0] == TRIGGER:
        raise FormatError("the file holds external triggers (type 14), no events of pixels")
    if pair[0] not in EVENT_TYPES or pair[1] != EVENT_BYTES:
        message = f"the file holds events of type {pair[0]} and {pair[1]} bytes; known: {EVENT_TYPES} of {EVENT_BYTES}"
        raise DamagedFileError(message, offset_bytes=header.start)
    return 2


def _version(header: PercentHeader) -> int:
    text = header.fields.get("Version", "2" if header.start else "1").partition(".")[0]
    return int(text) if text.isdecimal() else 2


def _geometry(
    header: PercentHeader, options: Mapping[str, str], head: bytes, x_bits: int, y_bits: int
) -> tuple[Geometry, str]:
    if header.geometry or {"width", "height"} <= options.keys():
        return option.geometry(options, header.geometry or Geometry(1, 1)), ""
    addresses = np.frombuffer(head, "<u4", count=len(head) // 8 * 2)[1::2]
    x, y = addresses & ((1 << x_bits) - 1), (addresses >> x_bits) & ((1 << y_bits) - 1)
    guess, assumed = smallest_sensor(x, y, SENSORS[3:-2])
    return option.geometry(options, guess), assumed


def _kernel() -> Kernel:
    from sensors.formats.kernels.dat import decode

    return decode


def write(path: Path, batches: Iterable[EventBatch], geometry: Geometry) -> int:
    """Write a recording as DAT version 2 with EventCD.

    Returns:
        How many events were written.

    Raises:
        InvalidValueError: The format cannot hold the sensor or the times, or the events are out of order.
    """
    from sensors.formats.kernels.dat import encode

    LIMITS.check_size(geometry)
    written = 0
    lines = ["Data file containing CD events", "Version 2", f"Width {geometry.width}", f"Height {geometry.height}"]
    with replacing(Path(path)) as file:
        file.write("".join(f"% {line}\n" for line in lines).encode() + bytes([12, EVENT_BYTES]))
        for batch in LIMITS.checked(in_order(batches, geometry)):
            words = np.empty(2 * len(batch), "<u4")
            encode(batch.t, batch.x, batch.y, batch.p, words)
            file.write(words.tobytes())
            written += len(batch)
    return written


FORMAT = Dat()
