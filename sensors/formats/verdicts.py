"""What a compiled loop can find wrong with a word, as numbers for the loops and as words for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "BAD_LINE",
    "BAD_POLARITY",
    "FRACTION",
    "LATE",
    "NO_PLACE",
    "OUT_OF_RANGE",
    "REASONS",
    "SOUND",
    "TIME_BACK",
    "UNKNOWN_WORD",
]

SOUND = 0
LATE = -1  # sound, but some events must be put in order
OUT_OF_RANGE = 1
TIME_BACK = 2
BAD_POLARITY = 3
UNKNOWN_WORD = 4
NO_PLACE = 5
BAD_LINE = 6
FRACTION = 7

REASONS: Mapping[int, str] = MappingProxyType(
    {
        OUT_OF_RANGE: "an event lies outside the sensor",
        TIME_BACK: "time goes back",
        BAD_POLARITY: "a polarity is neither 0 nor 1",
        UNKNOWN_WORD: "a word is of no known type",
        BAD_LINE: "a line is no event",
        FRACTION: "a time has a fraction, though those at the start have none; say its unit with time_unit",
        NO_PLACE: "an event's row or column was lost with the damage before it",
    }
)
