"""Packs ternary codes into bytes: four to a byte in two bits each, or five to a byte in base three.

Both count 0 as 0, +1 as 1 and -1 as 2, the first code in the lowest place, so that zero bytes are zero codes.
"""

from __future__ import annotations

import numpy as np

from hil.errors import FormatError
from hil.types import Int8Array

__all__ = ["pack_base3", "pack_two_bit", "unpack_base3", "unpack_two_bit"]

TWO_BIT_PLACES = np.array([1, 4, 16, 64], dtype=np.uint16)
BASE3_PLACES = np.array([1, 3, 9, 27, 81], dtype=np.uint16)


def _pack(codes: Int8Array, places: np.ndarray[tuple[int], np.dtype[np.uint16]]) -> bytes:
    padded = np.zeros(-(-len(codes) // len(places)) * len(places), dtype=np.uint16)
    padded[: len(codes)] = codes.astype(np.int16) % 3
    return bytes((padded.reshape(-1, len(places)) @ places).astype(np.uint8))


def _unpack(blob: bytes, n_codes: int, places: np.ndarray[tuple[int], np.dtype[np.uint16]], base: int) -> Int8Array:
    wanted = -(-n_codes // len(places))
    if len(blob) != wanted:
        message = f"{n_codes} ternary codes take {wanted} bytes, but got {len(blob)}"
        raise FormatError(message)
    digits = (np.frombuffer(blob, np.uint8).astype(np.uint16)[:, None] // places) % base
    rest = np.frombuffer(blob, np.uint8) // (places[-1] * 3)
    if (digits > 2).any() or (base == 3 and rest.any()) or digits.ravel()[n_codes:].any():
        message = f"{n_codes} ternary codes hold a byte that no code gives"
        raise FormatError(message)
    values = digits.ravel()[:n_codes].astype(np.int8)
    return np.where(values == 2, np.int8(-1), values)


def pack_two_bit(codes: Int8Array) -> bytes:
    """Return (n,) codes of -1, 0, +1 as ceil(n / 4) bytes."""
    return _pack(codes, TWO_BIT_PLACES)


def unpack_two_bit(blob: bytes, n_codes: int) -> Int8Array:
    """Return the (n_codes,) codes that ``pack_two_bit`` was given.

    Raises:
        FormatError: The bytes are of another length, or hold what no code gives.
    """
    return _unpack(blob, n_codes, TWO_BIT_PLACES, 4)


def pack_base3(codes: Int8Array) -> bytes:
    """Return (n,) codes of -1, 0, +1 as ceil(n / 5) bytes."""
    return _pack(codes, BASE3_PLACES)


def unpack_base3(blob: bytes, n_codes: int) -> Int8Array:
    """Return the (n_codes,) codes that ``pack_base3`` was given.

    Raises:
        FormatError: The bytes are of another length, or hold what no code gives.
    """
    return _unpack(blob, n_codes, BASE3_PLACES, 3)
