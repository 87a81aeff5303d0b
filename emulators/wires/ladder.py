"""One word line is a resistive ladder: its port matrix and its voltages, without a subtraction that could cancel.

With every bit-line voltage given, the rows of an array do not see each other. Row ``i`` is a ladder fed at its left
end; looking left from cell ``j`` is the resistance ``rho_j``, looking right the conductance ``sigma_j``. Both obey
recurrences with positive terms only, so a zero conductance, a zero resistance and ratios of many decades are exact
to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from hil.types import Float64Array

__all__ = ["RowLadders"]


@dataclass(frozen=True, eq=False)
class RowLadders:
    """The ladders of all rows of an array.

    Attributes:
        g: (rows, columns) conductances.
        r_first: Ohm between the source and the first cell.
        r: Ohm between neighbouring cells.
        rho: (rows, columns) ohm looking left from a cell's node, the cell itself not counted.
        sigma: (rows, columns) siemens looking right from a cell's node, the cell itself not counted.
        reach: (rows, columns) word-line voltage for 1 V at the source and all bit lines at 0 V.
    """

    g: Float64Array
    r_first: float
    r: float
    rho: Float64Array
    sigma: Float64Array
    reach: Float64Array

    @classmethod
    def of(cls, g: Float64Array, *, r_first: float, r: float) -> RowLadders:
        """Look left and right from every cell."""
        return cls(g, r_first, r, *_looks(g, r_first, r))

    @cached_property
    def feed(self) -> Float64Array:
        """(rows, columns) cell currents for 1 V at the source and all bit lines at 0 V."""
        return self.g * self.reach

    def admittance(self, row: int) -> Float64Array:
        """(columns, columns) currents into the row's cells from its bit lines, source at 0 V: Y = (1/G + R)^-1."""
        y: Float64Array = _admittance(self.g[row], self.rho[row], self.sigma[row], self.r)
        return y

    def device_voltage(self, source_volt: Float64Array, bit_line_volt: Float64Array) -> Float64Array:
        """Return the voltage across every cell.

        Args:
            source_volt: (n, rows).
            bit_line_volt: (rows, n, columns).

        Returns:
            (n, rows, columns) word line minus bit line.
        """
        across: Float64Array = _device_voltage(self.g, self.sigma, self.r_first, self.r, source_volt, bit_line_volt)
        return across


@njit(cache=True)
def _looks(g: Float64Array, r_first: float, r: float) -> tuple[Float64Array, Float64Array, Float64Array]:
    rows, columns = g.shape
    rho, sigma, reach = np.empty_like(g), np.zeros_like(g), np.empty_like(g)
    for i in range(rows):
        rho[i, 0] = r_first
        for j in range(1, columns):
            rho[i, j] = r + rho[i, j - 1] / (1.0 + rho[i, j - 1] * g[i, j - 1])
        for j in range(columns - 2, -1, -1):
            load = sigma[i, j + 1] + g[i, j + 1]
            sigma[i, j] = load / (1.0 + r * load)
        reach[i, 0] = 1.0 / (1.0 + r_first * (g[i, 0] + sigma[i, 0]))
        for j in range(1, columns):
            reach[i, j] = reach[i, j - 1] / (1.0 + r * (g[i, j] + sigma[i, j]))
    return rho, sigma, reach


@njit(cache=True)
def _admittance(g: Float64Array, rho: Float64Array, sigma: Float64Array, r: float) -> Float64Array:
    # z_jk, the voltage at j for a current into k, spreads from the diagonal: z_jk = share_j * z_(j+1)k for j < k.
    n = g.size
    z, y = np.empty((n, n)), np.empty((n, n))
    for j in range(n - 1, -1, -1):
        damp = 1.0 + rho[j] * (g[j] + sigma[j])
        z[j, j] = rho[j] / damp
        y[j, j] = g[j] * (1.0 + rho[j] * sigma[j]) / damp
        if j < n - 1:
            left = rho[j] / (1.0 + rho[j] * g[j])
            share = left / (r + left) if left > 0.0 else 0.0
            for k in range(j + 1, n):
                z[j, k] = share * z[j + 1, k]
                y[j, k] = -g[j] * z[j, k] * g[k]
                y[k, j] = y[j, k]
    return y


@njit(cache=True)
def _device_voltage(
    g: Float64Array, sigma: Float64Array, r_first: float, r: float, source: Float64Array, bit_line: Float64Array
) -> Float64Array:
    rows, columns = g.shape
    n = source.shape[0]
    across = np.empty((n, rows, columns))
    pushed = np.empty(columns)
    for i in range(rows):
        for s in range(n):
            b = bit_line[i, s]
            pushed[columns - 1] = g[i, columns - 1] * b[columns - 1]
            for j in range(columns - 2, -1, -1):
                pushed[j] = g[i, j] * b[j] + pushed[j + 1] / (1.0 + r * (sigma[i, j + 1] + g[i, j + 1]))
            w = source[s, i]
            for j in range(columns):
                step = r_first if j == 0 else r
                w = (w + step * pushed[j]) / (1.0 + step * (sigma[i, j] + g[i, j]))
                across[s, i, j] = w - b[j]
    return across
