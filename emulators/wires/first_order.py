"""What fresh conductance noise does to an array with wires, without rebuilding it: first order in the noise.

``dT = -(U o dG) L^T``, U[a] being the voltages across the cells for 1 V at row a and L[b] those for 1 V at the end of
column b. Both fields are compressed (see ``fields``), so a refresh costs a few operations a cell and not n^3. The share
of the noise signal that compression loses is measured when the fields are made, against exact derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emulators.wires.elimination import RowElimination
from emulators.wires.fields import MOST_MODES, SourceFields, source_fields
from emulators.wires.first_order_kernels import Arrays, changed_currents, changed_matrix
from emulators.wires.merging import merged_transfer_matrix
from emulators.wires.spread import Spread, turn
from emulators.wires.values import Wires
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.types import Float64Array

__all__ = ["FirstOrder", "linearise"]

PROBE_STEP = 1e-5


@dataclass(frozen=True, eq=False)
class FirstOrder:
    """How an array's currents move with its conductances.

    Attributes:
        drive: Voltages across the cells for 1 V at each row.
        effect: Voltages across the cells, sign changed, for 1 V at each column's end: about 1 V at its own column.
        missed: Share of the first-order change of T that compression loses for white noise on all cells, root mean
            square, measured.
    """

    drive: SourceFields
    effect: SourceFields
    missed: float

    def matrix_change(self, dg_siemens: Float64Array) -> Float64Array:
        """Return the (rows, columns) change of T for a (rows, columns) change of the conductances."""
        change: Float64Array = changed_matrix(
            dg_siemens, self._own_change, self.drive.own, self.effect.own, _arrays(self.drive), _arrays(self.effect)
        )
        return change

    def current_change(self, voltage_volt: Float64Array, dg_siemens: Float64Array) -> Float64Array:
        """Return the (n, columns) change of the currents of (n, rows) voltages.

        ``dg_siemens`` is (n, rows, columns), one draw for each vector, or (1, rows, columns) for all.
        """
        excited = np.moveaxis(voltage_volt @ self.drive.amplitudes, 0, 1)
        drive_own, effect_own = self._own_beyond_modes
        change: Float64Array = changed_currents(
            voltage_volt,
            np.ascontiguousarray(excited),
            dg_siemens,
            drive_own,
            (self.effect.own, effect_own),
            _arrays(self.drive),
            _arrays(self.effect),
        )
        return change

    @cached_property
    def _own_beyond_modes(self) -> tuple[Float64Array, Float64Array]:
        drive = np.einsum("ri,rik->ik", self.drive.modes, self.drive.amplitudes)
        effect = np.einsum("rk,rik->ik", self.effect.modes, self.effect.amplitudes)
        return self.drive.own - drive, self.effect.own - effect

    @cached_property
    def _own_change(self) -> Float64Array:
        drive, effect = self._own_beyond_modes
        return drive * self.effect.own + self.drive.own * effect - self.drive.own * self.effect.own


def linearise(
    g_siemens: Float64Array, wires: Wires, *, tolerance: float, on_progress: OnProgress = ignore_progress
) -> FirstOrder:
    """Solve an array from all its rows and column ends and keep as many modes as the tolerance asks for.

    Args:
        g_siemens: (rows, columns), checked.
        wires: Of topology ``passive2d``.
        tolerance: Share of the first-order noise signal that may be lost; ``missed`` says what is.
        on_progress: Told how far the work is.
    """
    upright, turned = RowElimination(g_siemens, wires), RowElimination(turn(g_siemens), wires.turned())
    drive = source_fields(
        upright, Spread.down_columns(turned.ladders), lambda done, total: on_progress(done, 2 * total)
    )
    effect = source_fields(
        turned, Spread.down_columns(upright.ladders), lambda done, total: on_progress(total + done, 2 * total)
    ).turned_back(Spread.along_rows(upright.ladders))
    probe, exact = _probe(g_siemens, wires)
    for modes in range(1, MOST_MODES + 1):
        kept = FirstOrder(drive.with_modes(modes), effect.with_modes(modes), 0.0)
        change = kept.matrix_change(PROBE_STEP * probe) - kept.matrix_change(-PROBE_STEP * probe)
        missed = float(np.linalg.norm(change / (2 * PROBE_STEP) - exact) / np.linalg.norm(exact))
        if missed <= tolerance:
            break
    return FirstOrder(kept.drive, kept.effect, missed)


def _probe(g: Float64Array, wires: Wires) -> tuple[Float64Array, Float64Array]:
    """Return white noise and the exact derivative of T along it, by central differences of exact rebuilds."""
    noise = stream(0, "wires", "probe").standard_normal(g.shape) * (g.max() or 1.0)
    there, back = (merged_transfer_matrix(g + step * noise, wires) for step in (PROBE_STEP, -PROBE_STEP))
    return noise, (there - back) / (2 * PROBE_STEP)


def _arrays(fields: SourceFields) -> Arrays:
    lines = fields.lines
    return fields.push, lines.z_ohm, lines.forward, lines.backward, fields.modes, fields.amplitudes
