"""How a disturbance at one cell spreads along the line it sits on, for all lines at once in two sweeps.

A line seen as a ladder answers a current injected at place p with ``z_p`` volt there; from place to place the voltage
falls by a factor that depends on the place only. So the sum over all other places is one sweep each way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from emulators.wires.ladder import RowLadders
from hil.types import Float64Array

__all__ = ["Spread", "take_off_line", "turn"]


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """The ladders of all lines of one direction; every array is (rows, columns).

    Attributes:
        forward: Share of a current at a place that arrives at the next place; the last is unused.
        backward: Share of a current at the next place that arrives at a place; the last is unused.
        z_ohm: Voltage at a place for a current injected there.
    """

    forward: Float64Array
    backward: Float64Array
    z_ohm: Float64Array

    @classmethod
    def along_rows(cls, ladders: RowLadders) -> Spread:
        """Take the word lines as lines and their cells as places."""
        left = ladders.rho / (1.0 + ladders.rho * ladders.g)
        forward = np.divide(left, ladders.r + left, out=np.zeros_like(left), where=left > 0)
        backward = np.zeros_like(left)
        backward[:, :-1] = 1.0 / (1.0 + ladders.r * (ladders.sigma + ladders.g)[:, 1:])
        z = ladders.rho / (1.0 + ladders.rho * (ladders.g + ladders.sigma))
        return cls(forward, backward, z)

    @classmethod
    def down_columns(cls, turned_ladders: RowLadders) -> Spread:
        """Take the bit lines as lines, given the word lines of the turned array."""
        turned = cls.along_rows(turned_ladders)
        forward, backward = np.zeros_like(turned.forward.T), np.zeros_like(turned.forward.T)
        forward[:-1], backward[:-1] = turn(turned.backward)[1:], turn(turned.forward)[1:]
        return cls(forward, backward, turn(turned.z_ohm))


def turn(values: Float64Array) -> Float64Array:
    """Return (..., rows, columns) values as seen from the sense side: (..., columns, rows), both in reverse."""
    return np.ascontiguousarray(values[..., ::-1, ::-1].swapaxes(-1, -2))


@njit(cache=True)
def take_off_line(
    field: Float64Array, forward: Float64Array, backward: Float64Array, volt: Float64Array, start: int
) -> None:
    """Subtract from (sources, rows, columns) fields what spreads down the columns from each source's own row.

    Source s sits in row ``start + s`` and puts ``volt[row, column]`` there; its own row is left alone.
    """
    sources, rows, columns = field.shape
    here = np.empty(columns)
    for s in range(sources):
        own = start + s
        here[:] = volt[own]
        for i in range(own + 1, rows):
            for k in range(columns):
                here[k] *= backward[i - 1, k]
                field[s, i, k] -= here[k]
        here[:] = volt[own]
        for i in range(own - 1, -1, -1):
            for k in range(columns):
                here[k] *= forward[i, k]
                field[s, i, k] -= here[k]
