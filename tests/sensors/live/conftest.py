"""Events for the network and camera tests."""

import numpy as np
import pytest

from hil.types import EventBatch, Geometry


@pytest.fixture
def geometry():
    return Geometry(320, 240)


@pytest.fixture
def events():
    rng = np.random.default_rng(7)
    n = 25_000
    return EventBatch(
        1_605_537_493_718_345 + np.sort(rng.integers(0, 500_000, n)),
        rng.integers(0, 320, n).astype(np.uint16),
        rng.integers(0, 240, n).astype(np.uint16),
        rng.random(n) < 0.5,
    )


@pytest.fixture
def assert_same():
    def check(one, other):
        for column in "txyp":
            assert np.array_equal(getattr(one, column), getattr(other, column)), column

    return check


@pytest.fixture
def dv():
    return pytest.importorskip("dv_processing")
