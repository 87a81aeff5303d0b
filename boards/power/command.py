"""``hil power``: node power and cost budget, every input with its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, figure_path

if TYPE_CHECKING:
    from boards.power.budget import Budget

__all__ = ["power_command"]


@command("power", short_help="Node power and cost budget, every input with its source.")
@click.argument("profile")
@click.option("--network", "network_name", default="digits", show_default=True, help="Network whose work is counted.")
@click.option("--radio", default="ble", show_default=True, help="One of the profile's radios.")
@click.option("--gate-rate", type=float, help="Share of inferences that are sent, 0 to 1.")
@click.option("--inferences-per-second", type=float, help="In place of the profile's.")
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
    """Estimate what a node of PROFILE draws and costs.

    PROFILE is cortex_m4, fpga_ice40, memristor_90nm, or a TOML file of your own (docs/power.md).
    """
    from boards.power.budget import Settings, budget
    from boards.power.plot import plot_budget
    from boards.power.profile import load_profile
    from boards.power.text import budget_text
    from boards.power.workload import workload
    from hil.registry import load_network

    chip = load_profile(profile)
    load = workload(load_network(network_name))
    chosen = Settings(gate_pass_rate=settings.pop("gate_rate"), **settings)
    found = budget(chip, load, chosen)
    if plot_path is not None:
        plot_budget(chip, load, chosen, found, plot_path)
    text = budget_text(found, profile=chip.name, network=network_name, radio=chosen.radio)
    return Answer(_document(chip.name, network_name, found), text)


def _document(profile: str, network: str, found: Budget) -> dict[str, Any]:
    return {
        "profile": profile,
        "network": network,
        "watt": {name: each.as_document() for name, each in found.watt.items()},
        "usd": {name: each.as_document() for name, each in found.usd.items()},
        "on_air": found.on_air.as_document(),
        "claims": [
            {"claim": c.claim, "verdict": c.verdict, "share": c.share, **c.found.as_document()} for c in found.claims
        ],
        "inputs": [
            {"name": name, "value": q.value, "low": q.low, "high": q.high, "unit": q.unit, "source": q.source}
            for name, q in found.inputs.items()
        ],
    }
