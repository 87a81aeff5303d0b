"""What the kernel tests share: random events, and an independent store of them for dv-processing."""

import numpy as np
import pytest

from hil.types import EventBatch, Geometry


@pytest.fixture
def geometry():
    return Geometry(24, 18)


@pytest.fixture
def make_events(geometry):
    """Return a maker of random events on the 24x18 sensor, starting at the time given."""

    def make(n_events, span_us, *, seed=0, start_us=50_000):
        rng = np.random.default_rng(seed)
        return EventBatch(
            start_us + np.sort(rng.integers(0, span_us, n_events)),
            rng.integers(0, geometry.width, n_events).astype(np.uint16),
            rng.integers(0, geometry.height, n_events).astype(np.uint16),
            rng.random(n_events) < 0.4,
        )

    return make


@pytest.fixture
def to_store():
    """Return a function from a batch to a dv-processing event store."""
    dv = pytest.importorskip("dv_processing")

    def convert(batch):
        store = dv.EventStore()
        for event in zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True):
            store.push_back(*event)
        return store

    return convert
