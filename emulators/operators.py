"""What one strip of tiles does to its lines: a matrix, or a ladder that depends on which rows are driven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from emulators.wires import Wires
from hil.types import Float64Array, Int64Array

__all__ = [
    "Change",
    "GatedOperator",
    "GatedPlane",
    "LinearChange",
    "LinearOperator",
    "Operator",
    "SolvedChange",
    "on_grid",
]

FLOAT64_BITS: Final = 53
FLOAT32_BITS: Final = 24
LEAST_CHANGE_BITS: Final = 9  # a change of conductances is small; to a 500th of its largest is far below any device
POWER_BITS: Final = 20  # squares and cubes of inputs are kept on a grid of 2**-20 of their largest value
LARGEST_INPUT: Final = 128.0
SPARSE: Final = 0.125  # share of driven lines below which skipping the others is faster than a dense product


class Change(Protocol):
    """What one strip gains from one anchor to the next."""

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return (n, channels) differences of the currents of (n, lines) line voltages."""
        ...


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


def on_grid(matrix: Float64Array, *, input_bits: int, product_bits: int = FLOAT64_BITS) -> Float64Array:
    """Return a matrix rounded so finely that products with inputs of so many bits are exact in floating point.

    Exact sums do not depend on their order, so results are the same whatever the batch, the number of threads or the
    machine. The grid is far finer than any device is stable.

    Args:
        matrix: (rows, columns).
        input_bits: Largest magnitude of the inputs on their own grid, as a power of two.
        product_bits: Bits of the mantissa that sums are kept in.
    """
    reach = float(np.abs(matrix).max(initial=0.0))
    if reach == 0.0:
        return matrix
    head = int(np.ceil(np.log2(reach))) + int(np.ceil(np.log2(max(len(matrix), 1))))
    scale = 2.0 ** (product_bits - input_bits - head)
    rounded: Float64Array = np.rint(matrix * scale) / scale
    return rounded


def _product(volts: Float64Array, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return volts @ matrix in the matrix's dtype; on its grid the order of summation changes nothing."""
    if np.count_nonzero(volts) > SPARSE * volts.size:
        dense: npt.NDArray[Any] = volts.astype(matrix.dtype, copy=False) @ matrix
        return dense
    from emulators.kernels import sparse_product

    out = np.zeros((len(volts), matrix.shape[1]), matrix.dtype)
    sparse_product(np.ascontiguousarray(volts, dtype=np.float64), np.ascontiguousarray(matrix), out)
    return out


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
        currents: Float64Array = _product(volts, self.matrix)
        if self.bends is not None:
            for exponent, bend in zip((2, 3), self.bends, strict=True):
                grid = on_grid(bend * LARGEST_INPUT**exponent, input_bits=POWER_BITS) / LARGEST_INPUT**exponent
                currents = currents + _power_on_grid(volts, exponent) @ grid
        return currents

    def variance(self, volts: Float64Array) -> Float64Array | None:
        """Return (n, channels) variance: independent cells add theirs, so one Gaussian a column is exact."""
        return None if self.spread is None else _product(volts**2, self.spread)

    def power(self, volts: Float64Array) -> Float64Array:
        """Return (n,) what the drivers deliver: the sum of voltage times solved row current."""
        if self.drawn.ndim == 1:
            fed: Float64Array = volts**2 @ self.drawn
            return fed
        single = volts.astype(np.float32)  # an energy need not be exact
        power: Float64Array = np.einsum("nl,nl->n", single @ self.drawn.astype(np.float32), single).astype(np.float64)
        return power

    def change_to(self, other: LinearOperator, *, input_bits: int) -> LinearChange | None:
        """Return the difference to a later operator, in float32 where that is exact; None for cells that bend."""
        if self.bends is not None:
            return None
        difference = other.matrix - self.matrix
        rows_bits = int(np.ceil(np.log2(max(len(difference), 1))))
        if FLOAT32_BITS - input_bits - rows_bits < LEAST_CHANGE_BITS:
            return LinearChange(on_grid(difference, input_bits=input_bits))
        single = on_grid(difference, input_bits=input_bits, product_bits=FLOAT32_BITS)
        return LinearChange(single.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LinearChange:
    """What is added to a passive strip's response from one anchor to the next.

    Attributes:
        matrix: (lines, channels), on a grid on which products are exact in its own dtype.
    """

    matrix: npt.NDArray[Any]

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return the (n, channels) difference of the currents."""
        return _product(volts, self.matrix).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class SolvedChange:
    """The same where there is no matrix: both operators are asked.

    Attributes:
        before: At the anchor before.
        after: At the anchor after.
    """

    before: Operator
    after: Operator

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return the (n, channels) difference of the currents."""
        return self.after.currents(volts) - self.before.currents(volts)


@dataclass(frozen=True, slots=True, eq=False)
class GatedPlane:
    """One plane of a strip of gated arrays.

    Attributes:
        factor: How its currents count.
        g_siemens: (lines, columns) conductances, padding included.
        variance: (lines, columns) variance of one read of each cell, in siemens squared, or None.
    """

    factor: int
    g_siemens: Float64Array
    variance: Float64Array | None


@dataclass(frozen=True, slots=True, eq=False)
class GatedOperator:
    """Arrays whose inputs open their rows: each vector is a ladder of its own, and each column apart from the others.

    Attributes:
        planes: Those that take part.
        wires: Of topology ``gated1t1r``.
        rows: Which lines the inputs drive.
        channels: Columns that hold weights.
        span_siemens: One weight unit.
        reference_siemens: Subtracted per driven volt, the off current of a reference column.
    """

    planes: tuple[GatedPlane, ...]
    wires: Wires
    rows: Int64Array
    channels: int
    span_siemens: float
    reference_siemens: float

    def _lines(self, volts: Float64Array) -> Float64Array:
        lines = np.zeros((len(volts), len(self.planes[0].g_siemens)))
        lines[:, self.rows] = volts
        return lines

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return (n, channels) currents, each column solved exactly."""
        from emulators.wires.gated1t1r import column_currents

        lines = self._lines(volts)
        total = np.repeat(-self.reference_siemens * volts.sum(axis=1, keepdims=True), self.channels, axis=1)
        for plane in self.planes:
            held = np.ascontiguousarray(plane.g_siemens[:, : self.channels])
            total += plane.factor * column_currents(held, lines, self.wires)
        return total / self.span_siemens

    def variance(self, volts: Float64Array) -> Float64Array | None:
        """Return (n, channels) variance of one read, to first order in the noise and exact in the wires."""
        from emulators.wires.gated1t1r import column_variances

        if all(plane.variance is None for plane in self.planes):
            return None
        lines, total = self._lines(volts), np.zeros((len(volts), self.channels))
        for plane in self.planes:
            if plane.variance is not None:
                held, noise = (each[:, : self.channels] for each in (plane.g_siemens, plane.variance))
                total += plane.factor**2 * column_variances(held, noise, lines, self.wires)
        return total / self.span_siemens**2

    def power(self, volts: Float64Array) -> Float64Array:
        """Return (n,) what the drivers deliver, padding included."""
        from emulators.wires.gated1t1r import delivered_power

        lines, total = self._lines(volts), np.zeros(len(volts))
        for plane in self.planes:
            total += delivered_power(plane.g_siemens, lines, self.wires)
        return total
