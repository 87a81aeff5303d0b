"""AEDAT 2, the recordings of jAER: 32-bit addresses whose meaning the chip's name in the header decides.

After docs.inivation.com ("AEDAT 2.0") and jAER's extractors: both axes are stored mirrored and row 0 lies at the
bottom, so column c is our width - 1 - c and row r our height - 1 - r. A DVS128 sends 0 in bit 0 for ON (jAER's
DVS128 class; the vendor's page says 1: option ``on_bit``). Frames, inertia and special events are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hil.errors import FormatError, InvalidValueError
from hil.registry import refuse_unknown_options
from hil.types import Geometry
from sensors.formats import options as option
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel, WordStream

__all__ = ["FORMAT", "Aedat2"]

VERSION_LINE = b"#!AER-DAT2.0"
END_LINE = b"#End Of ASCII Header"
LONGEST_HEADER = 1 << 22  # jAER writes all preferences of the chip into it
EVENT_BYTES = 8


class Chip(NamedTuple):
    """How one family of chips makes addresses."""

    size: Geometry
    other_mask: int
    x_shift: int
    x_mask: int
    y_shift: int
    y_mask: int
    p_shift: int
    on_bit: int


def _davis(width: int, height: int) -> Chip:
    return Chip(Geometry(width, height), 0x80000400, 12, 0x3FF, 22, 0x1FF, 11, 1)


CHIPS: Mapping[str, Chip] = {
    "dvs128": Chip(Geometry(128, 128), 0x8000, 1, 0x7F, 8, 0x7F, 0, 0),
    "davis240": _davis(240, 180),
    "davis208": _davis(208, 192),
    "davis128": _davis(128, 128),
    "davis346": _davis(346, 260),
    "davis640": _davis(640, 480),
}
OTHER_NAMES = {"sbret10": "davis240", "davis240a": "davis240", "dvs128": "dvs128", "tmpdiff128": "dvs128"}


class Aedat2:
    """The ``SourceFormat`` of AEDAT 2 files; options ``chip`` where the header names none, and ``on_bit``."""

    name = "aedat2"
    about = "AEDAT 2, jAER: DVS128 and DAVIS cameras (.aedat)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the version line."""
        return head.startswith(VERSION_LINE)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``chip``, ``on_bit``."""
        refuse_unknown_options(options, ["chip", "on_bit"], of=self.name)
        with path.open("rb") as file:
            head = file.read(LONGEST_HEADER)
        if not head.startswith(VERSION_LINE):
            message = f"an AEDAT 2 file starts with {VERSION_LINE!r}"
            raise FormatError(message)
        start = _header_end(head)
        name = options.get("chip") or _chip_name(head[:start])
        if name not in CHIPS:
            message = f"the chip is {name or 'not named'}; say which with option chip: {', '.join(CHIPS)}"
            raise InvalidValueError(message)
        chip = CHIPS[name]
        on_bit = option.number(options, "on_bit", chip.on_bit, low=0, high=1)
        limits = (chip.size.width, chip.size.height, *chip[1:-1], on_bit)
        stream = WordStream(path, start, np.uint8, _kernel, limits, (EARLIEST_US, 0, 0), EVENT_BYTES, events_when_cut=1)
        layout = Layout(self.name, chip.size, (path.stat().st_size - start) // EVENT_BYTES)
        return FileRecording(path, layout, stream.decode, salvage=salvage)


def _header_end(head: bytes) -> int:
    """Return where the lines of text end; binary data that happens to start with # is no text."""
    position = 0
    while head.startswith(b"#", position):
        stop = head.find(b"\n", position)
        line = head[position : stop + 1]
        if stop < 0 or not all(byte >= 0x20 or byte in b"\t\r\n" for byte in line):
            break
        position = stop + 1
        if line.startswith(END_LINE):
            break
    return position


def _chip_name(header: bytes) -> str:
    found = re.search(rb"^# *AEChip: *([\w.]+)", header, re.MULTILINE)
    if not found:
        return ""
    name = found[1].decode("latin-1").rpartition(".")[2].lower()
    family = re.match(r"davis\d{3}", name)
    return OTHER_NAMES.get(name) or (family[0] if family else name)


def _kernel() -> Kernel:
    from sensors.formats.kernels.aer import decode_camera

    return decode_camera


FORMAT = Aedat2()
