"""The voltages that single sources raise across all cells of an array, compressed to what a few operations can use.

For 1 V at row a and all else at 0 V, the voltage across the cells is nearly 1 V in row a. Elsewhere it has two parts:
along each bit line it spreads from row a as a resistive ladder says, and what remains is smooth over the rows, so a
few modes hold it. The full field of all sources has rows^2 columns numbers and is only passed through in chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from emulators.wires.elimination import RowElimination
from emulators.wires.spread import Spread, take_off_line, turn
from hil.progress import OnProgress
from hil.types import Float64Array, Int64Array

__all__ = ["SourceFields", "source_fields"]

CHUNK_BYTES = 96 << 20
MOST_MODES = 4


@dataclass(frozen=True, slots=True, eq=False)
class SourceFields:
    """Voltages U[a] across all cells for 1 V at each row a: its own row, the spread along bit lines, a few modes.

    ``U[a][i, k] = own[i, k] if i == a, else sum_r modes[r, i] amplitudes[r, a, k] - what push[a, k] raises at (i, k)``

    Attributes:
        own: (rows, columns) voltage across each cell for 1 V at its own row.
        push: (rows, columns) current that row a pushes into each bit line for 1 V.
        lines: How a current spreads along the bit lines.
        modes: (modes, rows), orthonormal, the most important first.
        amplitudes: (modes, rows, columns), the second index being the source.
    """

    own: Float64Array
    push: Float64Array
    lines: Spread
    modes: Float64Array
    amplitudes: Float64Array

    def with_modes(self, count: int) -> SourceFields:
        """Return the fields with the first few modes only."""
        return replace(self, modes=self.modes[:count].copy(), amplitudes=self.amplitudes[:count].copy())

    def turned_back(self, lines: Spread) -> SourceFields:
        """Return fields of the turned array in the original's order: sources are column ends, modes run over columns.

        ``lines`` are the word lines of the original array.
        """
        return SourceFields(
            turn(self.own),
            turn(self.push),
            lines,
            self.modes[:, ::-1].copy(),
            turn(self.amplitudes),
        )


def source_fields(elimination: RowElimination, bit_lines: Spread, on_progress: OnProgress) -> SourceFields:
    """Solve an array for every row alone and compress the voltages."""
    g = elimination.g_siemens
    rows, columns = g.shape
    own, push, gram = np.zeros(g.shape), np.zeros(g.shape), np.zeros((rows, rows))
    chunks = list(_chunks(rows, columns))
    for done, chunk in enumerate(chunks):
        on_progress(done, 2 * len(chunks))
        rest = _chunk(elimination, bit_lines, chunk, own, push)
        for field in rest:
            gram += field @ field.T
    modes = np.ascontiguousarray(np.linalg.eigh(gram)[1][:, ::-1][:, :MOST_MODES].T)
    amplitudes = np.empty((len(modes), rows, columns))
    for done, chunk in enumerate(chunks):
        on_progress(len(chunks) + done, 2 * len(chunks))
        rest = rest if len(chunks) == 1 else _chunk(elimination, bit_lines, chunk, own, push)
        amplitudes[:, chunk] = np.matmul(modes, rest).swapaxes(0, 1)
    return SourceFields(own, push, bit_lines, modes, amplitudes)


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    size = max(1, CHUNK_BYTES // (8 * rows * columns))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _chunk(
    elimination: RowElimination, bit_lines: Spread, chunk: slice, own: Float64Array, push: Float64Array
) -> Float64Array:
    """Solve for some sources; fills their own rows and returns what spreading along the bit lines does not explain."""
    source = np.eye(len(own))[chunk]
    bit_line = elimination.bit_lines(source, np.zeros((len(source), own.shape[1])))
    rest = elimination.ladders.device_voltage(source, bit_line)
    at = np.arange(chunk.start, chunk.stop)
    own[chunk] = rest[at - chunk.start, at]
    push[chunk] = elimination.g_siemens[chunk] * (own[chunk] + bit_line[at, at - chunk.start])
    take_off_line(rest, bit_lines.forward, bit_lines.backward, -push * bit_lines.z_ohm, chunk.start)
    _bridge(rest, at, at - chunk.start)
    return rest


def _bridge(rest: Float64Array, own: Int64Array, source: Int64Array) -> None:
    """Replace each source's own row by the mean of its neighbours, so that modes need not follow the jump there."""
    rows = rest.shape[1]
    above, below = np.where(own > 0, own - 1, own + 1), np.where(own < rows - 1, own + 1, own - 1)
    rest[source, own] = 0.5 * (rest[source, above] + rest[source, below]) if rows > 1 else 0.0
