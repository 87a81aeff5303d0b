"""The inner loops of first-order noise: a few operations a cell.

``drive`` and ``effect`` are tuples (push, z, forward, backward, modes, amplitudes): the current (rows, columns) that a
source pushes into a line, the voltage that a current raises there, how it spreads along the line, and the modes (modes,
places) with their (modes, rows, columns) amplitudes. Lines are bit lines for drives and word lines for effects.

One second-order term costs nothing here and is added: noise currents change the voltages on their own two lines, so
every noisy cell of these meets another voltage.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numba import njit

from emulators.wires.spread import spread_along, spread_down
from hil.types import Float64Array

__all__ = ["Arrays", "changed_currents", "changed_matrix"]

Arrays: TypeAlias = tuple[Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array]


@njit(cache=True, fastmath={"contract"})
def changed_matrix(
    dg: Float64Array,
    own: Float64Array,
    drive_own: Float64Array,
    effect_own: Float64Array,
    drive: Arrays,
    effect: Arrays,
) -> Float64Array:
    """Return the (rows, columns) change of T; ``own`` is what a cell does to its own entry, beyond the modes."""
    change, driven, felt = np.empty(dg.shape), np.empty(dg.shape), np.empty(dg.shape)
    for i in range(dg.shape[0]):
        for k in range(dg.shape[1]):
            change[i, k] = own[i, k] * dg[i, k]
            driven[i, k] = drive_own[i, k] * dg[i, k]
            felt[i, k] = effect_own[i, k] * dg[i, k]
    arriving = np.empty(dg.shape)
    spread_along(driven, effect[2], effect[3], arriving)
    _add_from_lines(arriving, effect[0], effect[1], driven, felt, change)
    _add_effect_modes(driven, effect[4], effect[5], change)
    spread_down(felt, drive[2], drive[3], arriving)
    _add_from_lines(arriving, drive[0], drive[1], felt, driven, change)
    _add_drive_modes(felt, drive[4], drive[5], change)
    return change


@njit(cache=True, fastmath={"contract"})
def changed_currents(
    voltage: Float64Array,
    excited: Float64Array,
    dg: Float64Array,
    drive_own: Float64Array,
    effect_own: tuple[Float64Array, Float64Array],
    drive: Arrays,
    effect: Arrays,
) -> Float64Array:
    """Return (n, columns) changes of the column currents for (n, rows) voltages.

    ``excited`` is (n, modes, columns), what each vector drives of the modes; ``dg`` is (n, rows, columns), or (1, rows,
    columns) for all; ``drive_own`` is beyond the modes, ``effect_own`` is whole and beyond the modes.
    """
    shape = drive_own.shape
    change = np.zeros((voltage.shape[0], shape[1]))
    current, driven, felt, arriving = np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape)
    nothing = np.zeros(shape)
    for s in range(voltage.shape[0]):
        noise = dg[s % dg.shape[0]]
        _across(voltage[s], excited[s], drive_own, drive, driven)
        for i in range(shape[0]):
            for k in range(shape[1]):
                driven[i, k] *= noise[i, k]
                felt[i, k] = effect_own[0][i, k] * noise[i, k]
                current[i, k] = effect_own[1][i, k] * driven[i, k]
        spread_along(driven, effect[2], effect[3], arriving)
        _add_from_lines(arriving, effect[0], effect[1], driven, felt, current)
        _add_effect_modes(driven, effect[4], effect[5], current)
        spread_down(felt, drive[2], drive[3], arriving)
        _add_from_lines(arriving, nothing, drive[1], felt, driven, current)
        for i in range(shape[0]):
            for k in range(shape[1]):
                change[s, k] += current[i, k]
    return change


@njit(cache=True, fastmath={"contract"})
def _across(voltage: Float64Array, excited: Float64Array, own: Float64Array, drive: Arrays, out: Float64Array) -> None:
    """Fill in the voltage across every cell under one input vector."""
    push, z, forward, backward, modes, _ = drive
    rows, columns = own.shape
    pushed = np.empty((rows, columns))
    for i in range(rows):
        for k in range(columns):
            pushed[i, k] = push[i, k] * voltage[i]
    spread_down(pushed, forward, backward, out)
    for i in range(rows):
        for k in range(columns):
            out[i, k] = voltage[i] * own[i, k] - z[i, k] * out[i, k]
        for r in range(modes.shape[0]):
            for k in range(columns):
                out[i, k] += modes[r, i] * excited[r, k]


@njit(cache=True, fastmath={"contract"})
def _add_from_lines(
    arriving: Float64Array,
    push: Float64Array,
    z: Float64Array,
    here: Float64Array,
    other: Float64Array,
    change: Float64Array,
) -> None:
    """Add what noise elsewhere on a line does to a cell, and to the noise of that cell."""
    for i in range(arriving.shape[0]):
        for k in range(arriving.shape[1]):
            change[i, k] -= z[i, k] * (push[i, k] * arriving[i, k] + other[i, k] * (arriving[i, k] + here[i, k]))


@njit(cache=True, fastmath={"contract"})
def _add_effect_modes(
    driven: Float64Array, modes: Float64Array, amplitudes: Float64Array, change: Float64Array
) -> None:
    rows, columns = driven.shape
    for r in range(modes.shape[0]):
        for i in range(rows):
            total = 0.0
            for k in range(columns):
                total += driven[i, k] * modes[r, k]
            for k in range(columns):
                change[i, k] += amplitudes[r, i, k] * total


@njit(cache=True, fastmath={"contract"})
def _add_drive_modes(felt: Float64Array, modes: Float64Array, amplitudes: Float64Array, change: Float64Array) -> None:
    rows, columns = felt.shape
    total = np.empty(columns)
    for r in range(modes.shape[0]):
        total[:] = 0.0
        for i in range(rows):
            for k in range(columns):
                total[k] += felt[i, k] * modes[r, i]
        for i in range(rows):
            for k in range(columns):
                change[i, k] += amplitudes[r, i, k] * total[k]
