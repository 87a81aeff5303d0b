"""Counts what reading does to an array, and writes it again when the policy says so."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from emulators.arrays import LayerArrays
from emulators.config import CrossbarConfig
from hil.rng import stream
from hil.types import BoolArray

__all__ = ["Wear"]


@dataclass(slots=True)
class Wear:
    """The reads of one layer's arrays so far; a physical state, so a stream cannot be read twice without a trace.

    Reads are looked at every ``refresh_every`` of them, counted from programming, so what happens does not depend on
    how a stream is cut into calls.

    Attributes:
        arrays: What is read.
        config: When it is looked at and written again.
        seed: What new landings follow from.
        layer: Index of the layer.
        reads: Reads of every array so far.
        rewrites: Cells written again so far.
    """

    arrays: LayerArrays
    config: CrossbarConfig
    seed: int
    layer: int
    reads: int = 0
    rewrites: int = 0
    _looks: int = field(default=0, init=False)

    def until_next_look(self, reads_per_vector: int) -> int:
        """Return how many vectors may run before the arrays are looked at again, at least 1."""
        left = (self._looks + 1) * self.config.refresh_every - self.reads
        return max(-(-left // reads_per_vector), 1)

    @property
    def seen_reads(self) -> int:
        """Reads at the last look: what the conductances follow."""
        return self._looks * self.config.refresh_every

    def count(self, vectors: int, reads_per_vector: int, *, t_s: float) -> None:
        """Count vectors in, and look at the arrays if it is time."""
        self.reads += vectors * reads_per_vector
        while self.reads >= (self._looks + 1) * self.config.refresh_every:
            self._looks += 1
            self._look(t_s)

    def _look(self, t_s: float) -> None:
        policy = self.config.device.disturb
        if policy not in ("array", "cell"):
            return
        for plane in range(len(self.arrays.cells)):
            chosen = self._due(plane, cell_by_cell=policy == "cell")
            if chosen.any():
                who = ("crossbar", "layer", self.layer, "plane", plane, "rewrite", self._looks)
                self.arrays.rewrite(plane, chosen, t_s=t_s, reads=self.seen_reads, rng=stream(self.seed, *who))
                self.rewrites += int(chosen.sum())

    def _due(self, plane: int, *, cell_by_cell: bool) -> BoolArray:
        """Return which low-resistance cells are to be written again."""
        device, cells = self.arrays.device, self.arrays.cells[plane]
        if device.disturb is None:
            return np.zeros(cells.level.shape, bool)
        low_resistance = device.low_resistance(cells)
        since = self.arrays.reads_since(plane, self.seen_reads)
        if cell_by_cell:
            lost = device.disturb.factor(since, cells.cycles) < 1.0 - self.config.refresh_tolerance
        else:
            stress_s = np.asarray(since) * device.disturb.t_read_s
            lost = stress_s >= self.config.refresh_after * device.disturb.transition_s(cells.cycles)
        due: BoolArray = low_resistance & lost
        return due
