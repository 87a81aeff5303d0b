"""How pictures move in front of a camera: paths in pixels over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.types import Float64Array

__all__ = ["Saccades", "minimum_jerk"]


def minimum_jerk(progress: Float64Array) -> Float64Array:
    """Return how far a minimum-jerk movement has come, 0 to 1, at each share of its time; clipped outside.

    The bell-shaped speed of biological and well-driven mechanical movements (Flash and Hogan, J. Neurosci. 5, 1985).
    """
    s = np.clip(progress, 0.0, 1.0)
    moved: Float64Array = s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
    return moved


@dataclass(frozen=True, slots=True)
class Saccades:
    """Three quick movements along a triangle and back to its start, as N-MNIST was recorded.

    Orchard et al., Frontiers in Neuroscience 9:437 (2015), moved the camera in three saccades of about 100 ms. The
    corners and times are read off the event rate and its centroid over real recordings of that data set.

    Attributes:
        corners_px: Where the picture stands before, between and after the movements, (x, y) from the centre.
        middles_us: When each movement is fastest.
        lasts_us: How long each movement lasts.
    """

    corners_px: tuple[tuple[float, float], ...] = ((-2.6, -1.5), (-0.1, 3.1), (2.6, -1.5), (-2.6, -1.5))
    middles_us: tuple[int, ...] = (46_000, 150_000, 257_000)
    lasts_us: tuple[int, ...] = (82_000, 82_000, 80_000)

    def at(self, t_us: Float64Array, *, scale: float = 1.0) -> Float64Array:
        """Return (n, 2) positions (x, y) in pixels at (n,) times since the start."""
        corners = np.array(self.corners_px) * scale
        position = np.repeat(corners[:1], len(t_us), axis=0)
        for step, middle, lasts in zip(np.diff(corners, axis=0), self.middles_us, self.lasts_us, strict=True):
            position += minimum_jerk((t_us - middle) / lasts + 0.5)[:, None] * step
        return position
