"""What one strip of tiles does to its lines: a matrix, or a ladder that depends on which rows are driven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from emulators.wires import Wires
from hil.types import Float64Array, Int64Array

__all__ = ["GatedOperator", "LinearOperator", "Operator", "on_grid"]

PRODUCT_BITS: Final = 52
POWER_BITS: Final = 20  # squares and cubes of inputs are kept on a grid of 2**-20 of their largest value
LARGEST_INPUT: Final = 128.0


class Operator(Protocol):
    """What one strip does in one kind of conversion, in weight units times input steps."""

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return (n, channels) currents of (n, lines) line voltages in input steps."""
        ...

    def variance(self, volts: Float64Array) -> Float64Array | None:
        """Return (n, channels) variance of one read, or None without read noise."""
        ...

    def power(self, volts: Float64Array) -> Float64Array:
        """Return (n,) what the drivers deliver, in siemens times squared input steps."""
        ...


def on_grid(matrix: Float64Array, *, input_bits: int) -> Float64Array:
    """Return a matrix rounded so finely that products with inputs of so many bits are exact in float64.

    Exact sums do not depend on their order, so results are the same whatever the batch, the number of threads or the
    machine. The grid is far finer than any device is stable.

    Args:
        matrix: (rows, columns).
        input_bits: Bits of the integers (on their own grid) that it will be multiplied by.
    """
    reach = float(np.abs(matrix).max(initial=0.0))
    if reach == 0.0:
        return matrix
    head = int(np.ceil(np.log2(reach))) + 1 + int(np.ceil(np.log2(max(len(matrix), 1))))
    scale = 2.0 ** (PRODUCT_BITS - input_bits - head)
    rounded: Float64Array = np.rint(matrix * scale) / scale
    return rounded


def _power_on_grid(volts: Float64Array, exponent: int) -> Float64Array:
    """Return a power of the inputs, rounded to the grid."""
    largest = LARGEST_INPUT**exponent
    rounded: Float64Array = np.rint(volts**exponent / largest * 2.0**POWER_BITS) / 2.0**POWER_BITS * largest
    return rounded


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LinearOperator:
    """Passive arrays, with or without wires: one matrix answers every input.

    Attributes:
        matrix: (lines, channels) response of each column to each line.
        spread: (lines, channels) variance of one read of each response, or None.
        drawn: (lines,) siemens that each driver feeds, or (lines, lines) through wires.
        bends: Responses to the square and the cube of the inputs, or None for ohmic cells.
    """

    matrix: Float64Array
    spread: Float64Array | None
    drawn: Float64Array
    bends: tuple[Float64Array, Float64Array] | None = None

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return (n, channels) currents."""
        currents: Float64Array = volts @ self.matrix
        if self.bends is not None:
            for exponent, bend in zip((2, 3), self.bends, strict=True):
                grid = on_grid(bend * LARGEST_INPUT**exponent, input_bits=POWER_BITS + 1) / LARGEST_INPUT**exponent
                currents = currents + _power_on_grid(volts, exponent) @ grid
        return currents

    def variance(self, volts: Float64Array) -> Float64Array | None:
        """Return (n, channels) variance: independent cells add theirs, so one Gaussian a column is exact."""
        return None if self.spread is None else volts**2 @ self.spread

    def power(self, volts: Float64Array) -> Float64Array:
        """Return (n,) what the drivers deliver: the sum of voltage times solved row current."""
        if self.drawn.ndim == 1:
            fed: Float64Array = volts**2 @ self.drawn
            return fed
        power: Float64Array = np.einsum("nl,nl->n", volts @ self.drawn, volts)
        return power


@dataclass(frozen=True, slots=True, eq=False)
class GatedOperator:
    """Arrays whose inputs open their rows: each vector is a ladder of its own.

    Attributes:
        planes: Factor and (lines, columns) conductances of each plane that takes part, padding included.
        wires: Of topology ``gated1t1r``.
        bit_lines: Columns of one array.
        rows: Which lines the inputs drive.
        channels: Columns that hold weights.
        span_siemens: One weight unit.
        reference_siemens: Subtracted per driven volt, the off current of a reference column.
        spread: (lines, channels) variance of one read of each response, or None.
        drawn: (lines,) siemens that each driver would feed without wires: an upper bound.
    """

    planes: tuple[tuple[int, Float64Array], ...]
    wires: Wires
    bit_lines: int
    rows: Int64Array
    channels: int
    span_siemens: float
    reference_siemens: float
    spread: Float64Array | None
    drawn: Float64Array

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return (n, channels) currents, each column solved exactly."""
        from emulators.wires.gated1t1r import column_currents

        total = np.repeat(-self.reference_siemens * volts.sum(axis=1, keepdims=True), self.channels, axis=1)
        for factor, g_siemens in self.planes:
            lines = np.zeros((len(volts), len(g_siemens)))
            lines[:, self.rows] = volts
            for first in range(0, self.channels, self.bit_lines):
                columns = slice(first, min(first + self.bit_lines, self.channels))
                tile = np.ascontiguousarray(g_siemens[:, columns])
                total[:, columns] += factor * column_currents(tile, lines, self.wires)
        return total / self.span_siemens

    def variance(self, volts: Float64Array) -> Float64Array | None:
        """Return (n, channels) variance of one read."""
        return None if self.spread is None else volts**2 @ self.spread

    def power(self, volts: Float64Array) -> Float64Array:
        """Return (n,) what ideal wires would draw."""
        power: Float64Array = volts**2 @ self.drawn
        return power
