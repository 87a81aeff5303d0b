"""What a compiled loop can find wrong with a word, as numbers for the loops and as words for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["BAD_POLARITY", "OUT_OF_RANGE", "REASONS", "SOUND", "TIME_BACK", "UNKNOWN_WORD"]

SOUND = 0
OUT_OF_RANGE = 1
TIME_BACK = 2
BAD_POLARITY = 3
UNKNOWN_WORD = 4

REASONS: Mapping[int, str] = MappingProxyType(
    {
        OUT_OF_RANGE: "an event lies outside the sensor",
        TIME_BACK: "time goes back",
        BAD_POLARITY: "a polarity is neither 0 nor 1",
        UNKNOWN_WORD: "a word is of no known type",
    }
)
