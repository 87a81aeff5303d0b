"""``hil compare``: one recording on a reference and on any number of targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hil.cli import Answer, command, progress_bar
from sensors.cli.options import reading_options

if TYPE_CHECKING:
    from experiments.comparison import Config

__all__ = ["DEFAULT_TARGETS", "answer", "compare_command"]

DEFAULT_TARGETS = ("float", "crossbar:rram_wan2022")


@command("compare", short_help="Run a recording on a reference and on targets, stage by stage.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--network", default="digits", show_default=True, help="A path, or the name of a shipped network.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TARGET",
    help=f"What to compare, such as crossbar:rram_wan2022; may be repeated. [default: {', '.join(DEFAULT_TARGETS)}]",
)
@click.option("--reference", default="ternary", show_default=True, help="What targets are held against.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write report.html and report.json here.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option(
    "--require",
    "requirements",
    multiple=True,
    metavar="METRIC=VALUE",
    help="What every target must meet, such as gate_agreement=0.95; may be repeated.",
)
@click.option("--codec", default="ternary", show_default=True, help="float32, int8, ternary or base3 vectors.")
@click.option("--threshold", type=float, help="The gate's cosine distance.  [default: the network's]")
@click.option("--loss", type=float, default=0.0, show_default=True, help="Share of copies that each mesh link loses.")
@reading_options
def compare_command(
    source: Path, out: Path | None, codec: str, threshold: float | None, loss: float, **others: Any
) -> Answer:
    """Run SOURCE, a recording or the name of a shipped one, and say where and how far each target departs.

    A target that promises the integer contract fails by one differing integer; any other is judged only by --require.
    """
    from experiments.comparison import Config, RecordingFile
    from hil.loop import LineSettings

    reading = {key: others.pop(key) for key in ("format_name", "options", "salvage")}
    settings = LineSettings(gate_threshold=threshold, codec=codec, loss=loss)
    targets = others.pop("targets") or DEFAULT_TARGETS
    return answer(Config(RecordingFile(source, **reading), targets=targets, settings=settings, **others), out)


def answer(config: Config, out: Path | None) -> Answer:
    """Compare, write the report where one is wanted, and return the table and the verdict."""
    from experiments.comparison import run, write

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # before the work: nobody wants to hear of it after the work
    with (
        progress_bar(f"reading {config.source.path.name}") as on_windows,
        progress_bar("programming") as on_program,
        progress_bar("comparing") as on_progress,
    ):
        comparison = run(config, on_windows=on_windows, on_program=on_program, on_progress=on_progress)
    text = str(comparison)
    if out is not None:
        text += "\n\n" + "\n".join(map(str, write(comparison, config.source, out)))
    return Answer(comparison.as_document(), text, comparison.exit_code)
