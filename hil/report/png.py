"""Writes small images as PNG (RFC 2083) with the standard library alone."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError

__all__ = ["UInt8Array", "data_uri", "encode_png"]

UInt8Array: TypeAlias = npt.NDArray[np.uint8]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGBA_8_BIT = bytes([8, 6, 0, 0, 0])  # bit depth, colour type, compression, filter, interlace


def encode_png(pixels: UInt8Array) -> bytes:
    """Return (rows, columns, 4) red, green, blue and opacity as a PNG file.

    Raises:
        InvalidValueError: The array is no image.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8 or not pixels.size:
        raise InvalidValueError(f"an image is (rows, columns, 4) uint8, but got {pixels.shape} {pixels.dtype}")
    rows, columns = pixels.shape[:2]
    unfiltered = np.zeros((rows, 1 + 4 * columns), np.uint8)
    unfiltered[:, 1:] = pixels.reshape(rows, -1)
    header = struct.pack(">II", columns, rows) + RGBA_8_BIT
    data = zlib.compress(unfiltered.tobytes(), level=9)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_uri(png: bytes) -> str:
    """Return a PNG file as text that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
