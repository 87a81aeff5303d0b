"""Exact gradients of an array's currents, so that training and calibration can see the wires.

The network is linear and reciprocal (Tellegen's theorem; Director and Rohrer, IEEE Trans. Circuit Theory 16, 1969):
a change dG of one cell changes the current of column j by ``-u dG l_j``, with u the voltage across the cell and l_j
the voltage there when 1 V sits at the end of column j and all sources are 0 V. One more solve gives all gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulators.wires.elimination import RowElimination
from emulators.wires.gated1t1r import bit_line_voltages
from emulators.wires.values import Wires, batches, checked_conductance, checked_voltage
from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = ["Gradient", "gradient"]


@dataclass(frozen=True, slots=True, eq=False)
class Gradient:
    """Derivatives of a scalar that depends on the column currents.

    Attributes:
        conductance: (rows, columns) per siemens, summed over the batch.
        voltage: (n, rows) per volt.
    """

    conductance: Float64Array
    voltage: Float64Array


def gradient(
    g_siemens: npt.ArrayLike, voltage_volt: npt.ArrayLike, by_column_current: npt.ArrayLike, wires: Wires
) -> Gradient:
    """Pull a gradient back from the column currents to conductances and voltages, exactly.

    Args:
        g_siemens: (rows, columns) conductances.
        voltage_volt: (n, rows), or (rows,) for one vector.
        by_column_current: (n, columns) derivative of the scalar by each column current, per ampere.
        wires: Either topology. Under ``gated1t1r`` which rows conduct is held fixed.

    Raises:
        InvalidValueError: Bad values or shapes.
    """
    g = checked_conductance(g_siemens)
    v = checked_voltage(voltage_volt, len(g))
    by_current = np.atleast_2d(np.asarray(by_column_current, dtype=np.float64))
    if by_current.shape != (len(v), g.shape[1]):
        message = f"gradients of column currents must be {(len(v), g.shape[1])}, but have shape {by_current.shape}"
        raise InvalidValueError(message)
    pull = _pull_gated if wires.topology == "gated1t1r" else _pull_passive
    elimination = RowElimination(g, wires)
    conductance, voltage = np.zeros(g.shape), np.zeros(v.shape)
    start = 0
    for source in batches(v, g.size):
        some = slice(start, start + len(source))
        by_g, voltage[some] = pull(elimination, source, by_current[some])
        conductance += by_g
        start = some.stop
    return Gradient(conductance, voltage)


def _pull_passive(
    elimination: RowElimination, v: Float64Array, by_current: Float64Array
) -> tuple[Float64Array, Float64Array]:
    grounded = np.zeros_like(v)
    across = elimination.ladders.device_voltage(v, elimination.bit_lines(v, np.zeros_like(by_current)))
    raised = elimination.bit_lines(grounded, by_current)
    adjoint = elimination.ladders.device_voltage(grounded, raised)
    return -np.einsum("nij,nij->ij", across, adjoint), np.einsum("ij,inj->ni", elimination.ladders.feed, raised)


def _pull_gated(
    elimination: RowElimination, v: Float64Array, by_current: Float64Array
) -> tuple[Float64Array, Float64Array]:
    g, driven = elimination.g_siemens, v != 0
    bit_line = bit_line_voltages(g, v, np.zeros_like(by_current), driven, elimination.wires)
    raised = bit_line_voltages(g, np.zeros_like(v), by_current, driven, elimination.wires)
    across = (v[:, :, None] - bit_line) * driven[:, :, None]
    return np.einsum("nij,nij->ij", across, raised), np.einsum("ij,nij->ni", g, raised) * driven
