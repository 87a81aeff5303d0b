"""Packs a network into the program a board runs where it lies; ``docs/board-protocol.md`` specifies the layout."""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.network import TernaryLayer, TernaryNetwork

__all__ = ["Kernel", "pack_columns", "pack_program", "pack_rows"]

Kernel: TypeAlias = Literal["auto", "columns", "rows"]

MAGIC = b"HILP"
FORMAT_VERSION = 1
HEADER = struct.Struct("<4sIIIII8x32s")
RECORD = struct.Struct("<16I")
COLUMNS, ROWS = 1, 2
REQUANTISE, RELU, PATCHES = 1, 2, 4
BLOCK = 16
"""Codes in a 32-bit word."""
FEWEST_CHANNELS_FOR_COLUMNS = 7
"""A block of 16 channels costs about 21 instructions a column whether it is full or not, a row about 3.2 a weight."""

Words: TypeAlias = npt.NDArray[np.uint32]


def pack_columns(weight: npt.NDArray[np.int8]) -> Words:
    """Return (blocks, fan_in) words of (channels, fan_in) weights: 16 channels of one column in a word.

    Code ``weight + 1`` of channel ``16 * block + k`` sits at bit ``2k``, of channel ``16 * block + 8 + k`` at bit
    ``16 + 2k``, so that one mask picks a pair of channels into the two halves of a word.
    """
    channels, fan_in = weight.shape
    codes = np.ones((-(-channels // BLOCK) * BLOCK, fan_in), np.uint32)
    codes[:channels] = weight.astype(np.int32) + 1
    k = np.arange(BLOCK)
    position = (2 * (k % 8) + 16 * (k // 8)).astype(np.uint32)
    words: Words = np.bitwise_or.reduce(codes.reshape(-1, BLOCK, fan_in) << position[None, :, None], axis=1)
    return words


def pack_rows(weight: npt.NDArray[np.int8]) -> Words:
    """Return (channels, groups) words of (channels, fan_in) weights: 16 neighbours of one row, the first lowest."""
    channels, fan_in = weight.shape
    codes = np.ones((channels, -(-fan_in // BLOCK) * BLOCK), np.uint32)
    codes[:, :fan_in] = weight.astype(np.int32) + 1
    position = (2 * np.arange(BLOCK)).astype(np.uint32)
    words: Words = np.bitwise_or.reduce(codes.reshape(channels, -1, BLOCK) << position, axis=2)
    return words


def _kernel_of(layer: TernaryLayer, kernel: Kernel) -> int:
    if kernel == "auto":
        return COLUMNS if layer.channels >= FEWEST_CHANNELS_FOR_COLUMNS else ROWS
    return COLUMNS if kernel == "columns" else ROWS


def _geometry(layer: TernaryLayer) -> tuple[int, ...]:
    if layer.patches is None:
        return (0,) * 6
    p = layer.patches
    return (p.in_channels, p.height, p.width, p.kernel, p.stride, p.padding)


class _Sections:
    """Grows the data behind the records, each section on a 4-byte boundary."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.data = bytearray()

    def add(self, array: npt.NDArray[np.generic], dtype: str) -> int:
        at = self.start + len(self.data)
        self.data += array.astype(dtype).tobytes()
        self.data += bytes(-len(self.data) % 4)
        return at


def _record(layer: TernaryLayer, kernel: int, sections: _Sections) -> bytes:
    flags = PATCHES if layer.patches is not None else 0
    words = pack_columns(layer.weight) if kernel == COLUMNS else pack_rows(layer.weight)
    offsets = [sections.add(words, "<u4"), sections.add(layer.bias, "<i4"), 0, 0]
    if layer.requantisation is not None:
        flags |= REQUANTISE | (RELU if layer.requantisation.relu else 0)
        offsets[2] = sections.add(layer.requantisation.multiplier, "<i4")
        offsets[3] = sections.add(layer.requantisation.shift, "u1")
    shape = (kernel, flags, layer.channels, layer.fan_in, layer.d_in, layer.d_out)
    return RECORD.pack(*shape, *_geometry(layer), *offsets)


def pack_program(network: TernaryNetwork, *, kernel: Kernel = "auto") -> bytes:
    """Return the program of a network.

    Args:
        network: Any network; whether a board has room for it is the board's to say.
        kernel: ``columns`` skips inputs that are zero and serves 16 channels at once; ``rows`` reads weights row by
            row; ``auto`` takes columns wherever there are enough channels.
    """
    n = len(network.layers)
    sections = _Sections(HEADER.size + n * RECORD.size)
    records = b"".join(_record(layer, _kernel_of(layer, kernel), sections) for layer in network.layers)
    total = HEADER.size + len(records) + len(sections.data)
    digest = bytes.fromhex(network.digest)
    header = HEADER.pack(MAGIC, FORMAT_VERSION, total, n, network.d_in, network.d_out, digest)
    return header + records + bytes(sections.data)
