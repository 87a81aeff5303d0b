"""Sine gratings that drift in eight directions: the test picture of vision science, and of event cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emulators.camera import CameraParameters, Frame
from emulators.scenes.reel import Reel, Take
from hil import rng as random
from hil.errors import InvalidValueError
from hil.types import Float64Array, Geometry

__all__ = ["DURATION_US", "GEOMETRY", "LABELS", "GratingScene", "reel"]

LABELS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
GEOMETRY = Geometry(128, 128)
DURATION_US = 500_000
FRAME_US = 1000


@dataclass(frozen=True, slots=True)
class GratingScene:
    """A sine grating that drifts at constant speed.

    Attributes:
        geometry: Size of the sensor.
        heading_rad: Where it drifts to, 0 to the right, clockwise on the screen.
        period_px: From one crest to the next.
        speed_px_s: How fast it drifts.
        contrast: Michelson contrast, 0 to 1.
        mean: Mean luminance.
    """

    geometry: Geometry = GEOMETRY
    heading_rad: float = 0.0
    period_px: float = 16.0
    speed_px_s: float = 80.0
    contrast: float = 0.6
    mean: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a grating that no screen can show."""
        if not (self.period_px > 0 and 0 <= self.contrast <= 1 and self.mean > 0):
            raise InvalidValueError(
                f"a grating needs a period above 0 px, a contrast from 0 to 1 and some light, but got "
                f"{self.period_px} px, {self.contrast} and {self.mean}"
            )

    def frames(self) -> Iterator[Frame]:
        """Yield a picture each millisecond, for half a second."""
        down, across = np.mgrid[: self.geometry.height, : self.geometry.width]
        along_px = across * np.cos(self.heading_rad) + down * np.sin(self.heading_rad)
        for t_us in range(0, DURATION_US + 1, FRAME_US):
            phase = 2 * np.pi * (along_px - self.speed_px_s * t_us * 1e-6) / self.period_px
            picture: Float64Array = self.mean * (1 + self.contrast * np.sin(phase))
            yield Frame(t_us, picture)


def reel(count: int, *, seed: int, geometry: Geometry = GEOMETRY) -> Reel:
    """Return gratings of random contrast, each drifting half a second in the next of eight directions."""
    rng = random.stream(seed, "gratings", "contrast")
    takes = tuple(
        Take(
            LABELS[k % len(LABELS)],
            GratingScene(geometry, k % len(LABELS) * np.pi / 4, contrast=float(rng.uniform(0.2, 0.9))),
        )
        for k in range(count)
    )
    return Reel(takes, DURATION_US, CameraParameters(), seed)
