"""Pictures of an array: what it conducts, what its wires drop, and what that does to each column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emulators.wires.inspection import column_error, voltage_drop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from emulators.wires.cases import Case
    from emulators.wires.values import Solution
    from hil.types import Float64Array

__all__ = ["plot_case", "plot_column_error", "plot_conductance", "plot_voltage_drop"]

DPI = 130
PANEL = 4.2
DECADES_FOR_LOG = 1.5
INK, BAR, MARK = "#333333", "#4477aa", "#aa3377"
PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def plot_case(case: Case, solutions: list[Solution], folder: Path) -> list[Path]:
    """Write all pictures of a solved case as PNG files and return their paths.

    Args:
        case: The arrays, wires and vectors.
        solutions: One for each array, with device voltages.
        folder: Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "conductance": plot_conductance(case.arrays, title=case.name),
        "voltage_drop": plot_voltage_drop(case, solutions),
        "column_error": plot_column_error(case, solutions),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=DPI)
    return paths


def plot_conductance(arrays: Mapping[str, Float64Array], *, title: str) -> Figure:
    """Map (rows, columns) conductances of each array, on a logarithmic scale if they span decades; open cells grey."""
    top = max(float(g.max()) for g in arrays.values())
    factor, prefix = _prefix(top)
    figure, panels = _panels(arrays)
    figure.suptitle(f"{title}\nconductance of every cell", fontsize=11)
    norm = _norm([g / factor for g in arrays.values()])
    for axes, (key, g) in zip(panels, arrays.items(), strict=True):
        image = _map(axes, np.ma.masked_equal(g / factor, 0.0), norm=norm, cmap="viridis")
        _label_map(axes, key if len(arrays) > 1 else "")
    _round_ticks(figure.colorbar(image, ax=panels, label=f"conductance ({prefix}S)", shrink=0.85))
    return figure


def plot_voltage_drop(case: Case, solutions: list[Solution]) -> Figure:
    """Map what the wires keep from each cell: row input minus device voltage, root mean square over the vectors.

    Cells that do not conduct are grey.
    """
    drops = {
        key: np.sqrt(np.mean(voltage_drop(case, g, solution) ** 2, axis=0))
        for (key, g), solution in zip(case.arrays.items(), solutions, strict=True)
    }
    top = max(float(drop.max()) for drop in drops.values())
    factor, prefix = _prefix(top)
    figure, panels = _panels(drops)
    for axes, (key, drop) in zip(panels, drops.items(), strict=True):
        shown = np.ma.masked_array(drop / factor, case.arrays[key] == 0)
        image = _map(axes, shown, vmin=0, vmax=top / factor or 1.0, cmap="magma")
        _label_map(axes, key if len(drops) > 1 else "")
    share = f"; worst cell {100 * top / _rms(case.voltage_volt):.1f} % of the rms input" if top else ""
    figure.colorbar(image, ax=panels, label=f"drop, {_over(len(case.voltage_volt))} ({prefix}V)", shrink=0.85)
    figure.suptitle(f"{case.name}\nvoltage lost in the wires{share}", fontsize=11)
    return figure


def plot_column_error(case: Case, solutions: list[Solution]) -> Figure:
    """Draw how far each column's current is from that of ideal wires: rms and worst over the vectors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes: Any = figure.subplots()
    error = column_error(case, solutions)
    if error is None:
        axes.text(0.5, 0.5, "no current flows through ideal wires", ha="center", va="center", transform=axes.transAxes)
    else:
        columns = np.arange(error.shape[1])
        overall = 100 * _rms(error)
        shown = [
            axes.bar(columns, 100 * np.sqrt(np.mean(error**2, axis=0)), color=BAR, width=0.85),
            *axes.plot(columns, 100 * np.abs(error).max(axis=0), ".", color=MARK),
            axes.axhline(overall, color=INK, linewidth=1, linestyle="--"),
        ]
        names = [_over(len(error)), "worst vector", f"rms over all columns: {overall:.3g} %"]
        axes.legend(shown, names, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
        axes.set_xlim(-0.7, error.shape[1] - 0.3)
        axes.set_ylim(bottom=0)
    axes.set_xlabel("column (bit line)")
    axes.set_ylabel("departure from ideal wires\n(% of rms current)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{case.name}: what the wires do to each column", fontsize=11)
    return figure


def _panels(arrays: Mapping[str, Float64Array]) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    rows, columns = next(iter(arrays.values())).shape
    height = float(np.clip(PANEL * rows / columns, 2.6, 6.0))
    figure = Figure(figsize=(1.6 + PANEL * len(arrays), height + 1.1), layout="constrained")
    return figure, list(figure.subplots(1, len(arrays), squeeze=False, sharey=True)[0])


def _map(axes: Any, values: Any, **settings: Any) -> Any:
    rows, columns = values.shape
    square_cells = 0.6 <= rows / columns <= 1.5
    return axes.imshow(values, aspect="equal" if square_cells else "auto", interpolation="nearest", **settings)


def _label_map(axes: Any, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_facecolor("#dddddd")
    axes.set_xlabel("column (bit line), sensed below")
    if axes.get_subplotspec().is_first_col():
        axes.set_ylabel("row (word line), driven from here")


def _norm(arrays: list[Float64Array]) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    values = np.concatenate([g.ravel() for g in arrays])
    values = values[values > 0]
    if not values.size:
        return Normalize(0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    spans_decades = np.log10(high / low) > DECADES_FOR_LOG
    return LogNorm(low, high) if spans_decades else Normalize(0.0, high)


def _round_ticks(bar: Any) -> None:
    """Label a colour bar with plain numbers: 1, 2 and 5 of each decade where it is logarithmic."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator

    if isinstance(bar.norm, LogNorm):
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        bar.ax.minorticks_off()
    bar.ax.yaxis.set_major_formatter("{x:g}")


def _over(vectors: int) -> str:
    return "of the one vector" if vectors == 1 else f"rms over {vectors} vectors"


def _prefix(top: float) -> tuple[float, str]:
    return next(((factor, name) for factor, name in PREFIXES if top >= factor), PREFIXES[-1] if top else PREFIXES[0])


def _rms(values: Float64Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
