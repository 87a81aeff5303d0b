"""Plain solves of the same circuit, each written another way than the solvers under test."""

from fractions import Fraction
from itertools import product

import numpy as np


def nodal(g, v, r_word_line, r_bit_line, r_driver, r_sense):
    """Solve one Kirchhoff equation a node; every resistance that separates two nodes must be positive.

    Returns (n, columns) and (n, rows) currents and (n, rows, columns) device voltages.
    """
    rows, columns = g.shape
    size = 2 * rows * columns
    system, right = np.zeros((size, size)), np.zeros((size, len(v)))
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns

    def resistor(a, b, siemens):
        for x, y in ((a, b), (b, a)):
            system[x, x] += siemens
            system[x, y] -= siemens

    first, last = 1 / (r_driver + r_word_line), 1 / (r_bit_line + r_sense)
    for i in range(rows):
        system[word[i, 0], word[i, 0]] += first
        right[word[i, 0]] += first * v[:, i]
        for j in range(columns):
            resistor(word[i, j], bit[i, j], g[i, j])
            if j:
                resistor(word[i, j], word[i, j - 1], 1 / r_word_line)
            if i:
                resistor(bit[i, j], bit[i - 1, j], 1 / r_bit_line)
    for j in range(columns):
        system[bit[-1, j], bit[-1, j]] += last
    x = np.linalg.solve(system, right)
    across = (x[word] - x[bit]).transpose(2, 0, 1)
    return (x[bit[-1]] * last).T, (v - x[word[:, 0]].T) * first, across


def meshed(g, v, r_word_line, r_bit_line, r_driver, r_sense):
    """Solve for the current of every cell: what all cell currents drop on the wires, so any wire may be zero."""
    rows, columns = g.shape
    i, j = (index.ravel() for index in np.indices(g.shape))
    shared_word = 1 + np.minimum.outer(j, j)
    shared_bit = rows - np.maximum.outer(i, i)
    drop = np.equal.outer(i, i) * (r_driver + r_word_line * shared_word)
    drop = drop + np.equal.outer(j, j) * (r_sense + r_bit_line * shared_bit)
    system = np.eye(g.size) + g.ravel()[:, None] * drop
    cell = np.linalg.solve(system, g.ravel()[:, None] * v.T[i]).T.reshape(len(v), rows, columns)
    across = v[:, :, None] - (cell.reshape(len(v), -1) @ drop).reshape(cell.shape)
    return cell.sum(axis=1), cell.sum(axis=2), across


def rational(g, v, r_word_line, r_bit_line, r_driver, r_sense):
    """Solve as ``meshed`` but in exact fractions, for small arrays; returns (columns,) and (rows,) for one vector."""
    rows = len(g)
    word, bit, driver, sense = (Fraction(r) for r in (r_word_line, r_bit_line, r_driver, r_sense))
    cells = list(np.ndindex(g.shape))
    system = [[Fraction(p == q) for q in range(len(cells))] for p in range(len(cells))]
    right = [Fraction(g[i, j]) * Fraction(v[i]) for i, j in cells]
    for (p, (i, j)), (q, (k, n)) in product(enumerate(cells), repeat=2):
        drop = (driver + word * (1 + min(j, n))) * (i == k) + (sense + bit * (rows - max(i, k))) * (j == n)
        system[p][q] += Fraction(g[i, j]) * drop
    for p in range(len(cells)):
        for q in range(p + 1, len(cells)):
            factor = system[q][p] / system[p][p]
            system[q] = [a - factor * b for a, b in zip(system[q], system[p], strict=True)]
            right[q] -= factor * right[p]
    cell = [Fraction(0)] * len(cells)
    for p in reversed(range(len(cells))):
        cell[p] = (right[p] - sum(system[p][q] * cell[q] for q in range(p + 1, len(cells)))) / system[p][p]
    current = np.array(cell, dtype=object).reshape(g.shape)
    return current.sum(axis=0).astype(float), current.sum(axis=1).astype(float)
