"""Which recordings of a data set are learned from and which are held out: the same for whoever asks."""

from __future__ import annotations

import numpy as np

from hil.errors import ConfigError
from hil.rng import stream
from hil.types import Int64Array

__all__ = ["held_out_split"]


def held_out_split(total: int, count: int, *, seed: int) -> tuple[Int64Array, Int64Array]:
    """Return the sorted indices to learn from and the sorted indices of ``count`` held out of ``total``.

    Raises:
        ConfigError: Nothing would be left to learn from.
    """
    if not 0 <= count < total:
        raise ConfigError(
            f"{count} of {total} recordings cannot be held out: held_out and validation together must "
            "leave at least one to learn from, and neither may be negative"
        )
    order = stream(seed, "held out").permutation(total)
    return np.sort(order[count:]), np.sort(order[:count])
