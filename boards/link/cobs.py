"""Consistent overhead byte stuffing, so that a zero byte can only ever be the end of a frame.

Cheshire & Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7 (1999).
"""

from __future__ import annotations

from boards.link.errors import FrameError
from boards.link.verbs import Status

__all__ = ["decode", "encode"]

FULL = 254
"""Bytes in a group that ends without an implied zero."""


def encode(data: bytes) -> bytes:
    """Return the data without a zero byte, at most one byte in 254 longer plus one.

    Example:
        >>> encode(bytes([0x11, 0x22, 0x00, 0x33])).hex(" ")
        '03 11 22 02 33'
    """
    out = bytearray()
    runs = data.split(b"\x00")
    for i, run in enumerate(runs):
        start = 0
        while len(run) - start >= FULL:
            out.append(0xFF)
            out += run[start : start + FULL]
            start += FULL
        if start < len(run) or start == 0 or i < len(runs) - 1:
            out.append(len(run) - start + 1)
            out += run[start:]
    return bytes(out)


def decode(stuffed: bytes) -> bytes:
    """Return what ``encode`` was given.

    Raises:
        FrameError: A zero byte inside, or a group longer than what is left.
    """
    if 0 in stuffed:
        message = f"stuffed bytes hold no zero, but byte {stuffed.index(0)} is one"
        raise FrameError(message, status=Status.BAD_FRAME)
    out = bytearray()
    at = 0
    while at < len(stuffed):
        code = stuffed[at]
        group = stuffed[at + 1 : at + code]
        if len(group) < code - 1:
            message = f"group of {code - 1} bytes at byte {at} must fit, but only {len(group)} are left"
            raise FrameError(message, status=Status.BAD_FRAME)
        out += group
        at += code
        if code <= FULL and at < len(stuffed):
            out.append(0)
    return bytes(out)
