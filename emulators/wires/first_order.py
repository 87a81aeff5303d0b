"""What fresh conductance noise does to an array with wires, without rebuilding it: first order in the noise.

``dT = -(U o dG) L^T``, U[a] being the voltages across the cells for 1 V at row a and L[b] those for 1 V at the end of
column b. Both fields are compressed (see ``fields``), so a refresh costs a few operations a cell and not n^3. The share
of the noise signal that compression loses is measured when the fields are made, against exact derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from emulators.wires.elimination import RowElimination
from emulators.wires.fields import MOST_MODES, SourceFields, source_fields
from emulators.wires.first_order_kernels import Downwards, Upwards, changed_currents, changed_matrix
from emulators.wires.merging import merged_transfer_matrix
from emulators.wires.spread import Spread, turn
from emulators.wires.values import Wires
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.types import Float32Array, Float64Array

__all__ = ["FirstOrder", "linearise"]

PROBE_STEP = 1e-5
WORTHWHILE = 1.25
"""More modes than bring the loss within this factor of the least are not worth their time."""


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
        change: Float64Array = changed_matrix(dg_siemens, *self._planes, *self._modes)
        return change

    def current_change(self, voltage_volt: Float64Array, dg_siemens: Float64Array) -> Float64Array:
        """Return the (n, columns) change of the currents of (n, rows) voltages.

        ``dg_siemens`` is (n, rows, columns), one draw for each vector, or (1, rows, columns) for all.
        """
        excited = np.moveaxis(voltage_volt @ self.drive.amplitudes, 0, 1)
        volt, push = _single(voltage_volt), _single(self.drive.push)
        change: Float64Array = changed_currents(volt, _single(excited), dg_siemens, push, *self._planes, *self._modes)
        return change

    @cached_property
    def _modes(self) -> tuple[Float32Array, Float32Array]:
        return _single(self.effect.modes), _single(self.drive.modes)

    @cached_property
    def _planes(self) -> tuple[Float32Array, Float32Array]:
        """What the kernels read on the way down and on the way up, (rows, planes, columns)."""
        drive, effect, down, along = self.drive, self.effect, self.drive.lines, self.effect.lines
        drive_rest = drive.own - np.einsum("ri,rik->ik", drive.modes, drive.amplitudes)
        effect_rest = effect.own - np.einsum("rk,rik->ik", effect.modes, effect.amplitudes)
        downwards = Downwards(
            own_change=drive_rest * effect.own + drive.own * effect_rest - drive.own * effect.own,
            drive=drive.own,
            effect=effect.own,
            along_forward=along.forward,
            along_backward=along.backward,
            along_push=effect.push * along.z_ohm,
            along_z=along.z_ohm,
            down_forward=down.forward,
        )
        upwards = Upwards(
            down_backward=down.backward,
            down_push=drive.push * down.z_ohm,
            down_z=down.z_ohm,
            drive_rest=drive_rest,
            effect_rest=effect_rest,
        )
        return (
            _single(np.stack([*downwards, *effect.amplitudes], axis=1)),
            _single(np.stack([*upwards, *drive.amplitudes], axis=1)),
        )


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
    candidates = [FirstOrder(drive.with_modes(n), effect.with_modes(n), 0.0) for n in range(1, MOST_MODES + 1)]
    missed = [_missed(candidate, probe, exact) for candidate in candidates]
    enough = max(tolerance, WORTHWHILE * min(missed))
    chosen = next(n for n, share in enumerate(missed) if share <= enough)
    return replace(candidates[chosen], missed=missed[chosen])


def _missed(kept: FirstOrder, probe: Float64Array, exact: Float64Array) -> float:
    there, back = kept.matrix_change(PROBE_STEP * probe), kept.matrix_change(-PROBE_STEP * probe)
    return float(np.linalg.norm((there - back) / (2 * PROBE_STEP) - exact) / np.linalg.norm(exact))


def _probe(g: Float64Array, wires: Wires) -> tuple[Float64Array, Float64Array]:
    """Return white noise and the exact derivative of T along it, by central differences of exact rebuilds."""
    noise = stream(0, "wires", "probe").standard_normal(g.shape) * (g.max() or 1.0)
    there, back = (merged_transfer_matrix(g + step * noise, wires) for step in (PROBE_STEP, -PROBE_STEP))
    return noise, (there - back) / (2 * PROBE_STEP)


def _single(values: Float64Array) -> Float32Array:
    return np.ascontiguousarray(values, dtype=np.float32)
