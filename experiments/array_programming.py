"""What does each way of writing an array cost, and how tightly does it land? Pulses, energy and final spread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boards.array.client import ArrayBoard
from boards.array.endpoint import ArrayEndpoint
from boards.array.programming import Goal, ProgrammingReport, program_cells
from boards.array.strategies import STRATEGIES
from boards.transports.loopback import LoopbackTransport
from emulators.pulsed import PulsedArray
from experiments.figures import COLOURS, save
from hil.errors import InvalidValueError
from hil.progress import OnProgress, ignore_progress
from hil.registry import load
from hil.rng import stream
from hil.types import Float64Array

__all__ = ["Config", "Written", "plot", "run", "table"]


@dataclass(frozen=True, slots=True)
class Config:
    """What is written.

    Attributes:
        preset: Device whose pulses are emulated.
        size: Rows and columns.
        tolerance_siemens: Half the window.
        most_pulses: After so many a cell is given up.
        seed: Of the array and the ternary pattern.
    """

    preset: str = "hfo2_gong2022"
    size: int = 128
    tolerance_siemens: float = 8e-6
    most_pulses: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an array that cannot hold a pair of cells."""
        if self.size < 2 or self.size % 2:
            raise InvalidValueError(f"size must be even and at least 2, but is {self.size}")


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """One array after one strategy.

    Attributes:
        strategy: Its name.
        target_siemens: (size, size) where the cells should be.
        report: Pulses, energy, final conductances.
        later: Share of the cells that a later read finds in their window.
    """

    strategy: str
    target_siemens: Float64Array
    report: ProgrammingReport
    later: float

    def as_document(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values."""
        return {
            "strategy": self.strategy,
            "in_window_share": self.report.share,
            "in_window_later_share": self.later,
            "pulses_per_cell": float(self.report.pulses.mean()),
            "energy_joule_per_cell": self.report.energy_joule / self.report.pulses.size,
        }


def run(config: Config, *, on_progress: OnProgress = ignore_progress) -> tuple[Written, ...]:
    """Write the same random ternary pattern by every strategy, over the board protocol."""
    device = load("presets", config.preset)
    codes = stream(config.seed, "pattern").integers(-1, 2, (config.size, config.size // 2))
    on = np.stack([codes == 1, codes == -1], axis=-1).reshape(config.size, config.size)
    target = np.where(on, device.on_siemens, device.off_siemens)
    goal = Goal(target, config.tolerance_siemens, config.most_pulses)
    written: list[Written] = []
    on_progress(0, len(STRATEGIES))
    for name, strategy in STRATEGIES.items():
        endpoint = ArrayEndpoint([PulsedArray(device, config.size, config.size, seed=config.seed)])
        with ArrayBoard(lambda end=endpoint: LoopbackTransport(end)) as board:  # type: ignore[misc]
            board.select(0)
            report = program_cells(board, goal, strategy)
            written.append(Written(name, target, report, float(goal.met(board.read()).mean())))
        on_progress(len(written), len(STRATEGIES))
    return tuple(written)


def table(written: tuple[Written, ...]) -> str:
    """Return one line per strategy as Markdown."""
    head = "| strategy | in window | at a later read | pulses a cell | energy a cell, nJ |"
    lines = []
    for each in written:
        found = each.as_document()
        lines.append(
            f"| {each.strategy} | {found['in_window_share']:.2%} | {found['in_window_later_share']:.2%} | "
            f"{found['pulses_per_cell']:.1f} | {found['energy_joule_per_cell'] * 1e9:.2f} |"
        )
    return "\n".join([head, "| --- |" + " ---: |" * 4, *lines])


def plot(written: tuple[Written, ...], path: Path) -> None:
    """Draw where cells ended, and the pulses they took."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    upper, lower = figure.subplots(2, len(written), sharex="row", sharey="row")
    for top, bottom, each in zip(upper, lower, written, strict=True):
        report = each.report
        top.hist(report.final_siemens.ravel() * 1e6, bins=60, color=COLOURS[0])
        top.set_title(f"{each.strategy}\n{100 * report.share:.2f} % in window", fontsize=10)
        top.set_xlabel("final conductance (uS)")
        bottom.hist(report.pulses.ravel(), bins=np.arange(0, 41) - 0.5, color=COLOURS[1])
        energy_nj = report.energy_joule / report.pulses.size * 1e9
        bottom.set_title(f"mean {report.pulses.mean():.1f} pulses, {energy_nj:.2g} nJ", fontsize=10)
        bottom.set_xlabel("pulses a cell")
    upper[0].set_ylabel("cells")
    lower[0].set_ylabel("cells")
    save(figure, path)
