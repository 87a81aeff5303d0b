"""Scenes by name or from a file, each put in front of a camera: what ``hil emulate`` offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from emulators.camera import CameraParameters, CameraSource
from emulators.scenes.reel import Reel
from hil.errors import InvalidValueError, UnknownNameError
from hil.ports import EventSource
from hil.types import Geometry

__all__ = ["SCENES", "SceneEntry", "Show", "camera_parameters", "open_scene"]

LARGE = Geometry(346, 260)
"""A DAVIS346, where a scene has no size of its own."""


@dataclass(frozen=True, slots=True)
class Show:
    """A scene in front of a camera.

    Attributes:
        source: Its events.
        duration_us: How long it lasts; None where only the end of the file tells.
        take_us: Length of each labelled take; 0 without labels.
        labels: What each take shows, from 0 us on.
        assumed_frames_per_s: Rate of pictures from a file that does not say it; None of all else.
    """

    source: EventSource
    duration_us: int | None
    take_us: int = 0
    labels: tuple[str, ...] = ()
    assumed_frames_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a scene; None means the scene's own."""

    seed: int
    duration_s: float | None
    geometry: Geometry | None
    camera: Mapping[str, float]


Maker: TypeAlias = Callable[[Request], Show]


@dataclass(frozen=True, slots=True)
class SceneEntry:
    """A scene that can be asked for by name."""

    about: str
    make: Maker


def camera_parameters(base: CameraParameters, changes: Mapping[str, float]) -> CameraParameters:
    """Return camera parameters with some changed by name.

    Raises:
        UnknownNameError: There is no such parameter.
        InvalidValueError: No pixel can have the value.
    """
    known = [field.name for field in fields(CameraParameters)]
    for name in changes:
        if name not in known:
            raise UnknownNameError.of("camera parameter", name, known)
    return replace(base, **changes)


def _from_reel(reel: Reel, request: Request) -> Show:
    reel = replace(reel, parameters=camera_parameters(reel.parameters, request.camera))
    return Show(reel, len(reel.takes) * reel.take_us, reel.take_us, reel.labels)


def _count(request: Request, take_us: int, usual: int) -> int:
    if request.duration_s is None:
        return usual
    if not request.duration_s > 0:
        raise InvalidValueError(f"a scene must last a positive time, but {request.duration_s} s was asked for")
    return max(round(request.duration_s * 1e6 / take_us), 1)


def _digits(request: Request) -> Show:
    from emulators.scenes import digits

    if request.geometry not in (None, digits.GEOMETRY):
        raise InvalidValueError("digits are seen by a sensor of 34 x 34 pixels, as in N-MNIST; ask for no other size")
    return _from_reel(digits.reel(_count(request, digits.DURATION_US, 64), seed=request.seed), request)


def _gestures(request: Request) -> Show:
    from emulators.scenes import gestures

    count = _count(request, gestures.DURATION_US, 12)
    return _from_reel(gestures.reel(count, seed=request.seed, geometry=request.geometry or gestures.GEOMETRY), request)


def _shapes(request: Request) -> Show:
    from emulators.scenes import shapes

    count = _count(request, shapes.DURATION_US, 16)
    return _from_reel(shapes.reel(count, seed=request.seed, geometry=request.geometry or shapes.GEOMETRY), request)


def _gratings(request: Request) -> Show:
    from emulators.scenes import gratings

    count = _count(request, gratings.DURATION_US, 8)
    return _from_reel(gratings.reel(count, seed=request.seed, geometry=request.geometry or gratings.GEOMETRY), request)


def _panorama(request: Request) -> Show:
    from emulators.scenes.panorama import Panorama

    duration_s = 2.0 if request.duration_s is None else request.duration_s
    scene = Panorama(request.geometry or LARGE, duration_s, request.seed)
    parameters = camera_parameters(CameraParameters(), request.camera)
    return Show(CameraSource(scene, parameters, request.seed), round(duration_s * 1e6))


SCENES: Mapping[str, SceneEntry] = MappingProxyType(
    {
        "digits": SceneEntry("handwritten digits along N-MNIST's saccades, 34 x 34, labelled", _digits),
        "gestures": SceneEntry(
            "people who wave, clap, circle an arm, drum, raise both arms, sway; labelled", _gestures
        ),
        "shapes": SceneEntry("circles, squares, triangles and crosses that drift and turn; labelled", _shapes),
        "gratings": SceneEntry("sine gratings that drift in eight directions; labelled", _gratings),
        "panorama": SceneEntry("a camera that looks around in an image with natural statistics", _panorama),
    }
)


def open_scene(
    name_or_path: str,
    *,
    seed: int,
    duration_s: float | None = None,
    geometry: Geometry | None = None,
    frames_per_s: float | None = None,
    camera: Mapping[str, float] = MappingProxyType({}),
) -> Show:
    """Return a scene by name, or from a file of pictures; a single picture is looked around in.

    Args:
        name_or_path: One of ``SCENES``, or a file as ``emulators.camera.footage.Footage`` reads.
        seed: Decides the scene and the camera.
        duration_s: How long; scenes of labelled takes last a whole number of them.
        geometry: Size of the sensor.
        frames_per_s: Of footage, instead of the file's own.
        camera: Camera parameters to change, by name.

    Raises:
        UnknownNameError: Neither a scene nor a file.
        InvalidValueError: The scene cannot be had like that.
        FormatError: The file holds no pictures.
    """
    request = Request(seed, duration_s, geometry, camera)
    if name_or_path in SCENES:
        if frames_per_s is not None:
            raise InvalidValueError(f"a frame rate is for files of pictures; {name_or_path} has its own")
        return SCENES[name_or_path].make(request)
    path = Path(name_or_path)
    if not path.is_file():
        raise UnknownNameError(f"scene {name_or_path!r} is neither a file nor known; known: {', '.join(SCENES)}")
    return _from_file(path, request, frames_per_s)


def _from_file(path: Path, request: Request, frames_per_s: float | None) -> Show:
    from emulators.camera.footage import Footage, still
    from emulators.scenes.panorama import Panorama

    parameters = camera_parameters(CameraParameters(), request.camera)
    picture = still(path)
    if picture is None:
        footage = Footage(path, request.geometry, frames_per_s, request.duration_s)
        source = CameraSource(footage, parameters, request.seed)
        return Show(source, None, assumed_frames_per_s=footage.assumed_frames_per_s)
    duration_s = 2.0 if request.duration_s is None else request.duration_s
    scene = Panorama(request.geometry or LARGE, duration_s, request.seed, image=picture)
    return Show(CameraSource(scene, parameters, request.seed), round(duration_s * 1e6))
