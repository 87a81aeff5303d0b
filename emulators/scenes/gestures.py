"""People who gesture, as jointed figures seen from the front: a labelled data set of movements.

Six gestures in the manner of the DVS128 Gesture data set (Amir et al., CVPR 2017), drawn from angles of shoulders,
elbows and trunk over time. Every recording is another person: build, clothes, light, pace and handedness vary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from emulators.camera import Camera, CameraParameters, Frame
from emulators.scenes.drawing import Plane
from emulators.scenes.reel import Reel, Take
from hil import rng as random
from hil.errors import UnknownNameError
from hil.types import EventBatch, Float64Array, Geometry

__all__ = ["CAPTIONS", "DURATION_US", "GEOMETRY", "LABELS", "SENSOR", "GestureScene", "Person", "recording", "reel"]

CAPTIONS = {
    "waving": "a person waving",
    "clapping": "a person clapping hands",
    "circling": "a person swinging one arm in circles",
    "drumming": "a person drumming in the air",
    "raising": "a person raising both arms",
    "swaying": "a person swaying from side to side",
}
LABELS = tuple(CAPTIONS)
GEOMETRY = Geometry(64, 64)
DURATION_US = 1_000_000
SENSOR = CameraParameters(shot_noise_rate_hz=0.5)

# Lengths in units of the trunk; the origin is the middle of the chest.
SHOULDER = (0.38, -0.45)
UPPER_ARM, FOREARM = 0.55, 0.5
HIP_Y = 0.6
PACES_HZ = {"waving": 2.0, "clapping": 2.6, "circling": 1.1, "drumming": 3.0, "raising": 0.9, "swaying": 0.8}
FINEST_STEP_PX = 0.5


@dataclass(frozen=True, slots=True)
class Person:
    """Who gestures, and how.

    Attributes:
        trunk_px: Length of the trunk on a sensor of 64 pixels; everything else follows.
        middle: Where the chest is, as a share of the way across and down.
        left_handed: Which arm one-armed gestures use.
        pace: Speed relative to the gesture's usual one.
        phase_rad: Where in the movement the recording begins.
        vigour: Size of the movement relative to the usual one.
        lights: Luminance of ground, clothes and skin.
    """

    trunk_px: float = 19.0
    middle: tuple[float, float] = (0.5, 0.58)
    left_handed: bool = False
    pace: float = 1.0
    phase_rad: float = 0.0
    vigour: float = 1.0
    lights: tuple[float, float, float] = (0.6, 0.15, 0.4)

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Person:
        """Return a random person."""
        ground = float(np.exp(rng.uniform(np.log(0.1), np.log(0.9))))
        clothes = float(np.clip(ground * np.exp(rng.choice([-1, 1]) * rng.uniform(0.6, 1.8)), 0.03, 1.0))
        skin = float(np.clip(ground * np.exp(rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)), 0.03, 1.0))
        return cls(
            trunk_px=float(rng.uniform(16.5, 20.5)),
            middle=(float(rng.uniform(0.44, 0.56)), float(rng.uniform(0.54, 0.62))),
            left_handed=bool(rng.random() < 0.5),
            pace=float(np.exp(rng.normal(0, 0.15))),
            phase_rad=float(rng.uniform(0, 2 * np.pi)),
            vigour=float(rng.uniform(0.8, 1.15)),
            lights=(ground, clothes, skin),
        )


@dataclass(frozen=True, slots=True)
class _Pose:
    """Angles in radians: of each arm (shoulder, then forearm), 0 down and positive outwards and up; of the trunk."""

    left: tuple[float, float] = (0.15, 0.25)
    right: tuple[float, float] = (0.15, 0.25)
    lean: float = 0.0


def _pose(label: str, phase_rad: float, vigour: float) -> _Pose:
    swing, opened = vigour * np.sin(phase_rad), vigour * (1 - np.cos(phase_rad)) / 2
    match label:
        case "waving":
            return _Pose(right=(2.1, 2.85 + 0.7 * swing))
        case "clapping":
            arm = (0.5 - 0.2 * opened, -0.5 - 1.2 * opened)
            return _Pose(arm, arm)
        case "circling":
            return _Pose(right=(phase_rad, phase_rad + 0.1))
        case "drumming":
            return _Pose((0.35, -0.5 + 0.6 * swing), (0.35, -0.5 - 0.6 * swing))
        case "raising":
            arm = (0.15 + 2.6 * opened, 0.25 + 2.6 * opened)
            return _Pose(arm, arm)
        case _:
            return _Pose(lean=0.35 * swing)


@dataclass(frozen=True, slots=True)
class GestureScene:
    """One person who makes one gesture over and over, for a second.

    Attributes:
        label: One of ``LABELS``.
        person: Who, and how.
        geometry: Size of the sensor.
    """

    label: str
    person: Person = field(default_factory=Person)
    geometry: Geometry = GEOMETRY

    def __post_init__(self) -> None:
        """Refuse an unknown gesture."""
        if self.label not in LABELS:
            raise UnknownNameError.of("gesture", self.label, list(LABELS))

    def frames(self) -> Iterator[Frame]:
        """Yield pictures so often that a hand moves about half a pixel in between."""
        count = int(np.ceil(DURATION_US * 1e-6 * self._fastest_px_s / FINEST_STEP_PX))
        pace_rad_s = 2 * np.pi * PACES_HZ[self.label] * self.person.pace
        for k in range(count + 1):
            t_us = round(k * DURATION_US / count)
            phase_rad = self.person.phase_rad + pace_rad_s * t_us * 1e-6
            yield Frame(t_us, self._picture(_pose(self.label, phase_rad, self.person.vigour)))

    @property
    def _unit_px(self) -> float:
        return self.person.trunk_px * min(self.geometry.width, self.geometry.height) / 64

    @property
    def _fastest_px_s(self) -> float:
        return self._unit_px * (UPPER_ARM + FOREARM) * 2 * np.pi  # an outstretched arm that turns once a second

    def _picture(self, pose: _Pose) -> Float64Array:
        ground, clothes, skin = self.person.lights
        picture = np.full((self.geometry.height, self.geometry.width), ground)
        plane = self._plane(pose.lean)
        _paint(picture, plane.cover(plane.capsule((0.0, -0.25), (0.0, 2.5), 0.36)), clothes)
        _paint(picture, plane.cover(plane.disc(0.0, -0.95, 0.28)), skin)
        sides = (1.0, -1.0) if self.person.left_handed else (-1.0, 1.0)
        for side, arm in zip(sides, (pose.left, pose.right), strict=True):
            self._paint_arm(picture, plane, side, arm)
        return picture

    def _plane(self, lean_rad: float) -> Plane:
        """Return the plane of a trunk that leans around the hip."""
        across, down = self.person.middle
        chest_x = across * self.geometry.width + HIP_Y * np.sin(lean_rad) * self._unit_px
        chest_y = down * self.geometry.height + HIP_Y * (1 - np.cos(lean_rad)) * self._unit_px
        return Plane.of(self.geometry, (float(chest_x), float(chest_y)), self._unit_px, turn_rad=lean_rad)

    def _paint_arm(self, picture: Float64Array, plane: Plane, side: float, arm: tuple[float, float]) -> None:
        _, clothes, skin = self.person.lights
        shoulder = (side * SHOULDER[0], SHOULDER[1])
        elbow = _onwards(shoulder, side, arm[0], UPPER_ARM)
        hand = _onwards(elbow, side, arm[1], FOREARM)
        sleeve = np.minimum(plane.capsule(shoulder, elbow, 0.12), plane.capsule(elbow, hand, 0.1))
        _paint(picture, plane.cover(sleeve), 0.75 * clothes)  # in its own shade, or it would vanish before the trunk
        _paint(picture, plane.cover(plane.disc(*hand, 0.14)), skin)


def _onwards(start: tuple[float, float], side: float, angle_rad: float, length: float) -> tuple[float, float]:
    return start[0] + side * length * float(np.sin(angle_rad)), start[1] + length * float(np.cos(angle_rad))


def _paint(picture: Float64Array, cover: Float64Array, light: float) -> None:
    picture += cover * (light - picture)


def recording(
    label: str, *, seed: int, geometry: Geometry = GEOMETRY, parameters: CameraParameters = SENSOR
) -> EventBatch:
    """Return what the camera sees of one person gesturing for a second, starting at 0 us.

    Args:
        label: One of ``LABELS``.
        seed: Decides the person, the camera and its noise.
        geometry: Size of the sensor.
        parameters: The camera's pixels.

    Raises:
        UnknownNameError: There is no such gesture.
    """
    person = Person.drawn(random.stream(seed, "gestures", "person"))
    return Camera(geometry, parameters, seed).record(GestureScene(label, person, geometry).frames())


def reel(count: int, *, seed: int, geometry: Geometry = GEOMETRY) -> Reel:
    """Return gestures in random order, a second each, every one by another person."""
    order = random.stream(seed, "gestures", "order").integers(len(LABELS), size=count)
    takes = tuple(
        Take(LABELS[i], GestureScene(LABELS[i], Person.drawn(random.stream(seed, "gestures", "person", k)), geometry))
        for k, i in enumerate(order.tolist())
    )
    return Reel(takes, DURATION_US, SENSOR, seed)
