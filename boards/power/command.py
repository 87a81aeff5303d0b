"""``hil power``: node power and cost budget, every input with its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, figure_path

if TYPE_CHECKING:
    from rich.console import RenderableType

    from boards.power.budget import Budget, Range

__all__ = ["power_command"]

DUTY_CYCLE = 0.01


@command("power", short_help="Node power and cost budget, every input with its source.")
@click.argument("profile")
@click.option("--network", "network_name", default="digits", show_default=True, help="Network whose work is counted.")
@click.option("--radio", default="ble", show_default=True, help="One of the profile's radios.")
@click.option("--gate-rate", type=float, help="Share of inferences that are sent, 0 to 1.")
@click.option("--inferences-per-second", type=float)
@click.option("--payload-bytes", type=float, help="Bytes of one message, headers included.")
@click.option(
    "--plot",
    "plot_path",
    type=click.Path(path_type=Path),
    callback=figure_path,
    help="Write a picture (.svg, .png, .pdf).",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def power_command(profile: str, network_name: str, plot_path: Path | None, **settings: Any) -> Answer:
    """Estimate what a node of PROFILE (a shipped name or a TOML file) draws and costs."""
    from boards.power.budget import Settings, budget
    from boards.power.plot import plot_budget
    from boards.power.profile import load_profile
    from boards.power.workload import workload
    from hil.registry import load_network

    chip = load_profile(profile)
    load = workload(load_network(network_name))
    chosen = Settings(gate_pass_rate=settings.pop("gate_rate"), **settings)
    found = budget(chip, load, chosen)
    if plot_path is not None:
        plot_budget(chip, load, chosen, found, plot_path)
    return Answer(_document(chip.name, network_name, found), _text(found))


def _document(profile: str, network: str, found: Budget) -> dict[str, Any]:
    return {
        "profile": profile,
        "network": network,
        "watt": {name: each.as_document() for name, each in found.watt.items()},
        "usd": {name: each.as_document() for name, each in found.usd.items()},
        "on_air": None if found.on_air is None else found.on_air.as_document(),
        "claims": [
            {"claim": c.claim, "verdict": c.verdict, "share": c.share, **c.found.as_document()} for c in found.claims
        ],
        "inputs": [
            {"name": name, "value": q.value, "low": q.low, "high": q.high, "unit": q.unit, "source": q.source}
            for name, q in found.inputs.items()
        ],
    }


def _text(found: Budget) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    sums = Table("block", "low", "median", "high", box=None, title="power (mW), cost ($)", title_justify="left")
    for name, each in found.watt.items():
        sums.add_row(name, *_cells(each, 1e3))
    for name, each in found.usd.items():
        sums.add_row(f"$ {name}", *_cells(each, 1.0))
    inputs = Table("input", "value", "range", "source", box=None, title="inputs", title_justify="left")
    for name, q in found.inputs.items():
        inputs.add_row(name, f"{q.value:.3g} {q.unit}", f"{q.low:.3g} to {q.high:.3g}", q.source)
    verdicts = [f"{c.claim}: {c.verdict} ({c.share:.0%} of the draws keep it)" for c in found.claims]
    return Group(sums, "", inputs, "", *_air(found.on_air), *verdicts)


def _air(share: Range | None) -> list[str]:
    """Say how long the radio sends, and where that cannot be or may not be."""
    if share is None:
        return []
    line = f"the radio sends {share.mid:.1%} of the time ({share.low:.1%} to {share.high:.1%})"
    if share.mid > 1.0:
        line += ": more than there is time for, so messages are lost; power is that of sending all the time"
    elif share.mid > DUTY_CYCLE:
        line += f": above the {DUTY_CYCLE:.0%} that Europe allows between 868.0 and 868.6 MHz (ETSI EN 300 220)"
    return [line]


def _cells(each: Range, factor: float) -> list[str]:
    return [f"{value * factor:.3g}" for value in (each.low, each.mid, each.high)]
