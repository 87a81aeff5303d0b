"""Solves an array row by row from the top: exact voltages and currents everywhere, for any sources and terminations.

Row ``i`` seen from its bit lines is the matrix admittance ``Y_i``. All rows down to ``i``, seen from the bit lines
below cell ``i``, are a Norton source ``J_i`` with admittance ``Q_i``. One bit-line segment ``r`` turns ``Q`` into
``M Q`` and ``J`` into ``M J`` with ``M = (1 + r Q)^-1``; the next row adds ``Y`` and ``Y 1 V``. Every matrix to be
inverted is symmetric with eigenvalues of at least 1, so a Cholesky factor always exists and zero resistances and zero
conductances are nothing special. Voltages follow upwards: ``b_i = M_i (b_(i+1) + r J_i)``.

Cost: about 4 rows x columns^3 operations once, 4 rows x columns^2 a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np
from scipy.linalg import blas, lapack

from emulators.wires.ladder import RowLadders
from emulators.wires.values import Wires
from hil.types import Float64Array

__all__ = ["RowElimination", "eliminations"]

KEPT_BYTES = 256 << 20
"""Above this, the matrices of the downward pass are recomputed in stretches on the way up instead of kept."""


@dataclass(frozen=True, eq=False)
class RowElimination:
    """One array, ready to be solved for many vectors.

    Attributes:
        g_siemens: (rows, columns).
        wires: Of topology ``passive2d``.
        tick: Called whenever a row was eliminated, which is what takes time.
    """

    g_siemens: Float64Array
    wires: Wires
    tick: Callable[[], None] = lambda: None

    @cached_property
    def ladders(self) -> RowLadders:
        """The rows with their bit lines as ports."""
        return RowLadders.of(self.g_siemens, r_first=self.wires.r_first_ohm, r=self.wires.r_word_line_ohm)

    @cached_property
    def _kept(self) -> list[Float64Array] | None:
        rows, columns = self.g_siemens.shape
        return list(self._down(0, rows, None)) if _is_kept(rows, columns) else None

    def currents(self, source_volt: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Solve for a batch of vectors, all columns ending in the virtual ground.

        Args:
            source_volt: (n, rows) at the drivers.

        Returns:
            (n, columns) column currents, (n, rows) row currents, (rows, n, columns) bit-line voltages.
        """
        column, norton = self._downwards(source_volt)
        bit_line = self._upwards(norton, np.zeros_like(column))
        feed = self.ladders.feed
        return column, source_volt * feed.sum(axis=1) - np.einsum("ij,inj->ni", feed, bit_line), bit_line

    def bit_lines(self, source_volt: Float64Array, end_volt: Float64Array) -> Float64Array:
        """Return the (rows, n, columns) voltages of every bit line at every cell.

        Args:
            source_volt: (n, rows) at the drivers.
            end_volt: (n, columns) at the column ends, behind the sense resistance.
        """
        return self._upwards(self._downwards(source_volt)[1], end_volt)

    def _downwards(self, source_volt: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return the (n, columns) currents into grounded column ends and the (rows, n, columns) Norton sources."""
        norton = np.empty((len(self.g_siemens), len(source_volt), self.g_siemens.shape[1]))
        held = np.zeros(norton.shape[1:])
        for i, m in enumerate(self._matrices()):
            norton[i] = held + source_volt[:, i, None] * self.ladders.feed[i]
            held = _times(m, norton[i])
        return held, norton

    def _upwards(self, norton: Float64Array, end_volt: Float64Array) -> Float64Array:
        """Turn the Norton sources into bit-line voltages, in place."""
        below = end_volt
        for i, m in self._matrices_upwards():
            below = _times(m, below + self._segment(i) * norton[i])
            norton[i] = below
        return norton

    def _segment(self, row: int) -> float:
        last = row == self.g_siemens.shape[0] - 1
        return self.wires.r_last_ohm if last else self.wires.r_bit_line_ohm

    def _down(self, start: int, stop: int, q: Float64Array | None) -> Iterator[Float64Array]:
        """Yield M_i for the rows of a stretch; ``q`` is what the rows above it look like, changed in place."""
        columns = self.g_siemens.shape[1]
        q = np.zeros((columns, columns)) if q is None else q
        for i in range(start, stop):
            q += self.ladders.admittance(i)
            m = _damping(q, self._segment(i))
            q[...] = _times(m, q)
            self.tick()
            yield m

    def _matrices(self) -> Iterator[Float64Array]:
        yield from self._kept if self._kept is not None else self._down(0, self.g_siemens.shape[0], None)

    def _matrices_upwards(self) -> Iterator[tuple[int, Float64Array]]:
        rows, columns = self.g_siemens.shape
        if self._kept is not None:
            yield from zip(range(rows - 1, -1, -1), reversed(self._kept), strict=True)
            return
        stretch = isqrt(rows) + 1
        starts, q = [], np.zeros((columns, columns))
        for start in range(0, rows, stretch):
            starts.append((start, q.copy()))
            for _ in self._down(start, min(start + stretch, rows), q):
                pass
        for start, above in reversed(starts):
            stop = min(start + stretch, rows)
            kept = list(self._down(start, stop, above))
            yield from zip(range(stop - 1, start - 1, -1), reversed(kept), strict=True)


def _is_kept(rows: int, columns: int) -> bool:
    return rows * columns**2 * 8 <= KEPT_BYTES


def eliminations(rows: int, columns: int, *, batches: int) -> int:
    """Return how many rows are eliminated to solve an array for so many batches of vectors."""
    return rows if _is_kept(rows, columns) else 3 * rows * batches


def _damping(q: Float64Array, r: float) -> Float64Array:
    """Return (1 + r q)^-1, its lower triangle in Fortran order."""
    system = np.asfortranarray(r * q)
    system.flat[:: len(q) + 1] += 1.0
    factor, _ = lapack.dpotrf(system, lower=1, clean=0, overwrite_a=1)
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    return inverse  # type: ignore[no-any-return]


def _times(m: Float64Array, x: Float64Array) -> Float64Array:
    """Return x @ m for a symmetric m of which only the lower triangle is set; x is (n, columns)."""
    return blas.dsymm(1.0, m, x.T, side=0, lower=1).T
