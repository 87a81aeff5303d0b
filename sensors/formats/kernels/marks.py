"""Notes damage inside a compiled loop."""

from __future__ import annotations

from numba import njit

from hil.types import Int64Array

__all__ = ["mark"]


@njit(cache=True, nogil=True)
def mark(marks: Int64Array, marked: int, first: int, length: int, reason: int, events: int) -> int:
    """Add a row (first byte, byte after, reason, events or -1), or widen the last; return how many rows there are."""
    if marked:
        row = marks[marked - 1]
        if row[1] == first and row[2] == reason:
            row[1] = first + length
            row[3] = -1 if events < 0 or row[3] < 0 else row[3] + events
            return marked
    row = marks[marked]
    row[0], row[1], row[2], row[3] = first, first + length, reason, events
    return marked + 1
