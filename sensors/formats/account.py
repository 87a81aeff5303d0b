"""Adds up what a damaged file is missing, in bounded memory, so that bytes read and bytes lost make the file."""

from __future__ import annotations

from hil.types import Int64Array, Loss
from sensors.formats.verdicts import REASONS

__all__ = ["LossAccount"]

MAX_SPANS = 1000


class LossAccount:
    """Collects stretches of damage; past ``MAX_SPANS`` it keeps only their sum, so that no file fills the memory."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int, str]] = []
        self._events: int | None = 0
        self._further = 0
        self._further_start = 0
        self._further_bytes = 0

    def add(self, offset_bytes: int, length_bytes: int, reason: str, *, events: int | None) -> None:
        """Record one stretch of damage; ``events`` is how many events it held, or None where nobody can know."""
        self._events = None if events is None or self._events is None else self._events + events
        if self._spans and self._spans[-1][2] == reason and sum(self._spans[-1][:2]) == offset_bytes:
            start, length, _ = self._spans[-1]
            self._spans[-1] = (start, length + length_bytes, reason)
        elif len(self._spans) < MAX_SPANS:
            self._spans.append((offset_bytes, length_bytes, reason))
        else:
            self._add_further(1, offset_bytes, length_bytes)

    def add_marks(self, marks: Int64Array) -> None:
        """Record what a compiled loop marked: rows of first byte, byte after, a verdict, and events or -1."""
        separate = max(0, MAX_SPANS - len(self._spans))
        for first, after, verdict, events in marks[:separate].tolist():
            self.add(first, after - first, REASONS[verdict], events=events if events >= 0 else None)
        rest = marks[separate:]
        if len(rest):
            self._add_further(len(rest), int(rest[0, 0]), int((rest[:, 1] - rest[:, 0]).sum()))
            known = self._events is not None and bool((rest[:, 3] >= 0).all())
            self._events = (self._events or 0) + int(rest[:, 3].sum()) if known else None

    def _add_further(self, stretches: int, offset_bytes: int, length_bytes: int) -> None:
        self._further_start = self._further_start or offset_bytes
        self._further += stretches
        self._further_bytes += length_bytes

    def loss(self) -> Loss | None:
        """Return the account, or None while nothing is lost."""
        spans = sorted(self._spans)
        if self._further:
            why = f"{self._further} further stretches of damage from here on"
            spans.append((self._further_start, self._further_bytes, why))
        return Loss(tuple(spans), self._events) if spans else None
