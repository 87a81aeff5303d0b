"""The absmean ternary rule in numpy: the oracle every other statement of it is held to.

``scale = max(mean|W|, 1e-5)`` and ``codes = clip(round(W / scale), -1, 1)``, rounding halves to even (Ma et al., "The
Era of 1-bit LLMs", arXiv:2402.17764, eq. 1-3). The rule is not idempotent - the mean of quantised weights is another
scale - so codes and scale are what is stored, never weights to be quantised again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import Int8Array

__all__ = ["MIN_SCALE", "absmean_codes", "absmean_scale"]

MIN_SCALE = 1e-5


def absmean_scale(weight: npt.NDArray[np.floating[Any]]) -> np.float32:
    """Return the scale of a weight tensor of any shape.

    The mean is taken in float64 and rounded once to float32, so that the order of summation cannot move a code.

    Raises:
        InvalidValueError: The tensor is empty or holds a value that is not finite.
    """
    if not weight.size or not np.isfinite(weight).all():
        message = f"weights must be finite and at least one, but got shape {weight.shape}"
        raise InvalidValueError(message)
    mean = np.abs(weight).mean(dtype=np.float64)
    return np.float32(max(np.float32(mean), np.float32(MIN_SCALE)))


def absmean_codes(weight: npt.NDArray[np.floating[Any]]) -> tuple[Int8Array, np.float32]:
    """Return the int8 codes of a weight tensor, in its shape, and their float32 scale.

    Example:
        >>> codes, scale = absmean_codes(np.array([0.1, -0.6, 2.0], np.float32))
        >>> codes.tolist(), round(float(scale), 6)
        ([0, -1, 1], 0.9)
    """
    scale = absmean_scale(weight)
    codes: Int8Array = np.clip(np.rint(weight.astype(np.float32) / scale), -1, 1).astype(np.int8)
    return codes, scale
