"""A picture of the budget: power by block, and the node against gate rate for every radio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boards.power.budget import PUBLISHED_WATT, Budget, Settings, budget

if TYPE_CHECKING:
    from boards.power.profile import Profile
    from boards.power.workload import Workload

__all__ = ["plot_budget"]

GATE_RATES = np.geomspace(0.001, 1.0, 13)
INK, BAR, LIMIT = "#333333", "#4477aa", "#aa3377"


def plot_budget(profile: Profile, load: Workload, settings: Settings, found: Budget, path: Path) -> None:
    """Write the picture as PNG or SVG, by the path's suffix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _blocks(left, found)
    left.set_title(f"with the {settings.radio} radio", fontsize=10)
    right.set_title("each radio; level where it would send all the time", fontsize=10)
    _gate(right, profile, load, settings)
    figure.suptitle(f"{profile.name}: {profile.about}", fontsize=11)
    figure.savefig(path, dpi=130)


def _blocks(axes: Any, found: Budget) -> None:
    names = [name for name in found.watt if name != "total"] + ["total"]
    mid = np.array([found.watt[name].mid for name in names]) * 1e3
    low = np.array([found.watt[name].low for name in names]) * 1e3
    high = np.array([found.watt[name].high for name in names]) * 1e3
    axes.barh(names, mid, xerr=[mid - low, high - mid], color=BAR, ecolor=INK, capsize=3)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.axvline(PUBLISHED_WATT * 1e3, color=LIMIT, linestyle="--")
    axes.annotate("published: 100 mW ", (PUBLISHED_WATT * 1e3, 3), ha="right", va="center", color=LIMIT)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("power (mW): median, 5th to 95th percentile")


def _gate(axes: Any, profile: Profile, load: Workload, settings: Settings) -> None:
    for radio in profile.radios:
        ranges = [
            budget(profile, load, replace(settings, radio=radio, gate_pass_rate=float(rate), samples=4000)).watt[
                "total"
            ]
            for rate in GATE_RATES
        ]
        (line,) = axes.loglog(GATE_RATES * 100, [each.mid * 1e3 for each in ranges], marker=".")
        axes.annotate(radio, (100, ranges[-1].mid * 1e3), (0, 5), textcoords="offset points", ha="right")
        low, high = ([getattr(each, end) * 1e3 for each in ranges] for end in ("low", "high"))
        axes.fill_between(GATE_RATES * 100, low, high, color=line.get_color(), alpha=0.15)
    axes.axhline(PUBLISHED_WATT * 1e3, color=LIMIT, linestyle="--")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("inferences the gate passes (%)")
    axes.set_ylabel("node power (mW)")
