"""Draws what ``noise_as_feature`` measured: four panels, each with the deterministic rival as a grey line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.figures import COLOURS, save

if TYPE_CHECKING:
    from experiments.noise_as_feature import Row

__all__ = ["draw"]

RIVAL = {"color": "0.35", "linestyle": "--", "linewidth": 1.2}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure; the suffix of ``path`` says the format."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    least = min(row.kept_events for row in rows)
    _calibration(axes[0, 0], rows, least)
    _coverage(axes[0, 1], [row for row in rows if row.kept_events == least])
    _dither(axes[1, 0], [row for row in rows if row.kept_events == 1.0 and row.question == "dither"])
    _streams(axes[1, 1], [row for row in rows if row.question == "streams"])
    for each in axes.ravel():
        each.grid(visible=True, alpha=0.25)
        each.legend(frameon=False, fontsize="small")
    save(figure, path)


def _calibration(axes: Any, rows: Sequence[Row], least: float) -> None:
    samples = [row for row in rows if row.question == "samples" and row.kept_events == least]
    exact = samples[0]
    axes.axhspan(
        exact.calibration_error - exact.calibration_deviation,
        exact.calibration_error + exact.calibration_deviation,
        color="0.9",
    )
    axes.axhline(exact.calibration_error, label="one exact answer, with its deviation", **RIVAL)
    levels = sorted({row.level for row in samples} - {0.0})
    for k, (colour, level) in enumerate(zip(cycle(COLOURS), levels, strict=False)):
        line = [row for row in samples if row.level == level]
        errors = [row.calibration_deviation for row in line]
        # Side by side, so that bars of one number of reads do not hide each other.
        reads, found = [row.reads * 1.05 ** (k - 1) for row in line], [row.calibration_error for row in line]
        axes.errorbar(reads, found, errors, marker="o", capsize=3, color=colour, label=f"read noise {level:g}")
    _doublings(axes, sorted({row.reads for row in samples}))
    axes.set(xlabel="reads averaged", ylabel="expected calibration error")
    axes.set_ylim(0.0, 1.9 * max(row.calibration_error for row in samples))  # room for the legend
    axes.set_title(f"samples, {least:.0%} of the events", fontsize="medium")


def _coverage(axes: Any, rows: Sequence[Row]) -> None:
    from experiments.noise_as_feature import COVERAGES

    samples = [row for row in rows if row.question == "samples"]
    most = max(row.reads for row in samples)
    axes.plot(COVERAGES, samples[0].kept_accuracy, label="one exact answer", **RIVAL)
    for colour, row in zip(cycle(COLOURS), [row for row in samples if row.reads == most], strict=False):
        axes.plot(COVERAGES, row.kept_accuracy, "o-", color=colour, label=f"{most} reads, noise {row.level:g}")
    axes.set(xlabel="share of answers kept, the most confident first", ylabel="accuracy of what is kept")
    axes.set_title(f"what to leave out, {rows[0].kept_events:.0%} of the events", fontsize="medium")


def _dither(axes: Any, rows: Sequence[Row]) -> None:
    noises = sorted({row.what.rpartition(" ")[2] for row in rows}, key=float)
    for colour, noise in zip(cycle(COLOURS), noises, strict=False):
        line = [row for row in rows if row.what.endswith(f" {noise}")]
        style = RIVAL if noise == "0" else {"color": colour}
        label = "no noise, 1 read" if noise == "0" else f"read noise {noise}, {line[0].reads} reads"
        axes.plot([row.level for row in line], [row.fidelity for row in line], marker="o", label=label, **style)
    axes.set_xticks(sorted({row.level for row in rows}))
    axes.set(xlabel="bits of the converter", ylabel="cosine to exact software")
    axes.set_title("dither", fontsize="medium")


def _streams(axes: Any, rows: Sequence[Row]) -> None:
    for colour, kept in zip(cycle(COLOURS), sorted({row.kept_events for row in rows}, reverse=True), strict=False):
        exact, *line = [row for row in rows if row.kept_events == kept]
        axes.axhline(exact.accuracy, **{**RIVAL, "color": colour})
        label = f"{kept:.0%} of the events"
        axes.plot([row.reads for row in line], [row.accuracy for row in line], "o-", color=colour, label=label)
        axes.plot([exact.reads], [exact.accuracy], "s", color=colour)
    _doublings(axes, sorted({row.reads for row in rows}))
    axes.set(xlabel="binary reads an answer", ylabel="accuracy")
    axes.set_title("random bits; squares and dashes: eight exact binary passes", fontsize="medium")


def _doublings(axes: Any, values: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, [str(value) for value in values])
