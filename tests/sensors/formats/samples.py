"""Recordings to write, damage and read again."""

from __future__ import annotations

import numpy as np

from hil.types import EventBatch, Geometry

__all__ = ["SIZE", "assert_same", "events", "totals"]

SIZE = Geometry(34, 34)


def events(n: int = 2000, *, size: Geometry = SIZE, seed: int = 0, start_us: int = 0, step_us: int = 40) -> EventBatch:
    """Return events in random places and in order of time."""
    rng = np.random.default_rng(seed)
    t = start_us + np.cumsum(rng.integers(0, step_us, n))
    x = rng.integers(0, size.width, n).astype(np.uint16)
    y = rng.integers(0, size.height, n).astype(np.uint16)
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(bool))


def assert_same(read: EventBatch, written: EventBatch) -> None:
    """Compare every column."""
    for name in ("t", "x", "y", "p"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), err_msg=name)


def totals(batch: EventBatch) -> dict[str, int]:
    """Return the figures that the manifest of the real recordings gives."""
    return {
        "events": len(batch),
        "on": int(batch.p.sum()),
        "off": int((~batch.p).sum()),
        "first_t_us": int(batch.t[0]),
        "last_t_us": int(batch.t[-1]),
        "x_max": int(batch.x.max()),
        "y_max": int(batch.y.max()),
        "sum_t": int(batch.t.sum()),
        "sum_x": int(batch.x.astype(np.int64).sum()),
        "sum_y": int(batch.y.astype(np.int64).sum()),
    }
