"""Takes the lens out of events: moves each to where a lens without distortion would have put it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import EventBatch, Float64Array, Geometry
from sensors.kernels.columns import check_inside

__all__ = ["Calibration", "Distortion", "undistort", "undistorted_coordinates"]

Distortion: TypeAlias = Literal["none", "radialTangential", "equidistant"]

ITERATIONS = 100
TOLERANCE_PIXELS = 1e-3
OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Calibration:
    """A camera's lens as OpenCV and dv-processing describe it, in pixels.

    Attributes:
        geometry: Size of the sensor.
        focal_pixels: Focal length across and down.
        centre_pixels: Principal point, x and y.
        model: ``radialTangential`` (Brown-Conrady) or ``equidistant`` (Kannala-Brandt); ``none`` has no distortion.
        distortion: k1, k2, p1, p2 and perhaps k3; for ``equidistant`` k1 to k4; dimensionless.
    """

    geometry: Geometry
    focal_pixels: tuple[float, float]
    centre_pixels: tuple[float, float]
    model: Distortion = "none"
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a model with the wrong number of coefficients, and a lens without focal length."""
        sizes: dict[str, tuple[int, ...]] = {"none": (0,), "radialTangential": (4, 5), "equidistant": (4,)}
        if len(self.distortion) not in sizes.get(self.model, ()):
            message = f"distortion needs one of {sizes} coefficients, but got {len(self.distortion)} of {self.model!r}"
            raise InvalidValueError(message)
        if min(self.focal_pixels) <= 0 or not np.isfinite([*self.focal_pixels, *self.centre_pixels]).all():
            message = f"a lens needs a positive focal length, but got {self.focal_pixels} around {self.centre_pixels}"
            raise InvalidValueError(message)


def undistort(events: EventBatch, calibration: Calibration) -> EventBatch:
    """Move events to the nearest pixel of the undistorted picture; those that leave the sensor are dropped.

    dv-processing's ``CameraGeometry.undistortEvents`` cuts the fraction off instead, which shifts the picture by half
    a pixel and folds what lies up to one pixel outside onto the border.

    Raises:
        InvalidValueError: An event lies outside the sensor.
    """
    check_inside(events, calibration.geometry)
    moved = _nearest_pixels(calibration)[events.y, events.x]
    inside = moved[:, 0] != OUTSIDE
    kept = moved[inside].astype(np.uint16)
    return EventBatch.unchecked(events.t[inside], kept[:, 0].copy(), kept[:, 1].copy(), events.p[inside])


@lru_cache(maxsize=8)
def _nearest_pixels(calibration: Calibration) -> npt.NDArray[np.int32]:
    """Return (height, width, 2) x and y of the nearest undistorted pixel, -1 where it is outside."""
    coordinates = undistorted_coordinates(calibration)
    size = (calibration.geometry.width, calibration.geometry.height)
    with np.errstate(invalid="ignore"):
        nearest = np.floor(coordinates + 0.5)
        inside = ((nearest >= 0) & (nearest < size)).all(axis=-1, keepdims=True)
    return np.where(inside, nearest, OUTSIDE).astype(np.int32)


def undistorted_coordinates(calibration: Calibration) -> Float64Array:
    """Return (height, width, 2) x and y, in pixels, of where each pixel belongs; NaN where the model has no answer."""
    geometry = calibration.geometry
    focal, centre = np.array(calibration.focal_pixels), np.array(calibration.centre_pixels)
    y, x = np.mgrid[0 : geometry.height, 0 : geometry.width]
    distorted = (np.stack([x, y], axis=-1) - centre) / focal
    undone = _undo(distorted, calibration)
    with np.errstate(over="ignore", invalid="ignore"):
        again = _distort(undone, calibration)
        error_pixels = np.abs((again - distorted) * focal).max(axis=-1, keepdims=True)
    answered: Float64Array = np.where(error_pixels < TOLERANCE_PIXELS, undone * focal + centre, np.nan)
    return answered


def _undo(distorted: Float64Array, calibration: Calibration) -> Float64Array:
    """Invert the lens by fixed-point iteration, which starts at the distorted point and stays on its branch."""
    point = distorted
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(ITERATIONS):
            radial, tangential = _parts(point, calibration)
            point = (distorted - tangential) / radial
    return point


def _distort(point: Float64Array, calibration: Calibration) -> Float64Array:
    radial, tangential = _parts(point, calibration)
    return point * radial + tangential


def _parts(point: Float64Array, calibration: Calibration) -> tuple[Float64Array, Float64Array]:
    """Return what the lens multiplies a point by and adds to it: Brown (1971), Kannala and Brandt (TPAMI 2006)."""
    square = (point**2).sum(axis=-1, keepdims=True)
    if calibration.model == "none":
        return np.ones_like(square), np.zeros_like(point)
    if calibration.model == "equidistant":
        radius = np.sqrt(square)
        angle = np.arctan(radius)
        bent = angle * (1 + _series(angle**2, calibration.distortion))
        return np.where(radius > 0, bent / np.where(radius > 0, radius, 1), 1.0), np.zeros_like(point)
    k1, k2, p1, p2, k3 = (*calibration.distortion, 0.0)[:5]
    product = point.prod(axis=-1, keepdims=True)
    tangential = 2 * product * np.array([p1, p2]) + np.array([p2, p1]) * (square + 2 * point**2)
    return 1 + _series(square, (k1, k2, k3)), tangential


def _series(value: Float64Array, factors: tuple[float, ...]) -> Float64Array:
    """Return ``factors[0] value + factors[1] value**2 + ...``."""
    total: Float64Array = np.zeros_like(value)
    for factor in reversed(factors):
        total = (total + factor) * value
    return total
