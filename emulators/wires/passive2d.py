"""Passive arrays with resistive word and bit lines: linear, so one matrix answers every input vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeAlias

import numpy as np

from emulators.wires.elimination import RowElimination, eliminations
from emulators.wires.merging import merged_matrices, merged_transfer_matrix
from emulators.wires.spread import turn
from emulators.wires.values import Wires, batches
from hil.progress import OnProgress, ignore_progress
from hil.types import Float64Array

__all__ = ["solve_passive", "transfer_passive"]

Part: TypeAlias = tuple[Float64Array, Float64Array, Float64Array]

LARGE = 1e8
"""Rows times columns cubed above which eliminating rows takes several times as long as merging rectangles."""


def transfer_passive(g_siemens: Float64Array, wires: Wires) -> Float64Array:
    """Return the (rows, columns) transfer matrix T of I = V @ T; arguments are checked."""
    return g_siemens.copy() if wires.are_ideal else merged_transfer_matrix(g_siemens, wires)


def solve_passive(
    g_siemens: Float64Array,
    voltage_volt: Float64Array,
    wires: Wires,
    *,
    device_voltages: bool,
    on_progress: OnProgress = ignore_progress,
) -> tuple[Float64Array, Float64Array, Float64Array | None]:
    """Return (n, columns) and (n, rows) currents and, if asked for, (n, rows, columns) device voltages.

    A long array is eliminated along its longer side. A large one is merged if nobody asks for what is inside.
    """
    long, short = max(g_siemens.shape), min(g_siemens.shape)
    if long * short**3 > LARGE and not device_voltages:
        to_columns, to_rows = merged_matrices(g_siemens[None], wires)
        return voltage_volt @ to_columns[0], voltage_volt @ to_rows[0], None
    solve = _across_columns if g_siemens.shape[1] > g_siemens.shape[0] else _down_rows
    column, row, across = [], [], []
    done = count(1)
    total = eliminations(long, short, batches=sum(1 for _ in batches(voltage_volt, g_siemens.size)))
    for part in solve(g_siemens, voltage_volt, wires, lambda: on_progress(next(done), total)):
        column.append(part[0])
        row.append(part[1])
        across.extend([part[2]] if device_voltages else [])
    return np.concatenate(column), np.concatenate(row), np.concatenate(across) if device_voltages else None


def _down_rows(g: Float64Array, voltage: Float64Array, wires: Wires, tick: Callable[[], None]) -> Iterator[Part]:
    elimination = RowElimination(g, wires, tick)
    for source in batches(voltage, g.size):
        column, row, bit_line = elimination.currents(source)
        yield column, row, elimination.ladders.device_voltage(source, bit_line)


def _across_columns(g: Float64Array, voltage: Float64Array, wires: Wires, tick: Callable[[], None]) -> Iterator[Part]:
    """Eliminate columns instead, those nearest the drivers last: the inputs are then what the lines end in."""
    elimination = RowElimination(turn(g), wires.turned(), tick)
    feed = turn(elimination.ladders.feed)
    for source in batches(voltage, g.size):
        grounded = np.zeros((len(source), g.shape[1]))
        word_line = elimination.bit_lines(grounded, source[:, ::-1])
        across = -turn(elimination.ladders.device_voltage(grounded, word_line))
        column = np.einsum("ij,jni->nj", feed, word_line[::-1, :, ::-1])
        yield column, np.einsum("ij,nij->ni", g, across), across
