"""How to bring cells into a window of conductance: four published ways, all pulse, read, and pulse again.

A strategy only says which pulse each unfinished cell meets next; ``boards.array.programming`` reads, checks and counts.
So the same strategy runs on an emulated array and on a chip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from boards.array.limits import Pulse, PulseKind
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = [
    "IGVVA",
    "ISPVA",
    "STRATEGIES",
    "CellState",
    "ProportionalIntegral",
    "ResistanceWindow",
    "Strategy",
]


@dataclass(slots=True, eq=False)
class CellState:
    """What is known of (rows, columns) cells while they are written.

    Attributes:
        target_siemens: Where each should end.
        read_siemens: The last read.
        pending: Which are not yet confirmed.
        steps: Pulses in the same direction so far; 0 after a turn.
        integral_siemens: Sum of the errors seen.
    """

    target_siemens: Float64Array
    read_siemens: Float64Array
    pending: BoolArray
    steps: Int64Array
    integral_siemens: Float64Array

    @property
    def low(self) -> BoolArray:
        """Unfinished cells that must rise."""
        return self.pending & (self.read_siemens < self.target_siemens)

    @property
    def high(self) -> BoolArray:
        """Unfinished cells that must fall."""
        return self.pending & (self.read_siemens > self.target_siemens)


class Strategy(Protocol):
    """A way to write cells."""

    @property
    def name(self) -> str:
        """As targets and tables spell it."""
        ...

    def pulses(self, cells: CellState) -> list[tuple[Pulse, BoolArray]]:
        """Return the next pulse of every unfinished cell, grouped by amplitude."""
        ...


def _by_step(chosen: BoolArray, steps: Int64Array, make: Callable[[int], Pulse]) -> list[tuple[Pulse, BoolArray]]:
    """Group cells by how often they were pulsed in this direction."""
    return [(make(int(step)), chosen & (steps == step)) for step in np.unique(steps[chosen])]


@dataclass(frozen=True, slots=True)
class ISPVA:
    """Incremental step pulse with verify: the gate is fixed, the line pulse grows until the read passes.

    Perez et al., IEEE Electron Device Letters 38, 175 (2017), on 1T1R HfO2 arrays. Amplitudes start anew when a cell
    turns round.
    """

    gate_volt: float = 1.4
    first_volt: float = 0.8
    step_volt: float = 0.05
    most_volt: float = 1.9
    width_s: float = 1e-6
    name: str = "ispva"

    def _pulse(self, kind: PulseKind, step: int) -> Pulse:
        line_volt = min(self.first_volt + step * self.step_volt, self.most_volt)
        gate_volt = min(self.gate_volt + 0.5 * max(0.0, self.first_volt + step * self.step_volt - self.most_volt), 2.4)
        return Pulse(kind, line_volt, gate_volt, self.width_s)

    def pulses(self, cells: CellState) -> list[tuple[Pulse, BoolArray]]:
        """Raise low cells and lower high ones, one step of amplitude further each time."""
        rising = _by_step(cells.low, cells.steps, lambda step: self._pulse("set", step))
        return rising + _by_step(cells.high, cells.steps, lambda step: self._pulse("reset", step))


@dataclass(frozen=True, slots=True)
class IGVVA:
    """Incremental gate voltage with verify: the line pulse is fixed, the gate opens until the read passes.

    Milo et al., IRPS 2021: the compliance sets the level, so smaller gate steps land closer.
    """

    line_volt: float = 1.0
    first_gate_volt: float = 1.0
    step_volt: float = 0.05
    most_gate_volt: float = 2.4
    reset_volt: float = 0.9
    width_s: float = 1e-6
    name: str = "igvva"

    def pulses(self, cells: CellState) -> list[tuple[Pulse, BoolArray]]:
        """Open the gate a step further on low cells; lower cells that went too far by a short staircase."""

        def rise(step: int) -> Pulse:
            gate_volt = min(self.first_gate_volt + step * self.step_volt, self.most_gate_volt)
            return Pulse("set", self.line_volt, gate_volt, self.width_s)

        def fall(step: int) -> Pulse:
            return Pulse("reset", min(self.reset_volt + step * self.step_volt, 2.4), 2.0, self.width_s)

        return _by_step(cells.low, cells.steps, rise) + _by_step(cells.high, cells.steps, fall)


@dataclass(frozen=True, slots=True)
class ResistanceWindow:
    """Set below, reset above, 0.1 V further each time from the same start: the loop of the NeuRRAM chip.

    Wan et al., Nature 608, 504 (2022): 1.2 to 3.3 V in steps of 0.1 V, gate at 2.5 V for SET and 5.0 V for RESET on
    that chip; the amplitudes here are scaled to the emulated cells.
    """

    first_volt: float = 0.7
    step_volt: float = 0.1
    most_volt: float = 2.4
    gate_volt: float = 1.8
    width_s: float = 0.5e-6
    name: str = "window"

    def pulses(self, cells: CellState) -> list[tuple[Pulse, BoolArray]]:
        """Pulse low cells up and high cells down."""

        def rise(step: int) -> Pulse:
            return Pulse(
                "set", min(self.first_volt + step * self.step_volt, self.most_volt), self.gate_volt, self.width_s
            )

        def fall(step: int) -> Pulse:
            return Pulse("reset", min(self.first_volt + step * self.step_volt, self.most_volt), 2.5, self.width_s)

        return _by_step(cells.low, cells.steps, rise) + _by_step(cells.high, cells.steps, fall)


@dataclass(frozen=True, slots=True)
class ProportionalIntegral:
    """The error and its sum set the pulse width, at a fixed amplitude: the controller of OpenMENA.

    Widths are rounded to powers of two of the shortest, so that cells share pulses.
    """

    set_volt: float = 1.0
    reset_volt: float = 1.8
    gate_volt: float = 2.2
    proportional_s_per_siemens: float = 0.0005
    integral_s_per_siemens: float = 0.002
    shortest_s: float = 2e-9
    longest_s: float = 50e-6
    name: str = "pi"

    def pulses(self, cells: CellState) -> list[tuple[Pulse, BoolArray]]:
        """Pulse each cell for as long as its controller says."""
        error = cells.target_siemens - cells.read_siemens
        drive = self.proportional_s_per_siemens * error + self.integral_s_per_siemens * cells.integral_siemens
        widths = np.clip(np.abs(drive), self.shortest_s, self.longest_s)
        power = np.rint(np.log2(widths / self.shortest_s)).astype(np.int64)

        def make(kind: PulseKind, line_volt: float) -> Callable[[int], Pulse]:
            return lambda p: Pulse(kind, line_volt, self.gate_volt, min(self.shortest_s * 2**p, self.longest_s))

        rising = _by_step(cells.low, power, make("set", self.set_volt))
        return rising + _by_step(cells.high, power, make("reset", self.reset_volt))


STRATEGIES: Mapping[str, Strategy] = {
    each.name: each for each in (ISPVA(), IGVVA(), ResistanceWindow(), ProportionalIntegral())
}
