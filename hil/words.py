"""Figures in words, the same in the terminal and in the report."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.types import Telemetry

__all__ = [
    "bytes_text",
    "clipped",
    "cosine_text",
    "cost_text",
    "count",
    "duration_text",
    "left_out_words",
    "percent",
    "quantity",
]

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))
UNITS = {"wall": "s", "instructions": "instructions", "cycles": "cycles"}


def clipped(text: str, longest: int) -> str:
    """Return the first words of a caption: up to its first comma, colon, semicolon or bracket, and so many characters.

    Example:
        >>> clipped("six: a hexagon, half a dozen eggs", 10), clipped("four legs of a chair", 10)
        ('six', 'four legs…')
    """
    head = re.split(r"[:,;(]", text)[0].strip() or text
    return head if len(head) <= longest else head[: longest - 1].rstrip() + "…"


def quantity(value: float, unit: str) -> str:
    """Return a value with three digits and a prefix.

    Example:
        >>> quantity(0.0123, "s")
        '12.3 ms'
    """
    if value == 0:
        return f"0 {unit}"
    factor, prefix = next(((f, p) for f, p in PREFIXES if abs(value) >= f * 0.9995), PREFIXES[-1])
    return f"{value / factor:.3g} {prefix}{unit}"


def bytes_text(n_bytes: int) -> str:
    """Return a number of bytes, in thousands from 10,000 on.

    Example:
        >>> bytes_text(12345)
        '12.3 kB'
    """
    return f"{n_bytes} B" if n_bytes < 10_000 else quantity(float(n_bytes), "B")


def count(number: int, thing: str) -> str:
    """Return a number of things.

    Example:
        >>> count(1, "window"), count(2, "window")
        ('1 window', '2 windows')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration_text(seconds: float) -> str:
    """Return a duration in whole seconds, minutes or hours.

    Example:
        >>> duration_text(4.6), duration_text(95), duration_text(5000)
        ('5 s', '1 min 35 s', '1 h 23 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def left_out_words(n_events: int) -> str:
    """Return what a rule for partial windows leaves out, as the end of a clause; nothing where it leaves out nothing.

    Example:
        >>> "9 events" + left_out_words(19585), "9 events" + left_out_words(0)
        ('9 events (19,585 more after the last full window left out)', '9 events')
    """
    return f" ({n_events:,} more after the last full window left out)" if n_events else ""


def percent(share: float | None) -> str:
    """Return a share as a rounded percentage that says 100 only when it is all; a dash where there is none.

    Example:
        >>> percent(0.99999), percent(60 / 64)
        ('99.9 %', '93.8 %')
    """
    if share is None:
        return "-"
    tenths = min(int(share * 1000 + 0.5), 999) if share < 1 else 1000
    return f"{tenths // 10}.{tenths % 10} %"


def cosine_text(cosine: float) -> str:
    """Return a cosine with four decimals, rounded down: 1.0000 says that no bit of it is missing.

    Example:
        >>> cosine_text(0.99999)
        '0.9999'
    """
    return f"{math.floor(cosine * 1e4 + 1e-8) / 1e4:.4f}"


def cost_text(telemetry: Telemetry, n_windows: int) -> str:
    """Return what one window costs, with where each figure comes from."""
    time = f"{quantity(telemetry.time / n_windows, UNITS[telemetry.time_source])} a window ({telemetry.time_source})"
    if telemetry.energy_joule is None:
        return f"{time}, energy unknown"
    return f"{time}, {quantity(telemetry.energy_joule / n_windows, 'J')} a window ({telemetry.energy_source})"
