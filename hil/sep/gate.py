"""Decides which meanings are worth sending: those far from the last one that was sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.errors import InvalidValueError
from hil.sep.vectors import unit64
from hil.types import BoolArray, Float32Array, Float64Array, read_only

__all__ = ["DistanceGate", "GateTrace"]


@dataclass(frozen=True, slots=True, eq=False)
class GateTrace:
    """What a gate decided about each embedding.

    Attributes:
        sent: (n,) whether it was sent.
        distance: (n,) cosine distance to the last sent vector; not a number where there was none, or no direction.
        last_sent: (d,) the vector that the next one is compared with, or None before the first.
    """

    sent: BoolArray
    distance: Float64Array
    last_sent: Float64Array | None

    def __post_init__(self) -> None:
        """Take read-only views."""
        object.__setattr__(self, "sent", read_only(self.sent, np.bool_))
        view = np.asarray(self.distance, dtype=np.float64).view()
        view.flags.writeable = False
        object.__setattr__(self, "distance", view)


@dataclass(frozen=True, slots=True)
class DistanceGate:
    """Sends a vector whose cosine distance to the last sent one is greater than a threshold (SEP v2.0, section 3.2).

    The first vector is always sent. A vector of zeros has no direction, says nothing, and is never sent.

    Attributes:
        threshold: Cosine distance, 0 to 2.
    """

    threshold: float = 0.35

    def __post_init__(self) -> None:
        """Refuse a threshold that is no cosine distance."""
        if not 0.0 <= self.threshold <= 2.0:
            message = f"gate threshold is a cosine distance between 0 and 2, but is {self.threshold}"
            raise InvalidValueError(message)

    def run(self, embeddings: Float32Array, *, last_sent: Float64Array | None = None) -> GateTrace:
        """Decide about (n, d) embeddings in order.

        Args:
            embeddings: (n, d) vectors of any length.
            last_sent: Where an earlier call on the same stream stopped; cutting a stream changes nothing.
        """
        directions = unit64(embeddings)
        sent = np.zeros(len(directions), dtype=np.bool_)
        distance = np.full(len(directions), np.nan)
        for i, direction in enumerate(directions):
            if not direction.any():
                continue
            if last_sent is not None:
                distance[i] = 0.5 * np.square(direction - last_sent).sum()
            if last_sent is None or distance[i] > self.threshold:
                sent[i], last_sent = True, direction
        return GateTrace(sent, distance, last_sent)
