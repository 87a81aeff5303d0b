"""Guesses the size of a sensor that a file does not name, and says that it is a guess."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hil.types import Geometry

__all__ = ["SENSORS", "smallest_sensor"]

SENSORS = (
    Geometry(34, 34),
    Geometry(128, 128),
    Geometry(240, 180),
    Geometry(304, 240),
    Geometry(346, 260),
    Geometry(640, 480),
    Geometry(1280, 720),
    Geometry(2048, 2048),
    Geometry(65536, 65536),
)


def smallest_sensor(
    x: npt.NDArray[Any], y: npt.NDArray[Any], sensors: tuple[Geometry, ...] = SENSORS
) -> tuple[Geometry, str]:
    """Return the smallest usual sensor that holds some events, and a sentence that says so.

    Args:
        x: (n_events,) columns.
        y: (n_events,) rows.
        sensors: To choose from, in rising size; the last is taken when none holds the events.
    """
    width, height = _extent(x), _extent(y)
    fitting = [sensor for sensor in sensors if sensor.width >= width and sensor.height >= height]
    geometry = fitting[0] if fitting else sensors[-1]
    size = f"{geometry.width} x {geometry.height}"
    return geometry, (
        f"a sensor of {size}, the smallest usual one that holds the first events, because the file names none; "
        "say otherwise with width and height"
    )


def _extent(coordinates: npt.NDArray[Any]) -> int:
    """Return how many pixels some coordinates need; what is no number needs none."""
    finite = coordinates[np.isfinite(coordinates)]
    return int(finite.max()) + 1 if finite.size else 1
