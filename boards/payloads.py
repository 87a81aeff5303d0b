"""What inputs and results look like inside a frame: as few bytes as their values need."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from hil.errors import LinkError
from hil.types import Int8Array, Int32Array

__all__ = ["DENSE", "SPARSE", "STAGED", "Answer", "decode_values", "encode_input", "infer_request"]

STAGED, DENSE, SPARSE = 0, 1, 2
TRACE = 1
VALUES = struct.Struct("<HBB")
ANSWER = struct.Struct("<QI")
WIDTHS = {1: "i1", 2: "<i2", 4: "<i4"}


def _sparse(values: Int8Array) -> bytes:
    """Return (gap, value) byte pairs: skip ``gap`` inputs, write the value; a value of 0 only skips."""
    at = np.flatnonzero(values)
    gaps = np.diff(at, prepend=-1) - 1
    pairs = np.stack([(gaps % 256).astype(np.uint8), values[at].view(np.uint8)], axis=1)
    skip = np.array([[255, 0]], np.uint8)
    if int(gaps.max(initial=0)) < 256:
        return pairs.tobytes()
    parts = [np.concatenate([np.repeat(skip, gap // 256, axis=0), pairs[i : i + 1]]) for i, gap in enumerate(gaps)]
    return np.concatenate(parts).tobytes()


def encode_input(values: Int8Array) -> tuple[int, bytes]:
    """Return the shorter encoding of (d_in,) inputs and its bytes."""
    sparse = _sparse(values)
    return (SPARSE, sparse) if len(sparse) < len(values) else (DENSE, values.tobytes())


def infer_request(encoding: int, data: bytes, *, outputs: int, trace: bool) -> bytes:
    """Return the payload of an INFER that asks for the first ``outputs`` results."""
    return struct.pack("<BBH", TRACE if trace else 0, encoding, outputs) + data


def decode_values(data: bytes) -> Int32Array:
    """Return (count,) values that a board packed into 1, 2 or 4 bytes each.

    Raises:
        LinkError: The bytes are not as many as they say.
    """
    if len(data) >= VALUES.size:
        count, width, _ = VALUES.unpack_from(data)
        if width in WIDTHS and len(data) == VALUES.size + count * width:
            return np.frombuffer(data, WIDTHS[width], offset=VALUES.size).astype(np.int32)
    message = f"a board's values must be as many as it says, but got {len(data)} bytes: {data[:8].hex()}"
    raise LinkError(message)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a board answers to INFER.

    Attributes:
        count: What its counter moved during the inference.
        executed: Inferences it has executed since power-up, this one included.
        outputs: The first results, as many as were asked for.
    """

    count: int
    executed: int
    outputs: Int32Array

    @classmethod
    def decode(cls, payload: bytes) -> Answer:
        """Read the payload of an answer to INFER.

        Raises:
            LinkError: It is too short.
        """
        if len(payload) < ANSWER.size:
            message = f"an answer to INFER has at least {ANSWER.size} bytes, but got {payload.hex()}"
            raise LinkError(message)
        count, executed = ANSWER.unpack_from(payload)
        return cls(count, executed, decode_values(payload[ANSWER.size :]))
