"""An array with wires as one object that is built once and then asked millions of times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from emulators.wires.adjoint import Gradient, gradient
from emulators.wires.first_order import FirstOrder, linearise
from emulators.wires.solver import transfer_matrix
from emulators.wires.values import Wires, checked_conductance, checked_voltage
from hil.errors import InvalidValueError
from hil.types import Float64Array, read_only

__all__ = ["TransferOperator"]

TOLERANCE = 0.003
"""Share of the first-order noise signal that compressed fields may lose; second order loses more from 2 % noise on."""


@dataclass(frozen=True, eq=False)
class TransferOperator:
    """A passive array with wires: exact currents by one product, and first-order changes under noise.

    Attributes:
        g_siemens: (rows, columns) conductances it was built for.
        wires: Of topology ``passive2d``.
        matrix: (rows, columns) exact T of ``I = V @ T``.
    """

    g_siemens: Float64Array
    wires: Wires
    matrix: Float64Array

    @classmethod
    def of(cls, g_siemens: npt.ArrayLike, wires: Wires) -> TransferOperator:
        """Build the exact operator.

        Raises:
            InvalidValueError: Bad conductances, or a topology that is not linear in its inputs.
        """
        g = checked_conductance(g_siemens)
        return cls(read_only(g, np.float64), wires, read_only(transfer_matrix(g, wires), np.float64))

    def apply(self, voltage_volt: npt.ArrayLike) -> Float64Array:
        """Return the exact (n, columns) column currents for (n, rows) voltages."""
        currents: Float64Array = checked_voltage(voltage_volt, len(self.g_siemens)) @ self.matrix
        return currents

    def gradient(self, voltage_volt: npt.ArrayLike, by_column_current: npt.ArrayLike) -> Gradient:
        """Pull a gradient back from the column currents to conductances and voltages, exactly; see ``gradient``."""
        return gradient(self.g_siemens, voltage_volt, by_column_current, self.wires)

    @cached_property
    def first_order(self) -> FirstOrder:
        """How currents move with conductances; made on first use, which takes a few times what building T took."""
        return linearise(self.g_siemens, self.wires, tolerance=TOLERANCE)

    def refreshed(self, dg_siemens: npt.ArrayLike) -> Float64Array:
        """Return T after a small change of all conductances, to first order and ``first_order.missed``.

        Args:
            dg_siemens: (rows, columns) changes.
        """
        dg = self._checked_change(dg_siemens, self.g_siemens.shape)
        return self.matrix + self.first_order.matrix_change(dg)

    def apply_noisy(self, voltage_volt: npt.ArrayLike, dg_siemens: npt.ArrayLike) -> Float64Array:
        """Return the (n, columns) currents when every vector meets conductances of its own, as ``refreshed`` would.

        Args:
            voltage_volt: (n, rows).
            dg_siemens: (n, rows, columns) changes, or (rows, columns) for all vectors.
        """
        v = checked_voltage(voltage_volt, len(self.g_siemens))
        dg = np.asarray(dg_siemens, dtype=np.float64)
        dg = self._checked_change(
            dg[None] if dg.ndim == 2 else dg, (1 if dg.ndim == 2 else len(v), *self.g_siemens.shape)
        )
        return v @ self.matrix + self.first_order.current_change(v, dg)

    def _checked_change(self, dg_siemens: npt.ArrayLike, shape: tuple[int, ...]) -> Float64Array:
        dg = np.ascontiguousarray(dg_siemens, dtype=np.float64)
        if dg.shape != shape:
            message = f"changes of the conductances must have shape {shape}, but have {dg.shape}"
            raise InvalidValueError(message)
        if not np.isfinite(dg).all():
            message = "changes of the conductances must be finite, but some are not"
            raise InvalidValueError(message)
        return dg
