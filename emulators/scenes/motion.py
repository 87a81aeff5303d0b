"""How pictures move in front of a camera: paths in pixels over time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hil.errors import InvalidValueError
from hil.types import Float32Array, Float64Array, Geometry

__all__ = ["Saccades", "minimum_jerk", "shifted"]


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


def shifted(
    drawing: Float64Array | Float32Array, positions_px: Float64Array, geometry: Geometry, fine: int
) -> Iterator[Float32Array]:
    """Yield (height, width) pictures of a drawing that stands at each of the positions.

    A pixel sees the mean of the drawing over its own area, with linear interpolation between points, so that a
    picture changes evenly however slowly it moves.

    Args:
        drawing: (rows, columns) with ``fine`` points to a pixel; its middle stands at the position.
        positions_px: (n, 2) where it stands, (x, y) right and down from the middle of the sensor.
        geometry: Size of the pictures.
        fine: Points of the drawing to a pixel.

    Raises:
        InvalidValueError: The drawing does not cover the sensor at a position.
    """
    points: Float32Array = drawing.astype(np.float32)
    for right, down in positions_px:
        rows = _seen(points, geometry.height, float(down), fine)
        yield _seen(rows.T, geometry.width, float(right), fine).T


def _seen(points: Float32Array, n_pixels: int, position_px: float, fine: int) -> Float32Array:
    """Return (n_pixels, columns): the mean over each pixel along the first axis of (rows, columns) points."""
    first = (len(points) - fine * n_pixels) / 2 - position_px * fine
    start, share = math.floor(first), first % 1.0
    stop = start + fine * n_pixels
    if start < 0 or stop + (share > 0) > len(points):
        raise InvalidValueError(
            f"a drawing of {len(points) / fine:g} pixels cannot cover {n_pixels} when it is moved by {position_px:.1f}"
        )
    total = points[start:stop:fine] * np.float32(1.0 - share)
    for k in range(1, fine):
        total += points[start + k : stop : fine]
    if share:
        total += points[start + fine : stop + 1 : fine] * np.float32(share)
    return total / np.float32(fine)
