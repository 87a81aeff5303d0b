"""Unit vectors and the distance between them: what every stage of the protocol measures meaning with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import Float32Array, Float64Array

__all__ = ["cosine_distance", "unit", "unit64"]


def unit64(vectors: npt.ArrayLike) -> Float64Array:
    """Return vectors scaled to length one in float64; a vector of zeros has no direction and stays zero.

    Args:
        vectors: (..., d) real numbers.

    Raises:
        InvalidValueError: A value is not finite.
    """
    wide = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(wide).all():
        message = f"embeddings must be finite, but {np.count_nonzero(~np.isfinite(wide))} of {wide.size} values are not"
        raise InvalidValueError(message)
    largest = np.abs(wide).max(axis=-1, keepdims=True, initial=0.0)
    scaled = np.divide(wide, largest, out=np.zeros_like(wide), where=largest > 0)  # squares must not under- or overflow
    norm = np.linalg.norm(scaled, axis=-1, keepdims=True)
    directions: Float64Array = np.divide(scaled, norm, out=np.zeros_like(scaled), where=norm > 0)
    return directions


def unit(vectors: npt.ArrayLike) -> Float32Array:
    """Return vectors scaled to length one in float32; see ``unit64``."""
    return unit64(vectors).astype(np.float32)


def cosine_distance(one: npt.ArrayLike, other: npt.ArrayLike) -> Float64Array:
    """Return one minus the cosine between pairs of vectors, 0 to 2; not a number where either is zero.

    Computed as half the squared distance of the unit vectors, which is exactly 0 for equal vectors and keeps small
    distances precise where ``1 - cosine`` loses them.

    Args:
        one: (..., d) vectors.
        other: (..., d) vectors, broadcast against ``one``.

    Returns:
        (...) distances.
    """
    first, second = unit64(one), unit64(other)
    distance: Float64Array = 0.5 * np.square(first - second).sum(axis=-1)
    directionless = ~(first.any(axis=-1) & second.any(axis=-1))
    return np.where(directionless, np.nan, np.minimum(distance, 2.0))
