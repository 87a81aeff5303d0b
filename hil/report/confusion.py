"""Which captions a target takes for which: a small heat map per target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup

from hil.compare import TargetComparison
from hil.report.svg import join, series
from hil.types import Int64Array
from hil.words import clipped

__all__ = ["confusion_figure"]

SIDE = 380
NAMES = 88
ABOVE = 62  # names above the columns lean, and need less room
LONGEST_NAME = 10
FAINTEST = 0.18
STRONG_SHARE = 0.45  # of the largest count: above it the ground is dark and the number light


def confusion_figure(target: TargetComparison, texts: Sequence[str], k: int) -> Markup | None:
    """Return windows by caption of the reference (rows) and the target (columns); None where all agree.

    Only captions that either of them gave are shown.
    """
    table = target.agreement.confusion
    if not table.size or np.trace(table) == table.sum():
        return None
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    cell = (SIDE - NAMES) / len(used)
    parts = [*_names([texts[int(i)] for i in used], cell), *_cells(table[np.ix_(used, used)], cell, series(k))]
    return Markup('<svg viewBox="0 0 {} {}" class="confusion" role="img" aria-label="{}">{}</svg>').format(
        SIDE, SIDE - NAMES + ABOVE, f"Captions of {target.trace.target} by captions of the reference", join(parts)
    )


def _names(texts: Sequence[str], cell: float) -> Iterator[Markup]:
    for i, text in enumerate(texts):
        short = clipped(text, LONGEST_NAME)
        middle = NAMES + (i + 0.5) * cell
        yield Markup('<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}<title>{}</title></text>').format(
            NAMES - 6, middle - NAMES + ABOVE + 4, short, text
        )
        yield Markup(
            '<text class="tick" transform="translate({:.1f} {}) rotate(-55)">{}<title>{}</title></text>'
        ).format(middle, ABOVE - 6, short, text)


def _cells(table: Int64Array, cell: float, css: str) -> Iterator[Markup]:
    most = max(int(table.max()), 1)
    for (row, column), count in np.ndenumerate(table):
        strong = count > STRONG_SHARE * most
        kind = "none" if not count else "agree" if row == column else f"differ {css}"
        left, top = NAMES + column * cell, ABOVE + row * cell
        yield Markup('<rect class="cell {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" style="{}"/>').format(
            kind,
            left,
            top,
            cell - 1,
            cell - 1,
            f"fill-opacity:{FAINTEST + (1 - FAINTEST) * count / most:.2f}" if count else "",
        )
        if count:
            yield Markup('<text class="count{}" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
                " strong" if strong else "", left + cell / 2, top + cell / 2 + 4, count
            )
