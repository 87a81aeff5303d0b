"""Payloads of the array verbs: little-endian, SI units, one mask bit a cell, row by row."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from boards.array.limits import Pulse, PulseKind
from hil.errors import LinkError
from hil.types import BoolArray, Float64Array

__all__ = ["Floats", "WriteOrder", "decode_json", "decode_pulse", "encode_json", "encode_pulse"]

AMPLITUDES = struct.Struct("<ddd")


def encode_pulse(pulse: Pulse, chosen: BoolArray) -> bytes:
    """Return line volt, gate volt, width and the mask of (rows, columns) cells."""
    return AMPLITUDES.pack(pulse.line_volt, pulse.gate_volt, pulse.width_s) + np.packbits(chosen).tobytes()


def decode_pulse(kind: PulseKind, payload: bytes, shape: tuple[int, int]) -> tuple[Pulse, BoolArray]:
    """Return a pulse and its mask.

    Raises:
        LinkError: The payload has another length.
    """
    cells = shape[0] * shape[1]
    if len(payload) != AMPLITUDES.size + -(-cells // 8):
        raise LinkError(f"pulse payload of {len(payload)} bytes does not fit an array of {shape[0]}x{shape[1]}")
    line_volt, gate_volt, width_s = AMPLITUDES.unpack_from(payload)
    bits = np.unpackbits(np.frombuffer(payload, np.uint8, offset=AMPLITUDES.size), count=cells)
    return Pulse(kind, line_volt, gate_volt, width_s), bits.reshape(shape).astype(bool)


@dataclass(frozen=True, slots=True, eq=False)
class WriteOrder:
    """What a board is told to write by itself: two levels, a window and a way.

    Attributes:
        on: (rows, columns) which cells end at the higher level.
        on_siemens: The higher level.
        off_siemens: The lower level.
        tolerance_siemens: Half the window.
        most_pulses: After so many a cell is given up.
        strategy: Index into the board's list of strategies.
    """

    on: BoolArray
    on_siemens: float
    off_siemens: float
    tolerance_siemens: float
    most_pulses: int
    strategy: int

    HEADER: ClassVar[struct.Struct] = struct.Struct("<dddHB")

    def encode(self) -> bytes:
        """Return the header and the mask."""
        levels = (self.on_siemens, self.off_siemens, self.tolerance_siemens)
        return self.HEADER.pack(*levels, self.most_pulses, self.strategy) + np.packbits(self.on).tobytes()

    @classmethod
    def decode(cls, payload: bytes, shape: tuple[int, int]) -> WriteOrder:
        """Return an order.

        Raises:
            LinkError: The payload has another length.
        """
        cells = shape[0] * shape[1]
        if len(payload) != cls.HEADER.size + -(-cells // 8):
            raise LinkError(f"write order of {len(payload)} bytes does not fit an array of {shape[0]}x{shape[1]}")
        on_siemens, off_siemens, tolerance_siemens, most_pulses, strategy = cls.HEADER.unpack_from(payload)
        bits = np.unpackbits(np.frombuffer(payload, np.uint8, offset=cls.HEADER.size), count=cells)
        return cls(bits.reshape(shape).astype(bool), on_siemens, off_siemens, tolerance_siemens, most_pulses, strategy)


class Floats:
    """Float32 arrays on the wire, with a count in front that is checked against what arrived."""

    HEADER = struct.Struct("<HH")

    @classmethod
    def encode(cls, values: Float64Array) -> bytes:
        """Return rows (u16), columns (u16) and the values."""
        return cls.HEADER.pack(*values.shape) + values.astype("<f4").tobytes()

    @classmethod
    def decode(cls, payload: bytes) -> Float64Array:
        """Return the (rows, columns) float64 values.

        Raises:
            LinkError: The payload is not as long as it says.
        """
        if len(payload) < cls.HEADER.size:
            raise LinkError(f"array payload of {len(payload)} bytes has no header")
        rows, columns = cls.HEADER.unpack_from(payload)
        if len(payload) != cls.HEADER.size + 4 * rows * columns:
            raise LinkError(f"array payload says {rows}x{columns}, but has {len(payload)} bytes")
        return np.frombuffer(payload, "<f4", offset=cls.HEADER.size).reshape(rows, columns).astype(np.float64)


def encode_json(document: dict[str, Any]) -> bytes:
    """Return a document as compact UTF-8 JSON."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def decode_json(payload: bytes) -> dict[str, Any]:
    """Return a document.

    Raises:
        LinkError: The payload is no JSON object.
    """
    try:
        document = json.loads(payload or b"{}")
    except ValueError as error:
        raise LinkError(f"expected a JSON object, but got {payload[:40]!r}") from error
    if not isinstance(document, dict):
        raise LinkError(f"expected a JSON object, but got {payload[:40]!r}")
    return document
