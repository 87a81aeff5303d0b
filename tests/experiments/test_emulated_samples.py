from __future__ import annotations

import numpy as np
import pytest

from experiments.scenes import KINDS, emulate
from hil.errors import ConfigError, UnknownNameError


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_emulate_when_seed_is_the_same_then_samples_are_the_same(kind: str) -> None:
    if kind == "digits":
        pytest.importorskip("sklearn")
    one, same, other = (emulate(kind, 2, seed=seed) for seed in (1, 1, 2))
    assert one.labels == same.labels
    for a, b in zip(one.samples, same.samples, strict=True):
        np.testing.assert_array_equal(a.t, b.t)
    assert any(len(a) != len(b) for a, b in zip(one.samples, other.samples, strict=True))


@pytest.mark.parametrize("kind", ["gestures", "shapes"])
def test_emulate_when_held_out_then_samples_are_others(kind: str) -> None:
    learned, held = emulate(kind, 1, seed=1), emulate(kind, 1, seed=1, held_out=True)
    assert learned.labels == held.labels
    assert len(learned.samples[0]) != len(held.samples[0])


def test_emulate_when_count_is_more_than_there_is_handwriting_then_refused() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(ConfigError, match="1497 handwritten digits"):
        emulate("digits", 1498, seed=0)


def test_emulate_when_kind_is_unknown_then_known_ones_are_listed() -> None:
    with pytest.raises(UnknownNameError, match="digits, gestures, shapes"):
        emulate("faces", 1, seed=0)
