"""``hil list``: what is registered, and what is missing to use it."""

from __future__ import annotations

import click

from hil.cli.answer import Answer, command
from hil.cli.tables import listing
from hil.registry import GROUPS, catalogue

__all__ = ["list_command"]


@command("list", short_help="Show networks, sources, backends, presets, formats, links, experiments, configs.")
@click.argument("kind", required=False, type=click.Choice(list(GROUPS)))
def list_command(kind: str | None) -> Answer:
    """Show what is registered under KIND, or everything."""
    entries = [(each, entry) for each in ([kind] if kind else GROUPS) for entry in catalogue(each)]
    documents = [{**entry.as_document(), **({} if kind else {"kind": each})} for each, entry in entries]
    rows = [("" if kind else each, entry.name, entry.about, entry.missing or "") for each, entry in entries]
    return Answer(documents, listing(("kind", "name", "about", "missing"), rows))
