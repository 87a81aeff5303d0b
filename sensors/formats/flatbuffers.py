"""Reads the few flatbuffer fields we need, checking every offset, because the file may say anything.

Layout after the FlatBuffers internals page: a table starts with a signed offset back to its vtable, whose 16-bit
entries say where each field lies in the table; strings and vectors are offsets to a 32-bit count and their elements.
"""

from __future__ import annotations

import struct

__all__ = ["FlatbufferError", "Table", "root"]


class FlatbufferError(Exception):
    """An offset or a count points outside the buffer; the caller says where in the file that is."""


def _unpack(code: str, data: bytes, position: int) -> int:
    size = struct.calcsize(code)
    if not 0 <= position <= len(data) - size:
        message = f"an offset points {position} bytes into {len(data)}"
        raise FlatbufferError(message)
    value: int = struct.unpack_from(code, data, position)[0]
    return value


class Table:
    """One table of a flatbuffer."""

    __slots__ = ("_data", "_position", "_vtable", "_vtable_bytes")

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._vtable = position - _unpack("<i", data, position)
        self._vtable_bytes = _unpack("<H", data, self._vtable)

    def _field(self, index: int) -> int:
        entry = 4 + 2 * index
        if entry + 2 > self._vtable_bytes:
            return 0
        offset = _unpack("<H", self._data, self._vtable + entry)
        return self._position + offset if offset else 0

    def integer(self, index: int, code: str, default: int = 0) -> int:
        """Return a scalar field; ``code`` is its struct format, such as ``<q``."""
        position = self._field(index)
        return _unpack(code, self._data, position) if position else default

    def vector(self, index: int, element_bytes: int) -> tuple[int, int]:
        """Return where a vector's elements start and how many there are; (0, 0) when it is absent."""
        field = self._field(index)
        if not field:
            return 0, 0
        start = field + _unpack("<I", self._data, field)
        count = _unpack("<I", self._data, start)
        if count * element_bytes > len(self._data) - start - 4:
            message = (
                f"a vector claims {count} elements of {element_bytes} bytes, but {len(self._data)} bytes are there"
            )
            raise FlatbufferError(message)
        return start + 4, count

    def string(self, index: int) -> bytes:
        """Return a string's bytes."""
        start, count = self.vector(index, 1)
        return self._data[start : start + count]


def root(data: bytes, identifier: bytes) -> Table:
    """Return the root table of a size-prefixed flatbuffer.

    Raises:
        FlatbufferError: The size, the identifier or an offset is wrong.
    """
    size = _unpack("<I", data, 0)
    if size > len(data) - 4:
        message = f"a structure claims {size} bytes, but {len(data) - 4} are there"
        raise FlatbufferError(message)
    if data[8:12] != identifier:
        message = f"a structure is marked {data[8:12]!r}, expected {identifier!r}"
        raise FlatbufferError(message)
    return Table(data, 4 + _unpack("<I", data, 4))
