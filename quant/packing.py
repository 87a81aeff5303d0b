"""Ternary codes in few bits: four to a byte, or five to a byte as a base-3 number."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hil.errors import FormatError
from hil.types import Int8Array

__all__ = ["pack_base3", "pack_two_bit", "unpack_base3", "unpack_two_bit"]

Bytes = npt.NDArray[np.uint8]

CODES_PER_BYTE, TRITS_PER_BYTE = 4, 5
POWERS = 3 ** np.arange(TRITS_PER_BYTE, dtype=np.uint8)


def _padded(codes: Int8Array, multiple: int) -> npt.NDArray[Any]:
    missing = -codes.shape[1] % multiple
    return np.pad(codes, ((0, 0), (0, missing))).reshape(len(codes), -1, multiple)


def pack_two_bit(codes: Int8Array) -> Bytes:
    """Return (rows, ceil(columns / 4)) bytes of (rows, columns) codes.

    Two's complement, the first code in the lowest bits: 00 is 0, 01 is +1, 11 is -1; rows end on whole bytes, padded
    with zeros. 2 bits a weight.

    Example:
        >>> pack_two_bit(np.array([[1, -1, 0, 0, 1]], np.int8)).tolist()
        [[13, 1]]
    """
    groups = (_padded(codes, CODES_PER_BYTE) & 3).astype(np.uint8)
    packed: Bytes = np.bitwise_or.reduce(groups << np.array([0, 2, 4, 6], np.uint8), axis=-1)
    return packed


def unpack_two_bit(packed: Bytes, columns: int) -> Int8Array:
    """Return the (rows, columns) codes of ``pack_two_bit``.

    Raises:
        FormatError: A code is 10, which means nothing, or the padding is not zero.
    """
    pairs = packed[..., None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    if (pairs == 2).any():
        raise FormatError("packed weights hold the code 10, which is none of 0, +1, -1")
    codes = ((pairs ^ 2).astype(np.int8) - 2).reshape(len(packed), -1)
    return _without_padding(codes, columns)


def pack_base3(codes: Int8Array) -> Bytes:
    """Return (rows, ceil(columns / 5)) bytes of (rows, columns) codes: 1.6 bits a weight.

    A byte is ``sum((code_k + 1) * 3**k)`` over five codes; rows end on whole bytes, padded with zeros.

    Example:
        >>> pack_base3(np.array([[0, 0, 0, 0, 0]], np.int8)).tolist()
        [[121]]
    """
    digits = (_padded(codes, TRITS_PER_BYTE) + 1).astype(np.uint8)
    packed: Bytes = (digits * POWERS).sum(axis=-1, dtype=np.uint8)
    return packed


def unpack_base3(packed: Bytes, columns: int) -> Int8Array:
    """Return the (rows, columns) codes of ``pack_base3``.

    Raises:
        FormatError: A byte is above 242, or the padding is not zero.
    """
    if packed.size and packed.max() >= 3**TRITS_PER_BYTE:
        raise FormatError(f"packed weights hold the byte {packed.max()}, but five trits end at 242")
    codes = (packed[..., None] // POWERS % 3).astype(np.int8) - 1
    return _without_padding(codes.reshape(len(packed), -1), columns)


def _without_padding(codes: npt.NDArray[np.int8], columns: int) -> Int8Array:
    if not 0 <= codes.shape[1] - columns < TRITS_PER_BYTE or codes[:, columns:].any():
        raise FormatError(f"packed rows of {codes.shape[1]} codes do not end in zeros after {columns}")
    return codes[:, :columns]
