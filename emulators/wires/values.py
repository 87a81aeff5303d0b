"""The values a crossbar with wires is made of, checked once here so that the solvers can trust them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = ["Solution", "Topology", "Wires", "batches", "checked_conductance", "checked_voltage"]

BATCH_BYTES = 64 << 20

Topology: TypeAlias = Literal["passive2d", "gated1t1r"]


@dataclass(frozen=True, slots=True)
class Wires:
    """Resistances of one array's wires, and how its rows are driven.

    ``passive2d``: ``V_i -> r_driver -> r_word_line -> WL(i, 0) - r_word_line - WL(i, 1) ...``, a cell from
    ``WL(i, j)`` to ``BL(i, j)``, ``BL(0, j) - r_bit_line - BL(1, j) ... -> r_bit_line -> r_sense -> 0 V``.
    So there is one word-line segment before the first cell of a row and one bit-line segment after the last cell
    of a column, and a row at 0 V still loads the array.

    ``gated1t1r``: the input opens the row's transistors. A cell of a driven row sits between the ideal input voltage
    and its bit line; a cell of an undriven row (0 V) is open. Word lines are gates and carry no current, so
    ``r_word_line_ohm`` and ``r_driver_ohm`` must be 0; the bit lines are as above.

    Attributes:
        r_word_line_ohm: One segment of a word line.
        r_bit_line_ohm: One segment of a bit line.
        r_driver_ohm: Output resistance of a row's driver.
        r_sense_ohm: Input resistance of a column's sense amplifier.
        topology: ``passive2d`` or ``gated1t1r``.
    """

    r_word_line_ohm: float = 0.0
    r_bit_line_ohm: float = 0.0
    r_driver_ohm: float = 0.0
    r_sense_ohm: float = 0.0
    topology: Topology = "passive2d"

    def __post_init__(self) -> None:
        """Refuse negative or non-finite resistances and what the topology does not have."""
        if self.topology not in get_args(Topology):
            message = f"topology must be one of {', '.join(get_args(Topology))}, but is {self.topology!r}"
            raise InvalidValueError(message)
        for name in ("r_word_line_ohm", "r_bit_line_ohm", "r_driver_ohm", "r_sense_ohm"):
            value = getattr(self, name)
            if not isinstance(value, int | float | np.integer | np.floating) or not 0 <= value < float("inf"):
                message = f"{name} must be zero or positive and finite, but is {value!r}"
                raise InvalidValueError(message)
            object.__setattr__(self, name, float(value))
        if self.topology == "gated1t1r" and (self.r_word_line_ohm or self.r_driver_ohm):
            message = (
                "gated1t1r word lines are gates and carry no current: r_word_line_ohm and r_driver_ohm must be 0, but "
                f"are {self.r_word_line_ohm!r} and {self.r_driver_ohm!r}; use topology 'passive2d' for resistive rows"
            )
            raise InvalidValueError(message)

    @property
    def are_ideal(self) -> bool:
        """Whether every resistance is zero, so that currents are plain products."""
        return self.largest_ohm == 0

    @property
    def largest_ohm(self) -> float:
        """The largest of the four resistances."""
        return max(self.r_word_line_ohm, self.r_bit_line_ohm, self.r_driver_ohm, self.r_sense_ohm)

    @property
    def r_first_ohm(self) -> float:
        """Between a source and the first cell of its row."""
        return self.r_driver_ohm + self.r_word_line_ohm

    @property
    def r_last_ohm(self) -> float:
        """Between the last cell of a column and the virtual ground."""
        return self.r_bit_line_ohm + self.r_sense_ohm

    def turned(self) -> Wires:
        """Return the wires of the array seen from its sense side: bit lines become word lines."""
        return Wires(self.r_bit_line_ohm, self.r_word_line_ohm, self.r_sense_ohm, self.r_driver_ohm, self.topology)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What flows in one array for a batch of input vectors.

    Attributes:
        voltage_volt: (n, rows) applied voltages.
        column_current_ampere: (n, columns) into the virtual ground of each column.
        row_current_ampere: (n, rows) out of each driver.
        device_voltage_volt: (n, rows, columns) across each cell, word line minus bit line, or None if not asked for.
    """

    voltage_volt: Float64Array
    column_current_ampere: Float64Array
    row_current_ampere: Float64Array
    device_voltage_volt: Float64Array | None = None

    @property
    def power_watt(self) -> Float64Array:
        """(n,) power delivered by the drivers, which is all the power there is."""
        power: Float64Array = np.einsum("ni,ni->n", self.voltage_volt, self.row_current_ampere)
        return power


def checked_conductance(g_siemens: npt.ArrayLike) -> Float64Array:
    """Return (rows, columns) conductances as float64.

    Raises:
        InvalidValueError: Not a non-empty matrix of finite numbers that are zero or positive.
    """
    g = _floats(g_siemens, "conductances")
    if g.ndim != 2 or not g.size:
        message = f"conductances must be a non-empty (rows, columns) matrix, but have shape {g.shape}"
        raise InvalidValueError(message)
    good = np.isfinite(g) & (g >= 0)
    if not good.all():
        row, column = np.argwhere(~good)[0]
        message = (
            f"conductances must be finite and zero or positive, in siemens, but the cell at row {row}, column {column} "
            f"is {float(g[row, column])!r}"
        )
        raise InvalidValueError(message)
    return g


def checked_voltage(voltage_volt: npt.ArrayLike, rows: int) -> Float64Array:
    """Return (n, rows) voltages as float64; one vector of (rows,) becomes a batch of one.

    Raises:
        InvalidValueError: Another shape, or a value that is not finite.
    """
    v = np.atleast_2d(_floats(voltage_volt, "voltages"))
    if v.ndim != 2 or v.shape[1] != rows:
        message = f"voltages must be (n, {rows}), one for each row of the array, but have shape {v.shape}"
        raise InvalidValueError(message)
    if not np.isfinite(v).all():
        vector, row = np.argwhere(~np.isfinite(v))[0]
        message = f"voltages must be finite, but vector {vector}, row {row} is {float(v[vector, row])!r}"
        raise InvalidValueError(message)
    return v


def batches(voltage_volt: Float64Array, cells: int) -> Iterator[Float64Array]:
    """Yield (n, rows) voltages in pieces whose device voltages fit a fixed memory, at least one vector each."""
    size = max(1, BATCH_BYTES // (8 * cells))
    for start in range(0, len(voltage_volt), size):
        yield voltage_volt[start : start + size]


def _floats(values: npt.ArrayLike, what: str) -> Float64Array:
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"{what} must be a matrix of numbers with rows of equal length, but: {error}"
        raise InvalidValueError(message) from error
