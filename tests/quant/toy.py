"""A problem small enough to learn in a second: four blurred patterns, each with a caption."""

from __future__ import annotations

import numpy as np

from hil.network import CaptionSet
from hil.rng import stream
from quant.measuring import Labelled

SHAPE = (2, 6, 5)
D_IN, D_OUT, CLASSES = 60, 32, 4


def captions() -> CaptionSet:
    vectors = stream(0, "captions").standard_normal((CLASSES, D_OUT))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return CaptionSet(tuple("abcd"), vectors.astype(np.float32), "none", "")


class Toy:
    """Four blurred patterns, drawn anew every epoch."""

    def epoch(self, index: int) -> Labelled:
        rng = stream(0, "toy", index)
        labels = rng.integers(CLASSES, size=120)
        patterns = stream(0, "patterns").integers(0, 6, (CLASSES, D_IN))
        return Labelled(rng.poisson(patterns[labels] + 0.3).astype(np.int8), labels)
