"""Colours of events, the same in stills and animations: ON blue, OFF red, nothing white."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["OFF", "ON", "paint"]

ON = (0.10, 0.35, 0.75)
OFF = (0.80, 0.22, 0.15)
GAMMA = 0.5  # lone events stay visible beside busy pixels


def paint(counts: npt.NDArray[np.integer], *, full: float) -> npt.NDArray[np.uint8]:
    """Return an (height, width, 3) picture of (2, height, width) counts, OFF first.

    A pixel moves from white to the mix of its polarities' colours as its count grows to ``full``.
    """
    off, on = counts.astype(np.float64)
    total = on + off
    share = np.divide(on, total, out=np.zeros_like(total), where=total > 0)[..., None]
    colour = share * np.array(ON) + (1 - share) * np.array(OFF)
    strength = np.minimum(1.0, total / max(full, 1e-9))[..., None] ** GAMMA
    picture: npt.NDArray[np.uint8] = np.round(255 * (1 - strength * (1 - colour))).astype(np.uint8)
    return picture
