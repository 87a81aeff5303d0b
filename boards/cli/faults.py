"""``hil board faults``: damage a board's link on purpose and account for every inference."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import click

from hil.cli import Answer, command, progress_bar

__all__ = ["faults_command"]

COLUMNS = {
    "fault": "fault",
    "rate": "rate",
    "right": "right",
    "errors": "errors",
    "wrong": "wrong",
    "twice": "executed_twice",
    "lost": "lost",
    "done": "injected",
    "retries": "retries",
    "slowest": "slowest_s",
}


@command("faults", short_help="Damage a board's link on purpose and account for every inference.")
@click.argument("target", default="host")
@click.option("--fault", "faults", multiple=True, help="Kind of damage; may be given again. By default all.")
@click.option("--rate", "rates", type=float, multiple=True, default=(1e-4, 1e-3), show_default=True)
@click.option(
    "--inferences",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Per kind of damage and rate.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def faults_command(target: str, faults: tuple[str, ...], rates: tuple[float, ...], **choices: int) -> Answer:
    """Infer through a damaged link to TARGET (host, or qemu:CPU): every answer right or a clear error, none twice."""
    from rich.table import Table

    from boards.campaign import Campaign, damageable_board, patience
    from boards.faults import FAULTS, Fault

    results = []
    for fault in faults or FAULTS:
        for rate in rates:
            campaign = Campaign(cast("Fault", fault), rate, choices["inferences"], choices["seed"], patience(target))
            with _resets_untold(), progress_bar(f"{fault} at {rate:g} a byte") as tell:
                results.append(campaign.run(damageable_board(target), target=target, on_progress=tell))
    table = Table(*COLUMNS, box=None, pad_edge=False)
    documents = [result.as_document() for result in results]
    for document in documents:
        table.add_row(*[_cell(document[key]) for key in COLUMNS.values()])
    return Answer(documents, table, 0 if all(result.passed for result in results) else 1)


@contextmanager
def _resets_untold() -> Iterator[None]:
    """Keep the driver from warning of every reset, because resets are what this is about."""
    logger = logging.getLogger("boards")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "0"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
