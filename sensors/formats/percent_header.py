"""The text before Prophesee recordings, lines of ``% key value``, and the sensor sizes that old headers leave out.

Facts after the vendor's documentation (docs.prophesee.ai, "RAW file header") and the table of systems in openeb's
``psee_raw_file_header.cpp`` and ``device_system_id.h``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import BinaryIO

from hil.errors import DamagedFileError
from hil.types import Geometry

__all__ = ["LONGEST_LINE", "PercentHeader", "parse", "read"]

HEAD_BYTES = 4096
LONGEST_LINE = 1024
LONGEST_HEADER = 1 << 16
TEXT = re.compile(rb"[\t\r\x20-\xff]*")

GEN3 = Geometry(640, 480)
GEN4 = Geometry(1280, 720)
GENX320 = Geometry(320, 320)

SYSTEMS: Mapping[str, Geometry] = MappingProxyType(
    {
        **dict.fromkeys(map(str, (21, 23, 25, 28, 29, 33, 34, 35, 40, 41, 151, 153, 161, 162)), GEN3),
        **dict.fromkeys(map(str, (26, 30, 31, 32, 39, 46, 48, 49, 50, 52, 53, 54, 58, 65, 66, 154)), GEN4),
        **dict.fromkeys(map(str, (59, 64)), GENX320),
    }
)
ENCODINGS: Mapping[str, str] = MappingProxyType(
    {"EVT2": "evt2", "EVT21": "evt21", "EVT3": "evt3", "2.0": "evt2", "2.1": "evt21", "3.0": "evt3"}
)


@dataclass(frozen=True, slots=True)
class PercentHeader:
    """What the lines say.

    Attributes:
        fields: Value by key, both as written.
        start: Byte offset of what follows the header.
    """

    fields: Mapping[str, str]
    start: int

    @property
    def format_options(self) -> Mapping[str, str]:
        """Settings of the ``format`` line, such as width and height."""
        parts = self.fields.get("format", "").split(";")[1:]
        return dict(part.split("=", 1) for part in parts if "=" in part)

    @property
    def encoding(self) -> str:
        """Name of the event encoding, or nothing: ``evt2``, ``evt21``, ``evt3``."""
        name = self.fields.get("format", "").partition(";")[0]
        if name:
            return ENCODINGS.get(name, "")
        return ENCODINGS.get(self.fields.get("evt", ""), "")

    @property
    def legacy_words(self) -> bool | None:
        """Whether the two halves of a 64-bit word are swapped, as systems before Saphir wrote EVT 2.1; None unsaid."""
        written = self.format_options.get("endianness") or self.fields.get("endianness", "")
        if written:
            return written == "legacy"
        system = self.fields.get("system_ID", "")
        return 0 < int(system) < 0x37 if system.isdecimal() else None

    @property
    def start_us(self) -> int:
        """What faery took off every time and noted as ``t0``."""
        text = self.fields.get("t0") or self.fields.get("T0", "")
        return int(text) if text.isdecimal() and len(text) <= 18 else 0

    @property
    def geometry(self) -> Geometry | None:
        """Size of the sensor, stated or known from the system; None when nothing says it."""
        options = self.format_options
        stated = _size(options.get("width", ""), options.get("height", ""))
        stated = stated or _size(*_two(self.fields.get("geometry", "").split("x")))
        stated = stated or _size(self.fields.get("Width", ""), self.fields.get("Height", ""))
        return stated or SYSTEMS.get(self.fields.get("system_ID", ""))


def _two(parts: list[str]) -> tuple[str, str]:
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def _size(width: str, height: str) -> Geometry | None:
    if not (width.isdecimal() and height.isdecimal()) or max(len(width), len(height)) > 5:
        return None
    sizes = int(width), int(height)
    return Geometry(*sizes) if all(1 <= size <= 65536 for size in sizes) else None


@lru_cache(maxsize=16)  # five formats look at the same first bytes
def parse(data: bytes) -> PercentHeader:
    """Parse the header at the start of some bytes; it ends where a line is no text, or with ``% end``."""
    fields: dict[str, str] = {}
    position = 0
    while data.startswith(b"%", position):
        stop = data.find(b"\n", position, position + LONGEST_LINE)
        line = data[position:stop]
        if stop < 0 or not TEXT.fullmatch(line):
            break
        position = stop + 1
        key, _, value = line[1:].decode("latin-1").strip().partition(" ")
        if key == "end":
            break
        fields[key] = value.strip()
        if line.startswith(b"% Data file containing"):
            fields["contains"] = value
    return PercentHeader(MappingProxyType(fields), position)


def read(file: BinaryIO) -> PercentHeader:
    """Read the header at the start of a file.

    Raises:
        DamagedFileError: There is nothing but a header.
    """
    data = file.read(HEAD_BYTES)
    header = parse(data)
    if header.start + LONGEST_LINE > len(data):
        data += file.read(LONGEST_HEADER - len(data))
        header = parse(data)
    if header.start and header.start == len(data):
        raise DamagedFileError("the file ends with its header", offset_bytes=header.start)
    return header
