"""Memory for columns that is used again: the system needs as long to hand out fresh pages as a decoder to fill them."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["reused"]

SMALLEST_BYTES = 1 << 16  # less is not worth the trouble
MOST_BYTES = 1 << 27  # of all that waits to be used again
MOST_WASTE = 2  # times as large as asked for


class _Memory:
    """Bytes that are free, or lent."""

    def __init__(self, n_bytes: int) -> None:
        self.bytes = np.empty(n_bytes, np.uint8)


class _Lease:
    """What arrays over lent memory refer to: with the last of them it goes, and the memory is free again."""

    def __init__(self, memory: _Memory) -> None:
        self.__array_interface__: dict[str, Any] = memory.bytes.__array_interface__
        weakref.finalize(self, _give_back, memory).atexit = False


FREE: list[_Memory] = []
"""Oldest first. Memory comes back wherever arrays are let go of, so only by single steps that nothing interrupts."""


def reused(n_bytes: int) -> npt.NDArray[np.uint8]:
    """Return (n_bytes,) uninitialised bytes, which are used again when no array refers to them any more."""
    if n_bytes < SMALLEST_BYTES:
        return np.empty(n_bytes, np.uint8)
    return np.asarray(_Lease(_take(n_bytes)))[:n_bytes]


def _take(n_bytes: int) -> _Memory:
    fitting = [memory for memory in FREE[:] if n_bytes <= memory.bytes.size <= MOST_WASTE * n_bytes]
    for memory in sorted(fitting, key=lambda memory: memory.bytes.size):
        with suppress(ValueError):  # another thread took it
            FREE.remove(memory)
            return memory
    return _Memory(n_bytes)


def _give_back(memory: _Memory) -> None:
    if memory.bytes.size <= MOST_BYTES:
        FREE.append(memory)
    while sum(each.bytes.size for each in FREE[:]) > MOST_BYTES:
        with suppress(IndexError):
            FREE.pop(0)
