"""The budget as people read it: engineering units, no digit that nobody knows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

    from boards.power.budget import Budget
    from boards.power.profile import Quantity

__all__ = ["budget_text", "in_prefixes"]

PREFIXES: Final = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
PREFIXED: Final = ("W", "J", "s")


def in_prefixes(value: float, unit: str) -> str:
    """Return a value with three significant digits and its unit: ``2.5 pJ``, ``$ 4.50``, ``0.88``, ``100,000 / s``."""
    if unit == "USD":
        return f"$ {value:.2f}" if value < 10 else f"$ {_plain(value)}"
    if unit in PREFIXED and value > 0:
        # Three digits are rounded first: 999.9 uW is 1 mW and not 1e+03 uW.
        power = 3 * math.floor(math.log10(float(f"{value:.3g}")) / 3 + 1e-9)
        power = min(max(power, min(PREFIXES)), max(PREFIXES))
        return f"{_plain(value / 10.0**power)} {PREFIXES[power]}{unit}"
    return f"{_plain(value)} {'' if unit == '1' else unit.replace('1/', '/ ')}".rstrip()


def _plain(value: float) -> str:
    """Return three significant digits, or the whole number where there are more, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:.12f}".rstrip("0").rstrip(".")


def budget_text(found: Budget, *, profile: str, network: str, radio: str) -> RenderableType:
    """Return the sums, the inputs with their sources, and a verdict on each claim."""
    from rich.console import Group
    from rich.table import Table

    head = f"{profile} running {network}, {radio} radio"
    sums = Table("", *("5 %", "median", "95 %"), box=None, pad_edge=False)
    for column in sums.columns[1:]:
        column.justify = "right"
    for unit, ranges in (("W", found.watt), ("USD", found.usd)):
        sums.add_row()
        for name, each in ranges.items():
            sums.add_row(
                name.replace("_", " "), *(in_prefixes(value, unit) for value in (each.low, each.mid, each.high))
            )
    verdicts = [f"{c.claim}: {c.verdict} ({100 * c.share:.3g} % of the draws keep it)" for c in found.claims]
    inputs = [line for name, quantity in found.inputs.items() for line in _input(name, quantity)]
    assumed = sum(quantity.assumed for quantity in found.inputs.values())
    counted = f"inputs, {assumed} of {len(found.inputs)} assumed; low and high where a figure is uncertain"
    return Group(head, sums, "", counted, *inputs, "", _air(found), *verdicts)


def _input(name: str, quantity: Quantity) -> list[RenderableType]:
    from rich.padding import Padding

    value, low, high = (in_prefixes(each, quantity.unit) for each in (quantity.value, quantity.low, quantity.high))
    span = "" if low == high else f" ({low} to {high})"
    return [f"  {name}: {value}{span}", Padding(quantity.source, (0, 0, 0, 6), expand=False)]


def _air(found: Budget) -> str:
    """Say how long the radio sends, and where that cannot be or may not be."""
    share, allowed = found.on_air, found.allowed_on_air
    low, mid, high = (f"{100 * each:.3g}" for each in (share.low, share.mid, share.high))
    line = f"the radio sends {mid} % of the time ({low} to {high} %)"
    if share.mid > 1.0:
        return line + ": more than there is time for, so messages are lost; power is that of sending all the time"
    if allowed is not None and share.mid > allowed.value:
        return line + f": above the {100 * allowed.value:g} % it may ({allowed.source})"
    return line
