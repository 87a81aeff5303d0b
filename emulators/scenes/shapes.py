"""Simple shapes that drift and turn: a labelled data set with nothing in it but geometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emulators.camera import Camera, CameraParameters, Frame
from emulators.scenes.drawing import Plane
from emulators.scenes.reel import Reel, Take
from hil import rng as random
from hil.errors import UnknownNameError
from hil.types import EventBatch, Float64Array, Geometry

__all__ = ["CAPTIONS", "DURATION_US", "GEOMETRY", "LABELS", "SENSOR", "ShapeScene", "recording", "reel"]

LABELS = ("circle", "square", "triangle", "cross")
CAPTIONS = {label: f"a moving {label}" for label in LABELS}
GEOMETRY = Geometry(64, 64)
DURATION_US = 500_000
FRAME_US = 2000
SENSOR = CameraParameters(shot_noise_rate_hz=0.5)


@dataclass(frozen=True, slots=True)
class ShapeScene:
    """One shape that drifts on a straight line, bounces off the border and turns as it goes.

    Attributes:
        label: One of ``LABELS``.
        geometry: Size of the sensor.
        start: Where it starts, as a share of the way across and down.
        velocity: Sensor widths a second, across and down.
        turn_rad: How it stands at the start.
        turn_rad_s: How fast it turns.
        radius: Of the circle around it, as a share of the sensor's shorter side.
        light: Of the shape and of the ground.
    """

    label: str
    geometry: Geometry = GEOMETRY
    start: tuple[float, float] = (0.3, 0.4)
    velocity: tuple[float, float] = (0.7, 0.5)
    turn_rad: float = 0.0
    turn_rad_s: float = 2.0
    radius: float = 0.2
    light: tuple[float, float] = (0.9, 0.2)

    def __post_init__(self) -> None:
        """Refuse an unknown shape."""
        if self.label not in LABELS:
            raise UnknownNameError.of("shape", self.label, list(LABELS))

    @classmethod
    def drawn(cls, label: str, rng: np.random.Generator, geometry: Geometry = GEOMETRY) -> ShapeScene:
        """Return a shape near the middle and nearly upright, that moves, turns and is lit at random."""
        heading, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6)
        dark, bright = 0.05 * 4 ** rng.random(), 0.4 * 2.5 ** rng.random()
        return cls(
            label,
            geometry,
            start=(float(rng.uniform(0.42, 0.58)), float(rng.uniform(0.42, 0.58))),
            velocity=(float(speed * np.cos(heading)), float(speed * np.sin(heading))),
            turn_rad=float(rng.uniform(-0.25, 0.25)),
            turn_rad_s=float(rng.uniform(-1, 1)),
            radius=float(rng.uniform(0.24, 0.34)),
            light=(bright, dark) if rng.random() < 0.5 else (dark, bright),
        )

    def frames(self) -> Iterator[Frame]:
        """Yield a picture every 2 ms."""
        for t_us in range(0, DURATION_US + 1, FRAME_US):
            yield Frame(t_us, self._picture(t_us * 1e-6))

    def _picture(self, t_s: float) -> Float64Array:
        width, height = self.geometry.width, self.geometry.height
        shorter = min(width, height)
        middle = (
            _bounced(self.start[0] + self.velocity[0] * t_s, self.radius * shorter / width) * width - 0.5,
            _bounced(self.start[1] + self.velocity[1] * t_s, self.radius * shorter / height) * height - 0.5,
        )
        turn_rad = self.turn_rad + self.turn_rad_s * t_s
        plane = Plane.of(self.geometry, middle, self.radius * shorter, turn_rad=turn_rad)
        shape, ground = self.light
        picture: Float64Array = ground + (shape - ground) * plane.cover(_distance(plane, self.label))
        return picture


def _bounced(position: float, margin: float) -> float:
    """Fold a position back into the part between the margins, as a mirror would."""
    room = 1 - 2 * margin
    folded = (position - margin) % (2 * room)
    return margin + min(folded, 2 * room - folded)


def _distance(plane: Plane, label: str) -> Float64Array:
    if label == "circle":
        return plane.disc(0.0, 0.0, 0.85)
    if label == "square":
        return plane.box(0.7, 0.7)
    if label == "triangle":
        angles = np.radians([-90.0, 30.0, 150.0])  # clockwise on a screen, whose y points down
        return plane.convex(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return np.minimum(plane.box(0.95, 0.28), plane.box(0.28, 0.95))


def recording(
    label: str, *, seed: int, geometry: Geometry = GEOMETRY, parameters: CameraParameters = SENSOR
) -> EventBatch:
    """Return what the camera sees of one moving shape in half a second, starting at 0 us.

    Args:
        label: One of ``LABELS``.
        seed: Decides the shape's size, light and motion, the camera and its noise.
        geometry: Size of the sensor.
        parameters: The camera's pixels.

    Raises:
        UnknownNameError: There is no such shape.
    """
    scene = ShapeScene.drawn(label, random.stream(seed, "shapes", "style"), geometry)
    return Camera(geometry, parameters, seed).record(scene.frames())


def reel(count: int, *, seed: int, geometry: Geometry = GEOMETRY) -> Reel:
    """Return shapes in random order, half a second each."""
    order = random.stream(seed, "shapes", "order").integers(len(LABELS), size=count)
    takes = tuple(
        Take(LABELS[i], ShapeScene.drawn(LABELS[i], random.stream(seed, "shapes", "style", k), geometry))
        for k, i in enumerate(order.tolist())
    )
    return Reel(takes, DURATION_US, SENSOR, seed)
