"""Counts the events of a moment, as a camera with a shutter would expose them."""

from __future__ import annotations

import numpy as np

from hil.types import Int64Array
from sensors.pictures.stretch import Stretch

__all__ = ["SHUTTER_US", "expose", "full_scale"]

SHUTTER_US = 30_000  # longer exposures smear what moves


def expose(stretch: Stretch, start_us: int, end_us: int) -> Int64Array:
    """Return (2, height, width) counts of the events in ``start_us <= t < end_us``, OFF first."""
    events, size = stretch.events.between(start_us, end_us), stretch.geometry
    place = (events.p * np.int64(size.height) + events.y) * size.width + events.x
    counts = np.bincount(place, minlength=2 * size.height * size.width)
    return counts.reshape(2, size.height, size.width)


def full_scale(pictures: list[Int64Array]) -> float:
    """Return the count that gets full colour: what all but the busiest twentieth of active pixels stay below."""
    totals = np.concatenate([picture.sum(axis=0).ravel() for picture in pictures])
    active = totals[totals > 0]
    return float(np.percentile(active, 95)) if active.size else 1.0
