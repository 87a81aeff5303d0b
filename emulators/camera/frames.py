"""What the camera looks at: timed pictures, from an array, a list or a function of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import Float32Array, Geometry

__all__ = ["Frame", "FunctionScene", "Luminance", "Scene", "grey_levels", "resampled"]

Luminance: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.floating]


class Frame(NamedTuple):
    """A picture and when it was seen.

    Attributes:
        t_us: Stream time.
        luminance: (height, width) linear light: uint8 with 255 as white, or floating point with 1.0 as white.
    """

    t_us: int
    luminance: Luminance


@runtime_checkable
class Scene(Protocol):
    """Something that moves in front of the camera."""

    @property
    def geometry(self) -> Geometry:
        """Size of its pictures."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield the same pictures in time order, every time it is called."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionScene:
    """A function of time, looked at often enough that nothing moves far between two pictures.

    Attributes:
        function: Takes seconds since the start, returns (height, width) luminance, 0 to 1.
        geometry: Size of its pictures.
        duration_s: How long it lasts.
        frames_per_s: How often it is looked at; between two looks log intensity is taken to change evenly.
        start_us: Stream time of the first picture.
    """

    function: Callable[[float], Luminance]
    geometry: Geometry
    duration_s: float
    frames_per_s: float = 1000.0
    start_us: int = 0

    def __post_init__(self) -> None:
        """Refuse a scene without two pictures."""
        if not (self.frames_per_s > 0 and self.duration_s * self.frames_per_s >= 1):
            raise InvalidValueError(
                f"a scene needs at least two pictures, but lasts {self.duration_s} s at {self.frames_per_s} a second"
            )

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures; the last one is at the end of the scene."""
        for t_us in _times_us(self.duration_s, self.frames_per_s):
            yield Frame(self.start_us + t_us, self.function(t_us * 1e-6))


def _times_us(duration_s: float, frames_per_s: float) -> Iterable[int]:
    count = round(duration_s * frames_per_s)
    return (round(i * duration_s * 1e6 / count) for i in range(count + 1))


def grey_levels(luminance: Luminance, geometry: Geometry) -> Float32Array:
    """Return (height * width,) float32 light on the scale of 8-bit video, 255 for white.

    Raises:
        InvalidValueError: The picture has another size, is of a type without a meaning as light, or is negative.
    """
    picture = np.asarray(luminance)
    if picture.shape != (geometry.height, geometry.width):
        expected = (geometry.height, geometry.width)
        raise InvalidValueError(f"a picture must be {expected} (height, width), but is {picture.shape}")
    if picture.dtype == np.uint8:
        return picture.astype(np.float32).ravel()
    if not np.issubdtype(picture.dtype, np.floating):
        raise InvalidValueError(f"a picture must be uint8 or floating point, but is {picture.dtype}")
    levels: Float32Array = np.multiply(picture, 255.0, dtype=np.float32).ravel()
    least, most = float(levels.min()), float(levels.max())
    if not 0.0 <= least <= most < float("inf"):  # false for NaN too
        raise InvalidValueError(f"luminance must be 0 or more and finite, but runs from {least} to {most}")
    return levels


def resampled(picture: Luminance, height: int, width: int) -> Float32Array:
    """Return a picture in another size, (height, width) float32 luminance; each pixel the mean over its area.

    Args:
        picture: (rows, columns) uint8 with 255 as white, or floating point with 1.0 as white.
        height: Rows to return.
        width: Columns to return.
    """
    light = np.asarray(picture, np.float32) / np.float32(255.0 if picture.dtype == np.uint8 else 1.0)
    if light.shape == (height, width):
        return light
    mixed: Float32Array = _area_weights(light.shape[0], height) @ light @ _area_weights(light.shape[1], width).T
    return mixed


def _area_weights(n_from: int, n_to: int) -> Float32Array:
    """Return (n_to, n_from): the share of each old cell in the mean of each new one, along one axis."""
    edges = np.arange(n_to + 1) * (n_from / n_to)
    cells = np.arange(n_from)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights: Float32Array = (np.maximum(overlap, 0.0) * (n_to / n_from)).astype(np.float32)
    return weights
