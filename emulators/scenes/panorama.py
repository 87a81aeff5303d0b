"""A natural image panned in front of the camera: textures and edges at every scale, and nothing foreign shipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emulators.camera import Frame, Luminance
from emulators.camera.frames import resampled
from emulators.scenes.motion import shifted
from hil import rng as random
from hil.errors import InvalidValueError
from hil.types import Float32Array, Float64Array, Geometry

__all__ = ["Panorama", "dead_leaves"]

FINE = 2
DARKEST = 0.04


def dead_leaves(height: int, width: int, *, rng: np.random.Generator, smallest: float = 3.0) -> Float32Array:
    """Return (height, width) float32 luminance, 0 to 1, with the statistics of natural images.

    Opaque discs fall on each other until the ground is covered. With radii distributed as r**-3 the picture is
    scale-invariant: its spectrum falls as one over frequency, its contrasts have heavy tails and its edges are
    occlusions (Ruderman, Vision Research 37, 1997; Lee, Mumford and Huang, IJCV 41, 2001).

    Args:
        height: Rows.
        width: Columns.
        rng: Where the discs fall.
        smallest: Radius of the smallest disc; the largest is a third of the shorter side.
    """
    largest = max(min(height, width) / 3, 2 * smallest)
    mean_area = 2 * np.pi * np.log(largest / smallest) / (smallest**-2 - largest**-2)
    count = int(8 * height * width / mean_area) + 1  # covers all but exp(-8) of the ground
    share = rng.random(count)
    radii = (smallest**-2 - share * (smallest**-2 - largest**-2)) ** -0.5
    rows, columns = rng.uniform(-largest, [[height + largest], [width + largest]], (2, count))
    light = DARKEST ** rng.random(count)  # evenly spread in log luminance
    picture = np.full((height, width), np.sqrt(DARKEST), np.float32)
    for row, column, radius, level in zip(rows, columns, radii, light, strict=True):
        _drop(picture, row, column, radius, level)
    return picture


def _drop(picture: Float32Array, row: float, column: float, radius: float, level: float) -> None:
    top, left = max(int(row - radius), 0), max(int(column - radius), 0)
    bottom, right = int(row + radius) + 1, int(column + radius) + 1
    part = picture[top : max(bottom, 0), left : max(right, 0)]
    down = np.arange(top, top + part.shape[0])[:, None] - row
    across = np.arange(left, left + part.shape[1]) - column
    part[down**2 + across**2 <= radius**2] = level


@dataclass(frozen=True, slots=True, eq=False)
class Panorama:
    """A camera that looks around in an image, on a smooth path that never repeats soon.

    Attributes:
        geometry: Size of the sensor.
        duration_s: How long it looks.
        seed: Decides the path and, where no image is given, the image.
        speed_px_s: Root-mean-square speed of the image across the sensor.
        frames_per_s: Pictures a second.
        image: (rows, columns) uint8 or floating-point luminance, stretched over what is looked at; None for dead
            leaves.
    """

    geometry: Geometry
    duration_s: float = 2.0
    seed: int = 0
    speed_px_s: float = 150.0
    frames_per_s: float = 1000.0
    image: Luminance | None = None

    def __post_init__(self) -> None:
        """Refuse a scene in which nothing happens."""
        if not (self.duration_s > 0 and self.speed_px_s > 0 and self.frames_per_s > 0):
            raise InvalidValueError(
                f"duration, speed and frame rate must be positive, but are {self.duration_s} s, "
                f"{self.speed_px_s} px/s and {self.frames_per_s} a second"
            )

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures, each pixel the mean light over its area."""
        image = self._drawing()
        times_s = np.arange(round(self.duration_s * self.frames_per_s) + 1) / self.frames_per_s
        pictures = shifted(image, self._path(times_s), self.geometry, FINE)
        for t_s, picture in zip(times_s.tolist(), pictures, strict=True):
            yield Frame(round(t_s * 1e6), picture)

    def _drawing(self) -> Float32Array:
        margin_px = 2 * self._reach_px + 2
        rows, columns = (FINE * (size + margin_px) for size in (self.geometry.height, self.geometry.width))
        if self.image is not None:
            return resampled(self.image, rows, columns)
        rng = random.stream(self.seed, "panorama", "image")
        return dead_leaves(rows, columns, rng=rng, smallest=2.0 * FINE)

    @property
    def _reach_px(self) -> int:
        return max(min(self.geometry.width, self.geometry.height) // 4, 4)

    def _path(self, times_s: Float64Array) -> Float64Array:
        """Return (n, 2) positions on a Lissajous figure with an irrational ratio and the asked-for speed."""
        phases = random.stream(self.seed, "panorama", "path").uniform(0, 2 * np.pi, 2)
        ratio = (np.sqrt(5) - 1) / 2
        pulse = self.speed_px_s * np.sqrt(2) / (self._reach_px * np.hypot(1.0, ratio))
        angles = pulse * np.outer(times_s, [1.0, ratio]) + phases
        path: Float64Array = self._reach_px * np.sin(angles)
        return path
