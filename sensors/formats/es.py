"""Event Stream (.es): DVS streams, and the events of ATIS streams; rows are counted from the top here.

After the specification at github.com/neuromorphic-paris/event_stream, version 2.0. It does not say where row 0 is; the
cameras it was made for, and faery, count from the bottom, so row r of the file is our row height - 1 - r.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hil.errors import DamagedFileError, FormatError
from hil.registry import refuse_unknown_options
from hil.types import Geometry
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.words import Kernel, WordStream

__all__ = ["FORMAT", "Es"]

SIGNATURE = b"Event Stream"
HEADER_BYTES = 20
EVENT_BYTES = 5
TYPES = {0: "generic", 1: "DVS", 2: "ATIS", 3: "asynchronous display", 4: "colour"}
FLAG_BITS = {1: 1, 2: 2}


class Es:
    """The ``SourceFormat`` of Event Stream files."""

    name = "es"
    about = "Event Stream, DVS and ATIS (.es)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the signature."""
        return head.startswith(SIGNATURE)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; it has no options."""
        refuse_unknown_options(options, [], of=self.name)
        with path.open("rb") as file:
            kind, geometry = _read_header(file.read(HEADER_BYTES))
        limits = (geometry.width, geometry.height, FLAG_BITS[kind])
        stream = WordStream(path, HEADER_BYTES, np.uint8, _kernel, limits, (0,), EVENT_BYTES)
        layout = Layout(self.name, geometry, path.stat().st_size // EVENT_BYTES)
        return FileRecording(path, layout, stream.decode, salvage=salvage)


def _read_header(head: bytes) -> tuple[int, Geometry]:
    if not head.startswith(SIGNATURE):
        message = f"an Event Stream file starts with {SIGNATURE!r}"
        raise FormatError(message)
    if len(head) < 16:
        raise DamagedFileError("the file ends inside its header", offset_bytes=len(head))
    major, kind = head[12], head[15]
    if major != 2:
        message = f"the file is of version {major} of Event Stream; version 2 is read"
        raise FormatError(message)
    if kind not in FLAG_BITS:
        message = f"the file holds a stream of type {TYPES.get(kind, kind)}; DVS and ATIS are read"
        raise FormatError(message)
    if len(head) < HEADER_BYTES:
        raise DamagedFileError("the file ends inside its header", offset_bytes=len(head))
    width, height = struct.unpack("<HH", head[16:20])
    if not width or not height:
        message = f"the header gives a sensor of {width} x {height}"
        raise DamagedFileError(message, offset_bytes=16)
    return kind, Geometry(width, height)


def _kernel() -> Kernel:
    from sensors.formats.kernels.es import decode

    return decode


FORMAT = Es()
