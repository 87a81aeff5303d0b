"""The two questions asked of an array with wires: which matrix is it, and what flows in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulators.wires.gated1t1r import solve_gated
from emulators.wires.passive2d import solve_passive, transfer_passive
from emulators.wires.values import Solution, Wires, checked_conductance, checked_voltage
from hil.errors import InvalidValueError
from hil.progress import OnProgress, ignore_progress
from hil.types import Float64Array, read_only

__all__ = ["solve", "transfer_matrix"]


def transfer_matrix(g_siemens: npt.ArrayLike, wires: Wires) -> Float64Array:
    """Return the exact T of ``I = V @ T`` for an array with wires.

    Args:
        g_siemens: (rows, columns) conductances, zero or positive.
        wires: Of topology ``passive2d``; with all-zero resistances T is the conductances themselves.

    Returns:
        (rows, columns) siemens: the current into each column's virtual ground for 1 V at each row, all others at 0 V.

    Raises:
        InvalidValueError: Bad conductances, or a topology that is not linear in its inputs.

    Example:
        >>> transfer_matrix([[1e-3]], Wires(r_word_line_ohm=500, r_bit_line_ohm=500)).tolist()
        [[0.0005]]
    """
    if wires.topology != "passive2d":
        message = (
            f"topology {wires.topology!r} has no transfer matrix: which rows conduct depends on the input; use solve"
        )
        raise InvalidValueError(message)
    return transfer_passive(checked_conductance(g_siemens), wires)


def solve(
    g_siemens: npt.ArrayLike,
    voltage_volt: npt.ArrayLike,
    wires: Wires,
    *,
    device_voltages: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> Solution:
    """Solve an array for a batch of input vectors: column and row currents, power, and voltages if asked for.

    Args:
        g_siemens: (rows, columns) conductances, zero or positive.
        voltage_volt: (n, rows), or (rows,) for one vector.
        wires: Either topology.
        device_voltages: Return the (n, rows, columns) voltages across the cells as well.
        on_progress: Told how far the work is, where it may take long.

    Raises:
        InvalidValueError: Bad conductances, voltages or shapes.
    """
    g = checked_conductance(g_siemens)
    v = checked_voltage(voltage_volt, len(g))
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        column, row, across = _solve(g, v, wires, device_voltages=device_voltages, on_progress=on_progress)
    if not (np.isfinite(column).all() and np.isfinite(row).all()):
        message = (
            f"currents are too large for 64-bit numbers: conductances up to {g.max():g} S, voltages up to "
            f"{np.abs(v).max():g} V and wires of up to {wires.largest_ohm:g} ohm; give them in siemens, volt and ohm"
        )
        raise InvalidValueError(message)
    across = read_only(across, np.float64) if device_voltages and across is not None else None
    return Solution(read_only(v, np.float64), read_only(column, np.float64), read_only(row, np.float64), across)


def _solve(
    g: Float64Array, v: Float64Array, wires: Wires, *, device_voltages: bool, on_progress: OnProgress
) -> tuple[Float64Array, Float64Array, Float64Array | None]:
    if not len(v):
        return np.empty((0, g.shape[1])), v, np.empty((0, *g.shape))
    if wires.topology == "gated1t1r":
        return solve_gated(g, v, wires, device_voltages=device_voltages)
    return solve_passive(g, v, wires, device_voltages=device_voltages, on_progress=on_progress)
