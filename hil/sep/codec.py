"""Turns a unit vector into the bytes of a message and back: how much meaning a byte can carry.

========== ======= =========================== =====================================================
name       packing bytes for 384 dimensions    what survives
========== ======= =========================== =====================================================
float32    1       1536                        everything
int8       2       384                         direction to 8 bits, scaled by the largest component
ternary    3       96                          the absmean rule's codes, two bits each
base3      4       77                          the same codes, five to a byte
========== ======= =========================== =====================================================

Every packing keeps the direction only: lengths carry no meaning here, so no scale travels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from hil.errors import FormatError, InvalidValueError, UnknownNameError
from hil.sep.trits import pack_base3, pack_two_bit, unpack_base3, unpack_two_bit
from hil.sep.vectors import unit
from hil.types import Float32Array, Int8Array

__all__ = ["CODECS", "MAX_DIMENSIONS", "Codec", "codec_named", "codec_of", "ternary_codes"]

MAX_DIMENSIONS = 65536
ABSMEAN_FLOOR = 1e-5
UNIT_TOLERANCE = 1e-5  # of a float32 vector's length: what it may miss one by and still be taken as it is


class Codec(Protocol):
    """One way to write a unit vector."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def packing(self) -> int:
        """Its number in ``events.proto``."""
        ...

    def encode(self, vector: Float32Array) -> bytes:
        """Return a (d,) vector of finite numbers as bytes."""
        ...

    def decode(self, blob: bytes, dimensions: int) -> Float32Array:
        """Return the (dimensions,) unit vector that the bytes stand for.

        Raises:
            FormatError: The bytes cannot come from a vector of so many dimensions.
        """
        ...


def ternary_codes(vector: Float32Array) -> Int8Array:
    """Return (d,) codes ``clamp(round(v / clamp(mean|v|, 1e-5)), -1, 1)`` of a vector (Ma et al., arXiv:2402.17764)."""
    wide = np.asarray(vector, dtype=np.float64)
    scale = max(float(np.abs(wide).mean()), ABSMEAN_FLOOR)
    codes: Int8Array = np.clip(np.rint(wide / scale), -1, 1).astype(np.int8)
    return codes


def _direction(vector: Float32Array) -> Float32Array:
    array = np.asarray(vector, dtype=np.float32)
    if array.ndim != 1 or not 1 <= len(array) <= MAX_DIMENSIONS:
        message = f"a vector to send has 1 to {MAX_DIMENSIONS} dimensions, but its shape is {array.shape}"
        raise InvalidValueError(message)
    return array if _has_unit_length(array) else unit(array)


def _has_unit_length(vector: Float32Array) -> bool:
    return abs(float(np.linalg.norm(vector.astype(np.float64))) - 1.0) <= UNIT_TOLERANCE


def _expect(blob: bytes, n_bytes: int, dimensions: int) -> None:
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        message = f"a vector has 1 to {MAX_DIMENSIONS} dimensions, but the message says {dimensions}"
        raise FormatError(message)
    if len(blob) != n_bytes:
        message = f"a vector of {dimensions} dimensions takes {n_bytes} bytes, but got {len(blob)}"
        raise FormatError(message)


@dataclass(frozen=True, slots=True)
class _Float32:
    name: str = "float32"
    packing: int = 1

    def encode(self, vector: Float32Array) -> bytes:
        return _direction(vector).astype("<f4").tobytes()

    def decode(self, blob: bytes, dimensions: int) -> Float32Array:
        _expect(blob, 4 * dimensions, dimensions)
        values = np.frombuffer(blob, "<f4").astype(np.float32)
        if values.any() and not _has_unit_length(values):
            message = "a float32 vector in a message must have unit length, but it has not"
            raise FormatError(message)
        return values


@dataclass(frozen=True, slots=True)
class _Int8:
    name: str = "int8"
    packing: int = 2

    def encode(self, vector: Float32Array) -> bytes:
        direction = _direction(vector).astype(np.float64)
        largest = np.abs(direction).max()
        return np.rint(direction * (127.0 / largest if largest else 0.0)).astype(np.int8).tobytes()

    def decode(self, blob: bytes, dimensions: int) -> Float32Array:
        _expect(blob, dimensions, dimensions)
        return unit(np.frombuffer(blob, np.int8))


@dataclass(frozen=True, slots=True)
class _Ternary:
    name: str = "ternary"
    packing: int = 3

    def encode(self, vector: Float32Array) -> bytes:
        return pack_two_bit(ternary_codes(_direction(vector)))

    def decode(self, blob: bytes, dimensions: int) -> Float32Array:
        _expect(blob, -(-dimensions // 4), dimensions)
        return unit(unpack_two_bit(blob, dimensions))


@dataclass(frozen=True, slots=True)
class _Base3:
    name: str = "base3"
    packing: int = 4

    def encode(self, vector: Float32Array) -> bytes:
        return pack_base3(ternary_codes(_direction(vector)))

    def decode(self, blob: bytes, dimensions: int) -> Float32Array:
        _expect(blob, -(-dimensions // 5), dimensions)
        return unit(unpack_base3(blob, dimensions))


CODECS: Mapping[str, Codec] = MappingProxyType({x.name: x for x in (_Float32(), _Int8(), _Ternary(), _Base3())})


def codec_named(name: str) -> Codec:
    """Return the codec of a name.

    Raises:
        UnknownNameError: There is none; the message lists them.
    """
    if name not in CODECS:
        raise UnknownNameError.of("codec", name, list(CODECS))
    return CODECS[name]


def codec_of(packing: int) -> Codec:
    """Return the codec of a packing number in a message.

    Raises:
        FormatError: The message says no packing, or one from the future.
    """
    for codec in CODECS.values():
        if codec.packing == packing:
            return codec
    message = f"a vector's packing is 1 to {len(CODECS)}, but the message says {packing}"
    raise FormatError(message)
