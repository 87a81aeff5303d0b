"""Which unit the times of a table are in, where the table does not say: guessed from the numbers, and said aloud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.errors import FormatError
from hil.types import Int64Array
from sensors.formats import options as option

__all__ = ["UNITS", "guess", "microseconds", "split_unit", "unit_of"]

UNITS: Mapping[str, tuple[int, int]] = MappingProxyType({"s": (6, 1), "ms": (3, 1), "us": (0, 1), "ns": (0, 1000)})
"""Of each unit, how many decimals make a microsecond, and what whole numbers are divided by."""

WORDS = MappingProxyType(
    {
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
        **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), "ms"),
        **dict.fromkeys(("us", "usec", "\xb5s", "\u03bcs", "microsecond", "microseconds"), "us"),
        **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), "ns"),
    }
)
NAMED = re.compile(r"(.+?)(?:[\s_]+|\s*(?=[\[(]))[\[(]?\s*(" + "|".join(WORDS) + r")\s*[\])]?")
NANOSECONDS_FROM = 10**17  # which as microseconds would be 3,000 years
LONGEST_SPAN_S = 10**6  # eleven days between the first few thousand events
OTHERWISE = "say otherwise with time_unit"


def split_unit(name: str) -> tuple[str, str]:
    """Return a column's name without its unit, and the unit or nothing.

    Example:
        >>> split_unit("timestamp (ns)"), split_unit("t_us"), split_unit("ts")
        (('timestamp', 'ns'), ('t', 'us'), ('ts', ''))
    """
    found = NAMED.fullmatch(name.strip().lower())
    return (found[1], WORDS[found[2]]) if found else (name.strip().lower(), "")


def guess(*, whole: bool, largest: float, span: float) -> tuple[str, str]:
    """Return the unit of some times, and a sentence that says why.

    Args:
        whole: Whether none has a fraction.
        largest: The largest magnitude, as written.
        span: From the least to the most of the first few thousand, as written.

    Raises:
        FormatError: No unit makes sense, so the caller must be told.
    """
    if whole and largest >= NANOSECONDS_FROM:
        return "ns", f"times in nanoseconds, because microseconds would be thousands of years; {OTHERWISE}"
    if whole:
        return "us", f"times in microseconds, because they are whole numbers; {OTHERWISE}"
    if span > LONGEST_SPAN_S:
        message = (
            f"times have fractions, but as seconds the first events would span {span / 86400:.0f} days; "
            f"say their unit with option time_unit, one of {', '.join(UNITS)}"
        )
        raise FormatError(message)
    return "s", f"times in seconds, because they have fractions; {OTHERWISE}"


def unit_of(name: str, first: npt.NDArray[Any], options: Mapping[str, str], *, own: bool = False) -> tuple[str, str]:
    """Return the unit of a column of times, and a sentence where it is guessed.

    Args:
        name: Of the column, which may say it.
        first: (n,) its first times.
        options: The caller's, of which ``time_unit`` overrules all.
        own: Whether whole numbers are known to be microseconds, as of files that we wrote.

    Raises:
        FormatError: No unit makes sense.
    """
    stated = split_unit(name)[1]
    if "time_unit" in options or stated:
        return option.choice(options, "time_unit", stated, tuple(UNITS)), ""
    finite = first[np.isfinite(first)].astype(np.float64)
    if not finite.size:
        return "us", ""
    is_float = first.dtype.kind == "f"
    whole = not (is_float and np.any(finite % 1))
    unit, assumed = guess(whole=whole, largest=float(np.abs(finite).max()), span=float(np.ptp(finite)))
    if is_float and first.dtype.itemsize < 8 and unit == "s":
        assumed += f"; {first.dtype} holds no single microseconds beyond some seconds"
    return unit, "" if own and unit == "us" and not is_float else assumed


def microseconds(t: npt.NDArray[Any], unit: str, *, whole: bool = False) -> Int64Array:
    """Return times of a unit as whole microseconds: floats rounded, whole nanoseconds cut off.

    Args:
        t: (n_events,) as stored.
        unit: One of ``UNITS``.
        whole: Whether a fraction of the unit is an error, because the unit was guessed from whole numbers.

    Raises:
        ValueError: A time is no number, or beyond what 63 bits hold, or has a fraction.
    """
    decimals, divisor = UNITS[unit]
    if t.dtype.kind == "f":
        exact = t.astype(np.float64)
        scaled = exact * 10.0**decimals / divisor
        if not np.all(np.isfinite(scaled)) or np.any(np.abs(scaled) > 2.0**62):
            raise ValueError("a time is no number that microseconds can hold")
        if whole and np.any(exact % 1):
            raise ValueError("a time has a fraction, though those at the start have none; say its unit with time_unit")
        return np.rint(scaled).astype(np.int64)
    if t.size and max(-int(t.min()), int(t.max())) * 10**decimals >= divisor << 62:
        raise ValueError("a time is beyond what 63 bits of microseconds hold")
    if t.dtype.kind == "u" and divisor > 1:
        t = t // np.asarray(divisor, t.dtype)
        divisor = 1
    whole_us: Int64Array = t.astype(np.int64) * 10**decimals // divisor
    return whole_us
