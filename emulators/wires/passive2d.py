"""Passive arrays with resistive word and bit lines: linear, so one matrix answers every input vector."""

from __future__ import annotations

import numpy as np

from emulators.wires.elimination import RowElimination
from emulators.wires.merging import merged_transfer_matrix
from emulators.wires.values import Wires
from hil.types import Float64Array

__all__ = ["solve_passive", "transfer_passive"]

BATCH_BYTES = 64 << 20


def transfer_passive(g_siemens: Float64Array, wires: Wires) -> Float64Array:
    """Return the (rows, columns) transfer matrix T of I = V @ T; arguments are checked."""
    return g_siemens.copy() if wires.are_ideal else merged_transfer_matrix(g_siemens, wires)


def solve_passive(
    g_siemens: Float64Array, voltage_volt: Float64Array, wires: Wires, *, device_voltages: bool
) -> tuple[Float64Array, Float64Array, Float64Array | None]:
    """Return (n, columns) and (n, rows) currents and, if asked for, (n, rows, columns) device voltages."""
    elimination = RowElimination(g_siemens, wires)
    batch = max(1, BATCH_BYTES // (8 * g_siemens.size))
    column, row, across = [], [], []
    for start in range(0, len(voltage_volt), batch):
        source = voltage_volt[start : start + batch]
        currents, drawn, bit_line = elimination.currents(source)
        column.append(currents)
        row.append(drawn)
        if device_voltages:
            across.append(elimination.ladders.device_voltage(source, bit_line))
    return np.concatenate(column), np.concatenate(row), np.concatenate(across) if device_voltages else None
