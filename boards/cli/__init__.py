"""``hil board``: find, describe, load, run, examine, damage and offer boards."""

from __future__ import annotations

import click

from boards.cli.describe import health_command, identify_command, list_command
from boards.cli.faults import faults_command
from boards.cli.run import infer_command, load_command
from boards.cli.serve import serve_command

__all__ = ["board_command"]


@click.group("board", short_help="Talk to a board, or offer one to another host.")
def board_command() -> None:
    """Find, describe, load, run, examine, damage and offer boards."""


for _each in (
    list_command,
    identify_command,
    load_command,
    infer_command,
    health_command,
    faults_command,
    serve_command,
):
    board_command.add_command(_each)
