"""The inner loops of first-order noise: a few operations a cell, twice over the array, in single precision.

What each row needs lies together, (rows, planes, columns), so that every number is fetched once. The noise is only
first order, so seven digits of it are more than enough; the exact T it is added to stays in double precision.

One second-order term costs nothing here and is included: noise changes the voltages on its own two lines, so every
noisy cell of these meets another voltage.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from hil.types import Float32Array, Float64Array

__all__ = ["Downwards", "Upwards", "changed_currents", "changed_matrix"]


class Downwards(NamedTuple):
    """Planes read on the way down, each (rows, columns); the amplitudes of the effect modes follow."""

    own_change: Float64Array
    drive: Float64Array
    effect: Float64Array
    along_forward: Float64Array
    along_backward: Float64Array
    along_push: Float64Array
    along_z: Float64Array
    down_forward: Float64Array


class Upwards(NamedTuple):
    """Planes read on the way up, each (rows, columns); the amplitudes of the drive modes follow."""

    down_backward: Float64Array
    down_push: Float64Array
    down_z: Float64Array
    drive_rest: Float64Array
    effect_rest: Float64Array


OWN_CHANGE: Final = Downwards._fields.index("own_change")
DRIVE: Final = Downwards._fields.index("drive")
EFFECT: Final = Downwards._fields.index("effect")
ALONG_FORWARD: Final = Downwards._fields.index("along_forward")
ALONG_BACKWARD: Final = Downwards._fields.index("along_backward")
ALONG_PUSH: Final = Downwards._fields.index("along_push")
ALONG_Z: Final = Downwards._fields.index("along_z")
DOWN_FORWARD: Final = Downwards._fields.index("down_forward")
EFFECT_MODES: Final = len(Downwards._fields)

DOWN_BACKWARD: Final = Upwards._fields.index("down_backward")
DOWN_PUSH: Final = Upwards._fields.index("down_push")
DOWN_Z: Final = Upwards._fields.index("down_z")
DRIVE_REST: Final = Upwards._fields.index("drive_rest")
EFFECT_REST: Final = Upwards._fields.index("effect_rest")
DRIVE_MODES: Final = len(Upwards._fields)


@njit(cache=True, fastmath={"contract"})
def changed_matrix(
    dg: Float64Array,
    downwards: Float32Array,
    upwards: Float32Array,
    effect_modes: Float32Array,
    drive_modes: Float32Array,
) -> Float64Array:
    """Return the (rows, columns) change of T; modes are (modes, columns) and (modes, rows)."""
    change = np.empty(dg.shape, np.float32)
    driven, felt, above = np.empty_like(change), np.empty_like(change), np.empty_like(change)
    carry, total = np.zeros(dg.shape[1], np.float32), np.zeros((drive_modes.shape[0], dg.shape[1]), np.float32)
    scratch = np.empty((4, dg.shape[1]), np.float32)
    for i in range(dg.shape[0]):
        plane = downwards[i]
        for k in range(dg.shape[1]):
            noise = np.float32(dg[i, k])
            driven[i, k] = plane[DRIVE, k] * noise
            felt[i, k] = plane[EFFECT, k] * noise
            change[i, k] = plane[OWN_CHANGE, k] * noise
            above[i, k] = carry[k]
            carry[k] = (carry[k] + felt[i, k]) * plane[DOWN_FORWARD, k]
        for r in range(drive_modes.shape[0]):
            for k in range(dg.shape[1]):
                total[r, k] += drive_modes[r, i] * felt[i, k]
        _add_effects(driven[i], felt[i], plane, effect_modes, scratch, change[i])
    _add_drives(driven, felt, above, upwards, total, change)
    return change.astype(np.float64)


@njit(cache=True, fastmath={"contract"})
def _add_drives(
    driven: Float32Array,
    felt: Float32Array,
    above: Float32Array,
    upwards: Float32Array,
    total: Float32Array,
    change: Float32Array,
) -> None:
    """Add what the other rows drive through noise: along the bit lines and through the modes."""
    rows, columns = change.shape
    carry = np.zeros(columns, np.float32)
    for i in range(rows - 1, -1, -1):
        plane = upwards[i]
        for k in range(columns):
            carry[k] *= plane[DOWN_BACKWARD, k]
            here = above[i, k] + carry[k]
            change[i, k] -= plane[DOWN_PUSH, k] * here + plane[DOWN_Z, k] * driven[i, k] * (here + felt[i, k])
            carry[k] += felt[i, k]
        for r in range(total.shape[0]):
            for k in range(columns):
                change[i, k] += plane[DRIVE_MODES + r, k] * total[r, k]


@njit(cache=True, fastmath={"contract"})
def changed_currents(
    voltage: Float32Array,
    excited: Float32Array,
    dg: Float64Array,
    push: Float32Array,
    downwards: Float32Array,
    upwards: Float32Array,
    effect_modes: Float32Array,
    drive_modes: Float32Array,
) -> Float64Array:
    """Return (n, columns) changes of the column currents for (n, rows) voltages.

    ``excited`` is (n, modes, columns), what each vector drives of the modes; ``dg`` is (n, rows, columns), or (1, rows,
    columns) for all; ``push`` is (rows, columns), the current a row's volt pushes into each bit line.
    """
    rows, columns = push.shape
    change = np.zeros((voltage.shape[0], columns))
    felt, above = np.empty((rows, columns), np.float32), np.empty((2, rows, columns), np.float32)
    carry, driven = np.empty((2, columns), np.float32), np.empty(columns, np.float32)
    current, scratch = np.empty(columns, np.float32), np.empty((4, columns), np.float32)
    for s in range(voltage.shape[0]):
        _sweep_down(voltage[s], dg[s % dg.shape[0]], push, downwards, felt, above)
        carry[:] = 0.0
        for i in range(rows - 1, -1, -1):
            plane, noise = upwards[i], dg[s % dg.shape[0], i]
            volt = voltage[s, i]
            for k in range(columns):
                carry[0, k] *= plane[DOWN_BACKWARD, k]
                driven[k] = volt * plane[DRIVE_REST, k] - plane[DOWN_Z, k] * (above[0, i, k] + carry[0, k])
                carry[0, k] += volt * push[i, k]
            for r in range(drive_modes.shape[0]):
                for k in range(columns):
                    driven[k] += drive_modes[r, i] * excited[s, r, k]
            for k in range(columns):
                driven[k] *= np.float32(noise[k])
                carry[1, k] *= plane[DOWN_BACKWARD, k]
                noise_here = above[1, i, k] + carry[1, k] + felt[i, k]
                current[k] = driven[k] * (plane[EFFECT_REST, k] - plane[DOWN_Z, k] * noise_here)
                carry[1, k] += felt[i, k]
            _add_effects(driven, felt[i], downwards[i], effect_modes, scratch, current)
            for k in range(columns):
                change[s, k] += current[k]
    return change


@njit(cache=True, fastmath={"contract"})
def _sweep_down(
    voltage: Float32Array,
    noise: Float64Array,
    push: Float32Array,
    downwards: Float32Array,
    felt: Float32Array,
    above: Float32Array,
) -> None:
    """Fill in how noise is felt, and what of the inputs and of that noise arrives on bit lines from the rows above."""
    rows, columns = push.shape
    carry = np.zeros((2, columns), np.float32)
    for i in range(rows):
        plane = downwards[i]
        for k in range(columns):
            felt[i, k] = plane[EFFECT, k] * np.float32(noise[i, k])
            above[0, i, k] = carry[0, k]
            above[1, i, k] = carry[1, k]
            carry[0, k] = (carry[0, k] + voltage[i] * push[i, k]) * plane[DOWN_FORWARD, k]
            carry[1, k] = (carry[1, k] + felt[i, k]) * plane[DOWN_FORWARD, k]


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _add_effects(
    driven: Float32Array,
    felt: Float32Array,
    plane: Float32Array,
    modes: Float32Array,
    scratch: Float32Array,
    change: Float32Array,
) -> None:
    """Add what noise currents of one row do to the other columns: along the word line and through the modes."""
    columns = driven.size
    ahead = behind = np.float32(0.0)
    for k in range(columns):
        scratch[0, k] = driven[k] * plane[ALONG_FORWARD, k]
        scratch[1, k] = driven[k] * plane[ALONG_BACKWARD, k - 1]  # k = 0 meets the unused last one: nobody is before it
    for k in range(columns):  # both ways at once: each waits for its own last sum only
        back = columns - 1 - k
        scratch[2, k] = ahead
        ahead = ahead * plane[ALONG_FORWARD, k] + scratch[0, k]
        scratch[3, back] = behind
        behind = behind * plane[ALONG_BACKWARD, back - 1] + scratch[1, back]
    for k in range(columns):
        here = scratch[2, k] + scratch[3, k]
        change[k] -= plane[ALONG_PUSH, k] * here + plane[ALONG_Z, k] * felt[k] * (here + driven[k])
    for r in range(modes.shape[0]):
        total = np.float32(0.0)
        for k in range(columns):
            total += driven[k] * modes[r, k]
        for k in range(columns):
            change[k] += plane[EFFECT_MODES + r, k] * total
