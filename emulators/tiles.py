"""How a weight matrix of any size is cut into arrays of one size, and what of them stays empty."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

from emulators.mapping import WeightMapping
from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = ["TileSize", "Tiling"]

LARGEST = 4096


@dataclass(frozen=True, slots=True)
class TileSize:
    """Size of one array.

    Attributes:
        word_lines: Rows of cells.
        bit_lines: Columns of cells.
    """

    word_lines: int
    bit_lines: int

    def __post_init__(self) -> None:
        """Refuse arrays nobody could build."""
        if not (2 <= self.word_lines <= LARGEST and 1 <= self.bit_lines <= LARGEST):
            message = f"tile must be between 2x1 and {LARGEST}x{LARGEST} cells, but is {self}"
            raise InvalidValueError(message)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the size that ``128`` or ``128x64`` (word lines x bit lines) says.

        Raises:
            InvalidValueError: It says neither.
        """
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
        if match is None:
            raise InvalidValueError(f"tile must be a number or ROWSxCOLUMNS, such as 128 or 128x64, but is {text!r}")
        rows = int(match[1])
        return cls(rows, int(match[2]) if match[2] else rows)

    def __str__(self) -> str:
        """Return word lines x bit lines."""
        return f"{self.word_lines}x{self.bit_lines}"


@dataclass(frozen=True, slots=True)
class Tiling:
    """Where the weights of one layer lie.

    Attributes:
        fan_in: Rows of the weight matrix.
        channels: Columns of the weight matrix.
        size: Size of one array.
        mapping: How one weight becomes cells; each plane of it has arrays of its own.
    """

    fan_in: int
    channels: int
    size: TileSize
    mapping: WeightMapping

    @property
    def inputs_per_tile(self) -> int:
        """Inputs that the word lines of one array serve."""
        return self.size.word_lines // self.mapping.lines_per_input

    @property
    def strips(self) -> int:
        """Rows of tiles; the digital sum runs over them."""
        return -(-self.fan_in // self.inputs_per_tile)

    @property
    def column_tiles(self) -> int:
        """Columns of tiles."""
        return -(-self.channels // self.size.bit_lines)

    @property
    def arrays(self) -> int:
        """Physical arrays: tiles times the planes of the mapping."""
        return self.strips * self.column_tiles * len(self.mapping.levels)

    @property
    def cells_used(self) -> int:
        """Cells that hold a weight."""
        return self.fan_in * self.channels * self.mapping.cells_per_weight

    @property
    def cells(self) -> int:
        """Cells in all arrays, padding included."""
        return self.arrays * self.size.word_lines * self.size.bit_lines

    @property
    def utilisation(self) -> float:
        """Share of the cells that hold a weight, 0 to 1."""
        return self.cells_used / self.cells

    @property
    def lines(self) -> int:
        """Word lines driven in a full strip."""
        return self.inputs_per_tile * self.mapping.lines_per_input

    def inputs_of(self, strip: int) -> slice:
        """Return which inputs one strip serves."""
        return slice(strip * self.inputs_per_tile, min((strip + 1) * self.inputs_per_tile, self.fan_in))

    def channels_of(self, column_tile: int) -> slice:
        """Return which outputs one column of tiles gives."""
        return slice(column_tile * self.size.bit_lines, min((column_tile + 1) * self.size.bit_lines, self.channels))

    def cut(self, plane: Float64Array) -> Float64Array:
        """Return the (strips * column tiles, lines, bit lines) arrays of a (strips * lines, columns) plane."""
        blocks = plane.reshape(self.strips, self.lines, self.column_tiles, self.size.bit_lines)
        return blocks.swapaxes(1, 2).reshape(-1, self.lines, self.size.bit_lines)

    def joined(self, arrays: Float64Array) -> Float64Array:
        """Return the plane that was cut into arrays."""
        blocks = arrays.reshape(self.strips, self.column_tiles, self.lines, self.size.bit_lines)
        return blocks.swapaxes(1, 2).reshape(self.strips * self.lines, -1)

    def placement(self) -> list[dict[str, Any]]:
        """Return one JSON-ready entry per tile: what it holds and how full it is."""
        entries = []
        for strip in range(self.strips):
            for column_tile in range(self.column_tiles):
                rows, columns = self.inputs_of(strip), self.channels_of(column_tile)
                used = (rows.stop - rows.start) * self.mapping.lines_per_input * (columns.stop - columns.start)
                entries.append(
                    {
                        "strip": strip,
                        "column_tile": column_tile,
                        "inputs": [rows.start, rows.stop],
                        "outputs": [columns.start, columns.stop],
                        "utilisation": used / (self.size.word_lines * self.size.bit_lines),
                    }
                )
        return entries

    def picture(self) -> str:
        """Return the grid of tiles as text: how full each is, in per cent, and what its padding costs."""
        cells = [f"{entry['utilisation']:5.0%}" for entry in self.placement()]
        rows = [" ".join(cells[k : k + self.column_tiles]) for k in range(0, len(cells), self.column_tiles)]
        head = (
            f"{self.fan_in}x{self.channels} on {self.arrays} arrays of {self.size}"
            f" ({self.mapping.name}, {len(self.mapping.levels)} a tile), {self.utilisation:.1%} of the cells used"
        )
        return "\n".join([head, *rows])
