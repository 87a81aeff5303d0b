"""Arrays whose inputs gate their rows: every column is a ladder of its own, solved exactly for whole batches at once.

Only driven rows conduct, so a bit line between two driven rows is one resistor. From the far end, a column is a
Norton source ``j / q`` with admittance ``p / q``; a cell ``g`` at voltage ``v`` and a resistor ``r`` change it by

    p += g q,   j += g v q      then      q += r p

which needs neither a division nor a subtraction. Numerator and denominator are scaled back now and then, long before
they could overflow.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emulators.wires.values import Wires, batches
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = ["bit_line_voltages", "column_currents", "column_variances", "delivered_power", "solve_gated"]

LARGE_GROWTH = 1e9
"""Above this product of wire resistance, conductance and rows, numerators are scaled back after every row."""


def column_currents(g_siemens: Float64Array, voltage_volt: Float64Array, wires: Wires) -> Float64Array:
    """Return the (n, columns) column currents of a gated array.

    Args:
        g_siemens: (rows, columns), checked.
        voltage_volt: (n, rows), checked; 0 leaves a row's cells open.
        wires: Of topology ``gated1t1r``.
    """
    every = 1 if wires.r_last_ohm * g_siemens.shape[0] * g_siemens.max() > LARGE_GROWTH else 16
    currents: Float64Array = _columns(g_siemens, voltage_volt, wires.r_bit_line_ohm, wires.r_last_ohm, every)
    return currents


def delivered_power(g_siemens: Float64Array, voltage_volt: Float64Array, wires: Wires) -> Float64Array:
    """Return the (n,) power that the drivers deliver: what ideal bit lines would draw less what the wires save.

    With J the Norton current and Q the admittance of a column down to a row, a segment r below it saves
    ``r J^2 / (1 + r Q)``. Arguments as ``column_currents``.
    """
    power: Float64Array = _powers(np.ascontiguousarray(g_siemens), voltage_volt, wires.r_bit_line_ohm, wires.r_last_ohm)
    return power


def column_variances(
    g_siemens: Float64Array, variance_siemens2: Float64Array, voltage_volt: Float64Array, wires: Wires
) -> Float64Array:
    """Return the (n, columns) variance of the column currents when every cell fluctuates on its own, to first order.

    A change dG of a cell injects ``(v - b) dG`` at its bit-line node, b being the voltage there, and the share of it
    that arrives below is the product of ``1 / (1 + r Q)`` over the segments on its way.

    Args:
        g_siemens: (rows, columns).
        variance_siemens2: (rows, columns) variance of each cell's conductance.
        voltage_volt: (n, rows); 0 leaves a row's cells open.
        wires: Of topology ``gated1t1r``.
    """
    variance: Float64Array = _variances(
        np.ascontiguousarray(g_siemens),
        np.ascontiguousarray(variance_siemens2),
        voltage_volt,
        wires.r_bit_line_ohm,
        wires.r_last_ohm,
    )
    return variance


def solve_gated(
    g_siemens: Float64Array, voltage_volt: Float64Array, wires: Wires, *, device_voltages: bool
) -> tuple[Float64Array, Float64Array, Float64Array | None]:
    """Return (n, columns) and (n, rows) currents and, if asked for, (n, rows, columns) device voltages.

    The device voltage of an open cell is what its access transistor blocks: 0 minus the bit line.
    Arguments as ``column_currents``.
    """
    row, kept = [], []
    for source in batches(voltage_volt, g_siemens.size):
        end = np.zeros((len(source), g_siemens.shape[1]))
        across = source[:, :, None] - bit_line_voltages(g_siemens, source, end, source != 0, wires)
        row.append(np.einsum("ij,nij->ni", g_siemens, across) * (source != 0))
        kept.extend([across] if device_voltages else [])
    column = column_currents(g_siemens, voltage_volt, wires)
    return column, np.concatenate(row), np.concatenate(kept) if device_voltages else None


def bit_line_voltages(
    g_siemens: Float64Array, source_volt: Float64Array, end_volt: Float64Array, driven: BoolArray, wires: Wires
) -> Float64Array:
    """Return the (n, rows, columns) bit-line voltages at every cell.

    Args:
        g_siemens: (rows, columns).
        source_volt: (n, rows) at the driven rows.
        end_volt: (n, columns) at the column ends; 0 V is the virtual ground.
        driven: (n, rows) rows whose cells conduct.
        wires: Of topology ``gated1t1r``.
    """
    voltages: Float64Array = _voltages(g_siemens, source_volt, end_volt, driven, wires.r_bit_line_ohm, wires.r_last_ohm)
    return voltages


@njit(cache=True, fastmath={"contract"})
def _columns(g: Float64Array, voltage: Float64Array, r: float, r_last: float, every: int) -> Float64Array:
    out = np.zeros((voltage.shape[0], g.shape[1]))
    p, q, j = np.empty(g.shape[1]), np.empty(g.shape[1]), np.empty(g.shape[1])
    for s in range(voltage.shape[0]):
        driven = np.flatnonzero(voltage[s])
        if driven.size == 0:
            continue
        wire = _wires_below(driven, g.shape[0], r, r_last)
        p[:], q[:], j[:] = 0.0, 1.0, 0.0
        if np.all(voltage[s, driven] == voltage[s, driven[0]]):
            _descend_common(g, driven, wire, every, p, q)
            out[s] = voltage[s, driven[0]] * p / q
        else:
            _descend(g, voltage[s], driven, wire, every, p, q, j)
            out[s] = j / q
    return out


@njit(cache=True, fastmath={"contract"})
def _descend_common(
    g: Float64Array, driven: Int64Array, wire: Float64Array, every: int, p: Float64Array, q: Float64Array
) -> None:
    """Walk down the columns when all driven rows share one voltage: j is that voltage times p."""
    for d in range(driven.size):
        row, below = g[driven[d]], wire[d]
        for k in range(row.size):
            p[k] += row[k] * q[k]
            q[k] += below * p[k]
        if d % every == every - 1:
            for k in range(row.size):
                p[k] /= q[k]
                q[k] = 1.0


@njit(cache=True, fastmath={"contract"})
def _descend(
    g: Float64Array,
    voltage: Float64Array,
    driven: Int64Array,
    wire: Float64Array,
    every: int,
    p: Float64Array,
    q: Float64Array,
    j: Float64Array,
) -> None:
    for d in range(driven.size):
        row, below, v = g[driven[d]], wire[d], voltage[driven[d]]
        for k in range(row.size):
            gained = row[k] * q[k]
            p[k] += gained
            j[k] += gained * v
            q[k] += below * p[k]
        if d % every == every - 1:
            for k in range(row.size):
                p[k] /= q[k]
                j[k] /= q[k]
                q[k] = 1.0


@njit(cache=True, nogil=True, fastmath={"contract"})
def _powers(g: Float64Array, voltage: Float64Array, r: float, r_last: float) -> Float64Array:
    power = np.zeros(voltage.shape[0])
    source, admittance, drawn = np.empty(g.shape[1]), np.empty(g.shape[1]), np.empty(g.shape[1])
    for s in range(voltage.shape[0]):
        driven = np.flatnonzero(voltage[s])
        if driven.size == 0:
            continue
        wire = _wires_below(driven, g.shape[0], r, r_last)
        source[:], admittance[:], drawn[:] = 0.0, 0.0, 0.0
        for d in range(driven.size):
            row, v, below = g[driven[d]], voltage[s, driven[d]], wire[d]
            for k in range(row.size):
                fed, seen = row[k] * v, admittance[k] + row[k]
                raised = source[k] + fed
                damp = 1.0 / (1.0 + below * seen)
                drawn[k] += fed * v - below * raised * raised * damp
                admittance[k] = seen * damp
                source[k] = raised * damp
        power[s] = drawn.sum()
    return power


@njit(cache=True, nogil=True, fastmath={"contract"})
def _variances(g: Float64Array, spread: Float64Array, voltage: Float64Array, r: float, r_last: float) -> Float64Array:
    variance = np.zeros((voltage.shape[0], g.shape[1]))
    source, damp = np.empty(g.shape), np.empty(g.shape)
    admittance, held = np.empty(g.shape[1]), np.empty(g.shape[1])
    below, share = np.empty(g.shape[1]), np.empty(g.shape[1])
    for s in range(voltage.shape[0]):
        driven = np.flatnonzero(voltage[s])
        if driven.size == 0:
            continue
        wire = _wires_below(driven, g.shape[0], r, r_last)
        admittance[:], held[:], below[:], share[:] = 0.0, 0.0, 0.0, 1.0
        for d in range(driven.size):
            row, v, segment = g[driven[d]], voltage[s, driven[d]], wire[d]
            sources, damps = source[d], damp[d]
            for k in range(row.size):
                seen, raised = admittance[k] + row[k], held[k] + row[k] * v
                passed = 1.0 / (1.0 + segment * seen)
                damps[k], sources[k] = passed, raised
                admittance[k], held[k] = seen * passed, raised * passed
        total = variance[s]
        for d in range(driven.size - 1, -1, -1):
            noise, v, segment = spread[driven[d]], voltage[s, driven[d]], wire[d]
            sources, damps = source[d], damp[d]
            for k in range(noise.size):
                under, arrives = (below[k] + segment * sources[k]) * damps[k], share[k] * damps[k]
                below[k], share[k] = under, arrives
                felt = (v - under) * arrives
                total[k] += noise[k] * felt * felt
    return variance


@njit(cache=True)
def _wires_below(driven: Int64Array, rows: int, r: float, r_last: float) -> Float64Array:
    """Ohm between each driven row and the next one, or the end of the column."""
    wire = np.empty(driven.size)
    for d in range(driven.size - 1):
        wire[d] = (driven[d + 1] - driven[d]) * r
    wire[-1] = (rows - 1 - driven[-1]) * r + r_last
    return wire


@njit(cache=True)
def _voltages(
    g: Float64Array, voltage: Float64Array, end: Float64Array, driven: BoolArray, r: float, r_last: float
) -> Float64Array:
    rows, columns = g.shape
    bit_line = np.empty((voltage.shape[0], rows, columns))
    source, admittance = np.empty((rows, columns)), np.empty((rows, columns))
    for s in range(voltage.shape[0]):
        _norton(g, voltage[s], driven[s], r, source, admittance)
        for k in range(columns):
            below, segment = end[s, k], r_last
            for i in range(rows - 1, -1, -1):
                below = (below + segment * source[i, k]) / (1.0 + segment * admittance[i, k])
                bit_line[s, i, k] = below
                segment = r
    return bit_line


@njit(cache=True)
def _norton(
    g: Float64Array, voltage: Float64Array, driven: BoolArray, r: float, source: Float64Array, admittance: Float64Array
) -> None:
    """Fill what every column down to row i looks like from its bit-line node there."""
    for i in range(g.shape[0]):
        for k in range(g.shape[1]):
            gate = g[i, k] if driven[i] else 0.0
            damp = 1.0 + r * admittance[i - 1, k] if i > 0 else 1.0
            admittance[i, k] = gate + (admittance[i - 1, k] / damp if i > 0 else 0.0)
            source[i, k] = gate * voltage[i] + (source[i - 1, k] / damp if i > 0 else 0.0)
