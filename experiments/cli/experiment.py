"""``hil experiment``: ask one of the questions of ``hil list experiments`` and print the table that answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hil.cli import Answer, command, figure_path, key_values, progress_bar

__all__ = ["experiment_command"]


@command("experiment", short_help="Run one experiment and print its table.")
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Its settings as TOML.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=key_values,
    help="One setting, as TOML writes it: --set 'noise=[0.1, 0.3]'; may be repeated.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), callback=figure_path, help="Write its figure here (.svg, .png, .pdf)."
)
def experiment_command(name: str, config: Path | None, settings: dict[str, str], plot: Path | None) -> Answer:
    """Run NAME, one of those that hil list experiments shows, and print what it found.

    --json has the settings and every row.
    """
    from dataclasses import asdict

    from experiments.configuring import read_toml, toml_value
    from experiments.questions import configured, documents, question

    asked = question(name)
    document = read_toml(config) if config else {}
    document |= {key: toml_value(value) for key, value in settings.items()}
    chosen = configured(asked, document, where=str(config or name))
    draw = _plotter(asked, name, plot)
    with progress_bar(name) as on_progress:
        rows = asked.run(chosen, on_progress=on_progress)
    text = asked.table(rows)
    if plot is not None:
        draw(rows, plot)
        text += f"\n\n{plot}"
    return Answer({"experiment": name, "config": asdict(chosen), "rows": documents(rows)}, text)


def _plotter(asked: Any, name: str, plot: Path | None) -> Any:
    """Return what draws, and refuse before the work what has no figure."""
    from experiments.questions import Drawn
    from hil.errors import InvalidValueError

    if plot is None:
        return None
    if not isinstance(asked, Drawn):
        raise InvalidValueError(f"experiment {name!r} has no figure; run it without --plot")
    return asked.plot
