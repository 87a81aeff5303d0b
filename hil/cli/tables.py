"""Tables of things by name: a name is never folded, and a column that nobody uses is not shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["listing"]

PROSE = frozenset({"about", "missing"})
"""Columns that may be folded, for a terminal that is too narrow."""


def listing(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table without the columns that are empty in every row.

    Args:
        headings: One per column.
        rows: One text per column each; empty where there is nothing to say.
    """
    from rich.table import Table

    used = [i for i in range(len(headings)) if not rows or any(row[i] for row in rows)]
    table = Table(box=None, pad_edge=False)
    for i in used:
        name = headings[i] not in PROSE
        width = max((len(row[i]) for row in rows), default=0) if name else None
        table.add_column(headings[i], overflow="fold", no_wrap=name, min_width=width)
    for row in rows:
        table.add_row(*(row[i] for i in used))
    return table
