"""Decompresses what a file holds under a limit, because a few bytes can claim to be gigabytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["Lz4Frames", "PayloadError", "lz4_frame", "zstd_frame"]

LZ4_MAGIC = b"\x04\x22\x4d\x18"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW_BYTES = 1 << 27
ZSTD_STEP_BYTES = 512  # a run-length block makes 128 KiB of 4 bytes, so small steps keep each answer small
LZ4_BLOCK_BYTES = {4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22}


class PayloadError(Exception):
    """A compressed payload is broken or too big; the caller says where in the file it lies."""


class Lz4Frames:
    """Decompresses one LZ4 frame after the other; keeping the decompressor saves a tenth of the time."""

    def __init__(self) -> None:
        import lz4.frame

        self._lz4 = lz4.frame
        self._context = lz4.frame.create_decompression_context()

    def decompress(self, data: bytes, limit_bytes: int) -> bytes:
        """Return what one LZ4 frame holds.

        The frame's own block list is walked first (LZ4 frame format 1.6.4): it must end exactly with the data and
        bounds the size of the result, so a broken length can neither stall nor flood the decompressor.

        Raises:
            PayloadError: The frame is broken, or holds more than ``limit_bytes``.
        """
        bound = min(_lz4_bound(data), limit_bytes + 1)
        try:
            raw, used, ended = self._lz4.decompress_chunk(self._context, data, max_length=max(bound, 1))
        except RuntimeError as error:
            self._lz4.reset_decompression_context(self._context)
            message = f"LZ4 data is broken ({error})"
            raise PayloadError(message) from error
        if not ended or used != len(data) or len(raw) > limit_bytes:
            self._lz4.reset_decompression_context(self._context)
            message = f"an LZ4 frame does not end where its packet does, or holds more than {limit_bytes} bytes"
            raise PayloadError(message)
        return bytes(raw)


def lz4_frame(data: bytes, limit_bytes: int) -> bytes:
    """Return what one LZ4 frame holds; see ``Lz4Frames``."""
    return Lz4Frames().decompress(data, limit_bytes)


def _lz4_bound(data: bytes) -> int:
    if len(data) < 7 or data[:4] != LZ4_MAGIC:
        message = "LZ4 data does not start with its magic number"
        raise PayloadError(message)
    flags, block_code = data[4], (data[5] >> 4) & 7
    if flags >> 6 != 1 or block_code not in LZ4_BLOCK_BYTES:
        message = "an LZ4 frame header is of no known version"
        raise PayloadError(message)
    checksum_bytes = 4 if flags & 0x10 else 0
    position = 7 + (8 if flags & 8 else 0) + (4 if flags & 1 else 0)
    blocks = 0
    while True:
        if position + 4 > len(data):
            message = "an LZ4 frame is cut short"
            raise PayloadError(message)
        size = struct.unpack_from("<I", data, position)[0] & 0x7FFFFFFF
        position += 4
        if not size:
            break
        position += size + checksum_bytes
        blocks += 1
    return blocks * LZ4_BLOCK_BYTES[block_code]


def zstd_frame(data: bytes, limit_bytes: int) -> bytes:
    """Return what one Zstandard frame holds.

    Raises:
        PayloadError: The frame is broken, or holds more than ``limit_bytes``.
    """
    import zstandard

    try:
        size = zstandard.frame_content_size(data)
        if size > limit_bytes:
            message = f"Zstandard data holds {size} bytes, at most {limit_bytes} are read"
            raise PayloadError(message)
        if size > 0:
            return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
        return b"".join(_zstd_pieces(data, limit_bytes))
    except zstandard.ZstdError as error:
        message = f"Zstandard data is broken ({error})"
        raise PayloadError(message) from error


def _zstd_pieces(data: bytes, limit_bytes: int) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()
    total = 0
    for start in range(0, len(data), ZSTD_STEP_BYTES):
        if decompressor.eof:
            break
        piece = decompressor.decompress(data[start : start + ZSTD_STEP_BYTES])
        total += len(piece)
        if total > limit_bytes:
            message = f"Zstandard data holds more than {limit_bytes} bytes"
            raise PayloadError(message)
        yield piece
    else:
        if decompressor.eof and not decompressor.unused_data:
            return
    message = "a Zstandard frame does not end where its packet does"
    raise PayloadError(message)
