"""How far does the embedding move, and what does the receiver lose, as the cells of an array scatter?

Cells land with a Gaussian deviation, as a share of on minus off; ``Config`` adds resistive wires and further seeds.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from experiments.figures import COLOURS, save
from experiments.recordings import shipped
from hil.compare import TargetComparison, compare
from hil.errors import InvalidValueError
from hil.progress import OnProgress, ignore_progress
from hil.registry import load_network, open_recording, open_target

__all__ = ["Config", "Point", "plot", "run", "table"]

SPAN_MICROSIEMENS = 99.0  # the ideal preset's on minus off


@dataclass(frozen=True, slots=True)
class Config:
    """What is varied.

    Attributes:
        network: Name or path.
        recording: Name of a shipped recording.
        spreads: Deviations of the cells, as a share of on minus off.
        wires_ohm: Resistances of a wire between two cells.
        seeds: Arrays programmed anew at every point.
    """

    network: str = "digits"
    recording: str = "digits"
    spreads: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
    wires_ohm: tuple[float, ...] = (0.0,)
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        """Refuse an experiment without a point."""
        if not (self.spreads and self.wires_ohm and self.seeds):
            raise InvalidValueError(f"spreads, wires_ohm and seeds need a value each, but got {self}")


@dataclass(frozen=True, slots=True)
class Point:
    """One deviation on one kind of array, averaged over the seeds.

    Attributes:
        spread: Share of on minus off.
        wires_ohm: Resistance of a wire between two cells.
        distance: Mean cosine distance of the embeddings from exact software.
        caption_agreement: Share of windows whose nearest caption is software's.
        gate_agreement: Share of windows sent or kept as software does.
    """

    spread: float
    wires_ohm: float
    distance: float
    caption_agreement: float
    gate_agreement: float


def _target(spread: float, wires_ohm: float) -> str:
    deviation = spread * SPAN_MICROSIEMENS
    return f"crossbar:ideal?spread_on={deviation:g}&spread_off={deviation:g}&wires={wires_ohm:g}"


def run(config: Config, *, on_progress: OnProgress = ignore_progress) -> tuple[Point, ...]:
    """Return one point per deviation and kind of array."""
    from sensors.features import encode

    network = load_network(config.network)
    if network.features is None:
        raise InvalidValueError(f"network {network.name!r} does not say how events become its input")
    with closing(open_recording(shipped(config.recording))) as recording:
        windows = encode(recording, network.features)
    kinds = [(spread, wires_ohm) for wires_ohm in config.wires_ohm for spread in config.spreads]
    points = []
    for done, (spread, wires_ohm) in enumerate(kinds):
        on_progress(done, len(kinds))
        targets = [open_target(_target(spread, wires_ohm))]
        found = [
            compare(windows, network, open_target("ternary"), targets, seed=seed).targets[0] for seed in config.seeds
        ]
        points.append(_mean(found, spread, wires_ohm))
    on_progress(len(kinds), len(kinds))
    return tuple(points)


def _mean(found: list[TargetComparison], spread: float, wires_ohm: float) -> Point:
    def mean(name: str) -> float:
        return float(np.mean([np.mean(getattr(each.agreement, name)) for each in found]))

    return Point(spread, wires_ohm, 1.0 - mean("cosine"), mean("caption_agreement"), mean("gate_agreement"))


def table(points: tuple[Point, ...]) -> str:
    """Return the points as Markdown."""
    head = "| deviation / (on - off) | wires, ohm | cosine distance | same caption | same decision |"
    lines = [
        f"| {point.spread:g} | {point.wires_ohm:g} | {point.distance:.4f} | {point.caption_agreement:.1%} | "
        f"{point.gate_agreement:.1%} |"
        for point in points
    ]
    return "\n".join([head, "|" + " ---: |" * 5, *lines])


def plot(points: tuple[Point, ...], path: Path) -> None:
    """Draw distance and agreement against the deviation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for wires_ohm, colour in zip(sorted({point.wires_ohm for point in points}), cycle(COLOURS), strict=False):
        _lines(left, right, [point for point in points if point.wires_ohm == wires_ohm], colour)
    left.set(xlabel="cell deviation / (on - off)", ylabel="cosine distance from software", yscale="log")
    right.set(xlabel="cell deviation / (on - off)", ylabel="windows as in software", ylim=(0, 1.05))
    left.yaxis.set_major_formatter("{x:g}")
    left.legend(frameon=False)
    right.legend(frameon=False, fontsize="small")
    for axes in (left, right):
        axes.set_xticks(sorted({point.spread for point in points}))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(visible=True, alpha=0.25)
    save(figure, path)


def _lines(left: Any, right: Any, points: list[Point], colour: str) -> None:
    spreads = [point.spread for point in points]
    wires = f"{points[0].wires_ohm:g} ohm a cell" if points[0].wires_ohm else "no wires"
    left.plot(spreads, [point.distance for point in points], "o-", color=colour, label=wires)
    right.plot(spreads, [p.caption_agreement for p in points], "o-", color=colour, label=f"same caption, {wires}")
    right.plot(spreads, [p.gate_agreement for p in points], "s:", color=colour, label=f"same decision, {wires}")
