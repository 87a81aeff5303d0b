"""``hil list``: what is registered, and what is missing to use it."""

from __future__ import annotations

import click

from hil.cli.answer import Answer, command
from hil.registry import GROUPS, catalogue

__all__ = ["list_command"]


@command("list", short_help="Show networks, sources, backends, presets, formats, links, experiments.")
@click.argument("kind", required=False, type=click.Choice(list(GROUPS)))
def list_command(kind: str | None) -> Answer:
    """Show what is registered under KIND, or everything."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "about", "missing"):
        table.add_column(heading, overflow="fold")
    documents = []
    for each in [kind] if kind else list(GROUPS):
        for entry in catalogue(each):
            documents.append({**entry.as_document(), **({} if kind else {"kind": each})})
            table.add_row(each, entry.name, entry.about, entry.missing or "")
    return Answer(documents, table)
