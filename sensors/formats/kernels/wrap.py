"""Tells a counter that starts over from a time that goes back."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["wraps"]


@njit(cache=True, nogil=True)
def wraps(raw: np.int64, last_raw: np.int64, bits: int) -> bool:
    """Say whether a counter of so many bits went over its top: from its last quarter into its first.

    Anything else that goes back is damage. Half the range would do for a sound file, but a flipped top bit looks
    like half the range, too.
    """
    quarter = 1 << (bits - 2)
    return bool(last_raw >= 3 * quarter and raw < quarter)
