"""Draws simple figures smoothly: the signed distance to a figure says how much of each pixel it covers.

A picture drawn this way changes evenly when a figure moves by a fraction of a pixel, which is what an event camera
looks for. The distances are the usual ones of computer graphics (Quilez, "2D distance functions").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from hil.types import Float64Array, Geometry

__all__ = ["Plane"]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The pixels of a sensor as points of a plane, in a unit and around a middle of the figure's own.

    Attributes:
        x: (height, width) to the right.
        y: (height, width) down.
        pixel: Size of a pixel in the plane's unit.
    """

    x: Float64Array
    y: Float64Array
    pixel: float

    @classmethod
    def of(cls, geometry: Geometry, middle_px: tuple[float, float], unit_px: float, *, turn_rad: float = 0.0) -> Self:
        """Return a plane whose origin stands at a pixel position, turned clockwise, one unit ``unit_px`` long."""
        across = (np.arange(geometry.width) - middle_px[0])[None, :] / unit_px
        down = (np.arange(geometry.height) - middle_px[1])[:, None] / unit_px
        cos, sin = np.cos(turn_rad), np.sin(turn_rad)
        return cls(across * cos + down * sin, down * cos - across * sin, 1.0 / unit_px)

    def cover(self, distance: Float64Array) -> Float64Array:
        """Return (height, width) share of each pixel that lies inside a figure, 0 to 1."""
        share: Float64Array = 0.5 - distance / self.pixel
        return np.minimum(np.maximum(share, 0.0, out=share), 1.0, out=share)

    def disc(self, x: float, y: float, radius: float) -> Float64Array:
        """Return the distance to a disc, negative inside."""
        return _length(self.x - x, self.y - y) - radius

    def capsule(self, start: tuple[float, float], stop: tuple[float, float], radius: float) -> Float64Array:
        """Return the distance to a thick line with round ends, negative inside."""
        along_x, along_y = stop[0] - start[0], stop[1] - start[1]
        from_x, from_y = self.x - start[0], self.y - start[1]
        length_squared = max(along_x**2 + along_y**2, 1e-12)
        share = from_x * (along_x / length_squared)
        share += from_y * (along_y / length_squared)
        np.minimum(np.maximum(share, 0.0, out=share), 1.0, out=share)
        from_x -= share * along_x
        from_y -= share * along_y
        return _length(from_x, from_y) - radius

    def box(self, half_width: float, half_height: float) -> Float64Array:
        """Return the distance to a box around the origin, negative inside."""
        beyond_x, beyond_y = np.abs(self.x) - half_width, np.abs(self.y) - half_height
        outside = _length(np.maximum(beyond_x, 0), np.maximum(beyond_y, 0))
        distance: Float64Array = outside + np.minimum(np.maximum(beyond_x, beyond_y), 0)
        return distance

    def convex(self, corners: Float64Array) -> Float64Array:
        """Return the distance to the lines around a convex figure, negative inside.

        Args:
            corners: (n, 2) points (x, y), clockwise on the screen.
        """
        sides = np.roll(corners, -1, axis=0) - corners
        normals = np.stack([sides[:, 1], -sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1)[:, None]
        distances = [
            (self.x - corner[0]) * normal[0] + (self.y - corner[1]) * normal[1]
            for corner, normal in zip(corners, normals, strict=True)
        ]
        distance: Float64Array = np.max(distances, axis=0)
        return distance


def _length(x: Float64Array, y: Float64Array) -> Float64Array:
    """Return the length of vectors, five times as fast as ``np.hypot``: nothing here is near the limits of a double."""
    length: Float64Array = x * x
    length += y * y
    return np.sqrt(length, out=length)
