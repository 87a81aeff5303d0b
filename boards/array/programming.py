"""Writes an array to its targets by any strategy: reads, pulses, confirms, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from boards.array.limits import Pulse
from boards.array.strategies import CellState, Strategy
from hil.errors import InvalidValueError
from hil.progress import OnProgress, ignore_progress
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = ["Goal", "ProgrammingReport", "Writable", "program_cells"]


class Writable(Protocol):
    """What a strategy writes: an ``ArrayBoard``, or anything that pulses and reads like one."""

    def pulse(self, pulse: Pulse, chosen: BoolArray) -> None:
        """Apply one pulse to the chosen cells."""
        ...

    def read(self, *, volt: float = 0.2) -> Float64Array:
        """Return the (rows, columns) conductances in siemens."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """Where cells should end.

    Attributes:
        target_siemens: (rows, columns).
        tolerance_siemens: Half the width of the window.
        most_pulses: After so many a cell is given up.
    """

    target_siemens: Float64Array
    tolerance_siemens: float
    most_pulses: int = 100

    def __post_init__(self) -> None:
        """Refuse a window nobody can hit."""
        if not (np.isfinite(self.target_siemens).all() and (self.target_siemens >= 0).all()):
            raise InvalidValueError("targets must be finite conductances, zero or above")
        if not self.tolerance_siemens > 0 or self.most_pulses < 1:
            raise InvalidValueError(
                f"a goal needs a window and pulses, got {self.tolerance_siemens}, {self.most_pulses}"
            )

    def met(self, g_siemens: Float64Array) -> BoolArray:
        """Return which (rows, columns) conductances lie in their window."""
        return np.abs(g_siemens - self.target_siemens) <= self.tolerance_siemens


@dataclass(frozen=True, slots=True, eq=False)
class ProgrammingReport:
    """What writing an array took, and what it left.

    Attributes:
        strategy: Name of the strategy.
        final_siemens: (rows, columns) conductances at the end.
        confirmed: (rows, columns) which were in their window twice in a row.
        pulses: (rows, columns) pulses each cell met.
        energy_joule: Of the pulses, from the conductance before each.
    """

    strategy: str
    final_siemens: Float64Array
    confirmed: BoolArray
    pulses: Int64Array
    energy_joule: float

    @property
    def share(self) -> float:
        """Share of the cells that were confirmed."""
        return float(self.confirmed.mean())


def program_cells(
    board: Writable, goal: Goal, strategy: Strategy, *, on_progress: OnProgress = ignore_progress
) -> ProgrammingReport:
    """Pulse every cell until two reads in a row find it in its window, or its pulses are spent.

    Args:
        board: The array, selected.
        goal: Targets and window.
        strategy: Which pulse comes next.
        on_progress: Called with the cells that are done.
    """
    shape = goal.target_siemens.shape
    read = board.read()
    cells = CellState(goal.target_siemens, read, np.ones(shape, bool), np.zeros(shape, np.int64), np.zeros(shape))
    pulses, once, rising = np.zeros(shape, np.int64), goal.met(read), np.zeros(shape, bool)
    energy_joule = 0.0
    confirmed = np.zeros(shape, bool)
    while True:
        given_up = pulses >= goal.most_pulses
        cells.pending = ~goal.met(cells.read_siemens) & ~confirmed & ~given_up
        energy_joule += _step(board, cells, strategy, pulses, rising)
        on_progress(int(confirmed.sum()), confirmed.size)
        read = board.read()
        cells.integral_siemens += np.where(cells.pending, goal.target_siemens - read, 0.0)
        cells.read_siemens = read
        confirmed |= once & goal.met(read) & ~cells.pending
        once = goal.met(read)
        if (confirmed | (pulses >= goal.most_pulses)).all():
            return ProgrammingReport(strategy.name, read, confirmed, pulses, energy_joule)


def _step(board: Writable, cells: CellState, strategy: Strategy, pulses: Int64Array, rising: BoolArray) -> float:
    """Apply one round of pulses and keep the counts; returns their energy in joules."""
    low, high = cells.low, cells.high
    turned = (low & ~rising) | (high & rising)
    cells.steps[turned] = 0
    cells.integral_siemens[turned] = 0.0
    energy_joule = 0.0
    for pulse, chosen in strategy.pulses(cells):
        board.pulse(pulse, chosen)
        energy_joule += float(cells.read_siemens[chosen].sum()) * pulse.line_volt**2 * pulse.width_s
    moved = low | high
    cells.steps[moved] += 1
    pulses += moved
    rising |= low
    rising &= ~high
    return energy_joule
