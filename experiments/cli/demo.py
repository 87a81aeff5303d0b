"""``hil demo``: the main job on what is shipped."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.cli.compare import answer
from hil.cli import Answer, command

__all__ = ["demo_command"]

NAME = "digits"
TARGETS = ("packed", "float", "crossbar:ideal", "crossbar:rram_wan2022")
REQUIREMENTS = ("caption_agreement=0.9",)
DEFAULT_FOLDER = Path("out", "demo")


@command("demo", short_help="Compare substrates on the shipped recording with the shipped network.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="Where report.html and report.json go.",
)
def demo_command(out: Path) -> Answer:
    """Take 64 handwritten digits, seen by an event camera, through exact software and a noisy memristor crossbar."""
    from experiments.comparison import Config, RecordingFile

    return answer(Config(RecordingFile(Path(NAME)), network=NAME, targets=TARGETS, requirements=REQUIREMENTS), out)
