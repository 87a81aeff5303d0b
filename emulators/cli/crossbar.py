"""``hil crossbar``: one array with wires, the same circuit for a simulator, and cells that somebody measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, figure_path, progress_bar

if TYPE_CHECKING:
    from rich.table import Table

    from emulators.devices.table import Unit
    from emulators.wires.inspection import Inspection

__all__ = ["crossbar_command"]

CASE = click.argument("case", type=click.Path(path_type=Path, dir_okay=False))
AGREEMENT = 1e-9


@click.group("crossbar", short_help="Solve, look at or export one array with wires; fit a measured device.")
def crossbar_command() -> None:
    """Work on CASE, a JSON file that describes one array or a differential pair, or on a TABLE of measured cells.

    The case's keys: G (rows, columns) in siemens, or G_pos and G_neg; V (vectors, rows) in volt; r_wl, r_bl, r_driver,
    r_sense in ohm; optional topology, passive2d or gated1t1r.
    """


@command("solve", short_help="Column and row currents, exactly.")
@CASE
def solve_command(case: Path) -> Answer:
    """Print the currents of every vector of CASE; of a differential pair, the difference and the drivers' sum."""
    from emulators.wires.cases import read_case

    given = read_case(case)
    with progress_bar("solving") as on_progress:
        column, row = given.combine(given.solve_each(on_progress=on_progress))
    document = {"column_current_ampere": column.tolist(), "row_current_ampere": row.tolist()}
    return Answer(document, _currents(document))


@command("inspect", short_help="Size, conductances, voltage drop, error and power; pictures with --out.")
@CASE
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for pictures of the array.")
def inspect_command(case: Path, out: Path | None) -> Answer:
    """Show what the wires of CASE do to it."""
    from emulators.wires.cases import read_case
    from emulators.wires.inspection import inspect_case

    given = read_case(case)
    with progress_bar("solving") as on_progress:
        solutions = given.solve_each(device_voltages=True, on_progress=on_progress)
    found = inspect_case(given, solutions)
    pictures: list[str] = []
    if out is not None:
        from emulators.plots import plot_case

        pictures = [str(path) for path in plot_case(given, solutions, out)]
    return Answer({**found.as_document(), "pictures": pictures}, _inspection(found, pictures))


@command("spice", short_help="The same circuit for ngspice; --run solves it there and compares.")
@CASE
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File for the netlist instead of stdout.")
@click.option("--run", "run_it", is_flag=True, help="Solve it with ngspice and compare with the exact solver.")
@click.option("--timeout", "timeout_s", default=600.0, show_default=True, help="Seconds that ngspice may take.")
def spice_command(case: Path, out: Path | None, run_it: bool, timeout_s: float) -> Answer:  # noqa: FBT001
    """Write CASE as a SPICE netlist; exit code 1 if ngspice, run on it, disagrees by more than 1e-9."""
    from emulators.wires.cases import read_case
    from emulators.wires.netlist import netlist

    given = read_case(case)
    text = netlist(given)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    document: dict[str, Any] = {"netlist": text if out is None else str(out)}
    if not run_it:
        return Answer(document, text.rstrip() if out is None else f"wrote {out}")
    from emulators.wires.ngspice import compare_with_ngspice

    column, row, difference = compare_with_ngspice(given, timeout_s=timeout_s)
    document |= {
        "column_current_ampere": column.tolist(),
        "row_current_ampere": row.tolist(),
        "largest_relative_difference": difference,
    }
    agrees = difference <= AGREEMENT
    verdict = f"ngspice {'agrees' if agrees else 'DISAGREES'}: largest relative difference {difference:.1e}"
    return Answer(document, verdict, exit_code=0 if agrees else 1)


@command("device", short_help="How well simple laws describe your own measurements; a picture with --out.")
@click.argument("table", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--unit",
    type=click.Choice(["siemens", "microsiemens"]),
    default="siemens",
    show_default=True,
    help="Of columns that do not say.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=figure_path,
    help="File for a picture of table and fits.",
)
def device_command(table: Path, unit: Unit, out: Path | None) -> Answer:
    """Fit TABLE, a CSV file of measured cells; the target crossbar:TABLE then runs on such cells.

    Its columns are g (the target), t, mean and std, or g, t and read with one row a reading; a unit may follow, as in
    g_microsiemens or t_h. Commas, semicolons or tabs separate them.
    """
    from emulators.devices.measured import Measurements

    measured = Measurements.read(table, unit=unit)
    if out is not None:
        measured.plot(out)
    document = {
        **measured.fit_report(),
        "times_s": list(measured.times_s),
        "picture": None if out is None else str(out),
    }
    return Answer(document, _fits(table, document))


for _each in (solve_command, inspect_command, spice_command, device_command):
    crossbar_command.add_command(_each)


def _currents(document: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table("vector", "line", "current (A)", box=None, pad_edge=False)
    for key, line in (("column_current_ampere", "column"), ("row_current_ampere", "row")):
        for n, values in enumerate(document[key]):
            for i, value in enumerate(values):
                table.add_row(str(n), f"{line} {i}", f"{value:.9e}")
    return table


def _inspection(found: Inspection, pictures: list[str]) -> str:
    lines = [
        f"{found.name}: {len(found.arrays)} x {found.rows} rows x {found.columns} columns, {found.topology}, "
        f"{found.vectors} vectors",
    ]
    for each in found.arrays:
        lines += [
            f"{each.key}: {each.conductance_min_siemens:.3g} to {each.conductance_max_siemens:.3g} S, "
            f"{each.open_cells} open cells",
            f"  worst drop {1e3 * each.worst_drop_volt:.3g} mV ({100 * each.worst_drop_of_input:.2f} % of the largest "
            f"input) at row {each.worst_drop_row}, column {each.worst_drop_column}, vector {each.worst_drop_vector}",
            f"  power {each.power_watt:.3g} W, {_share(each.power_in_cells_watt, each.power_watt)} of it in the cells",
        ]
    if found.column_error_rms is not None and found.column_error_worst is not None:
        lines.append(
            f"column currents are {100 * found.column_error_rms:.2f} % rms from ideal wires, "
            f"{100 * found.column_error_worst:.2f} % at worst"
        )
    return "\n".join(lines + [f"wrote {path}" for path in pictures])


def _fits(table: Path, document: dict[str, Any]) -> str:
    low, high = (1e6 * g for g in document["g_range_siemens"])
    times = [f"{t:g}" for t in document["times_s"]]
    when = ", ".join(times) if len(times) < 5 else f"{len(times)} times from {times[0]} to {times[-1]}"
    lines = [f"{table}: {low:.3g} to {high:.3g} uS, measured {when} s after programming"]
    for levels, fit in zip(document["levels"], document["spread"], strict=True):
        law = _polynomial(fit["coefficients_microsiemens"])
        lines.append(f"  {fit['t_s']:g} s: std {law} uS (g in uS), {_misses(levels, fit)}")
    for fit in document["drift"]:
        rest = "through both times" if len(document["times_s"]) == 2 else f"off by {_percent(fit)} % at worst"
        lines.append(f"  {1e6 * fit['g_siemens']:.3g} uS: mean ~ t^{-fit['nu']:.4f}, {rest}")
    lines.append("the device itself interpolates the table; these fits say how regular it is")
    return "\n".join(lines + ([f"wrote {document['picture']}"] if document["picture"] else []))


def _polynomial(coefficients: list[float]) -> str:
    """Return ``0.174 + 0.0269 g - 0.00042 g^2``."""
    powers = ["", " g", *(f" g^{k}" for k in range(2, len(coefficients)))]
    terms = [(c, f"{abs(c):.3g}{power}") for c, power in zip(coefficients, powers, strict=True) if c]
    if not terms:
        return "0"
    first = f"{'-' if terms[0][0] < 0 else ''}{terms[0][1]}"
    return " ".join([first, *(f"{'-' if c < 0 else '+'} {term}" for c, term in terms[1:])])


def _misses(levels: int, fit: dict[str, Any]) -> str:
    """Say how far a fit is off; one with as many terms as levels cannot be."""
    if levels <= len(fit["coefficients_microsiemens"]):
        return f"through all {levels} levels"
    rms, worst = fit["rms_residual_microsiemens"], fit["worst_residual_microsiemens"]
    return f"off by {rms:.2g} uS rms, {worst:.2g} uS at worst, R2 {fit['r_squared']:.3f}"


def _percent(fit: dict[str, Any]) -> str:
    return f"{100 * fit['worst_relative_residual']:.2g}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
