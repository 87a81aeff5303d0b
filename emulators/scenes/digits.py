"""Handwritten digits seen as N-MNIST saw its own: so that one network serves both.

The handwriting is scikit-learn's copy of the UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak,
1998): 1797 real digits of 8 x 8 pixels. They are drawn smoothly at the size of MNIST's, as dark ink on white paper,
and moved along the three saccades of N-MNIST in front of a camera model with that sensor's rates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from emulators.camera import Camera, CameraParameters, Frame
from emulators.scenes.motion import Saccades, shifted
from emulators.scenes.reel import Reel, Take
from hil import rng as random
from hil.errors import InvalidValueError, MissingDependencyError
from hil.types import EventBatch, Float64Array, Geometry, Int64Array

__all__ = [
    "DURATION_US",
    "GEOMETRY",
    "HELD_OUT_FROM",
    "SENSOR",
    "DigitScene",
    "Style",
    "handwriting",
    "recording",
    "reel",
]

GEOMETRY = Geometry(34, 34)
DURATION_US = 315_000
HELD_OUT_FROM = 1497
"""Digits from this index on (300 of them) are for showing and testing; those before it are for training."""
FRAME_US = 1500
FINE = 3
MARGIN_PX = 6
SAME_AGAIN = 1 / 3

SENSOR = CameraParameters(
    threshold_on=0.2,
    threshold_off=0.2,
    threshold_mismatch=0.03,
    cutoff_hz=100.0,
    leak_rate_hz=0.28,
    shot_noise_rate_hz=0.01,
    leak_spread_decades=0.3,
    refractory_us=1000.0,
)
"""Fitted to 1,000 real N-MNIST recordings: events a recording, noise in the corners, intervals at a pixel."""


@cache
def handwriting() -> tuple[Float64Array, Int64Array]:
    """Return (1797, 8, 8) float64 ink, 0 to 1, and (1797,) int64 labels.

    Train on those before ``HELD_OUT_FROM``; the recordings this project shows are made of those from there on.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError.of("scikit-learn", extra="train", purpose="handwriting") from error
    pixels, labels = load_digits(return_X_y=True)
    return pixels.reshape(-1, 8, 8) / 16.0, labels.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Style:
    """How one digit is written and held in front of the camera.

    Attributes:
        cell_px: (across, down) sensor pixels per cell of the 8 x 8 picture.
        slant: Pixels to the right per pixel up.
        turn_rad: Rotation, counter-clockwise on the screen.
        shift_px: (right, down) from the centre.
        boldness: Ink level, 0 to 1, at which a stroke has its edge; lower is bolder.
        sweep: Size of the movement relative to N-MNIST's.
        ink: Luminance of the ink; paper is 1.0.
    """

    cell_px: tuple[float, float] = (2.5, 2.5)
    slant: float = 0.0
    turn_rad: float = 0.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    boldness: float = 0.45
    sweep: float = 1.0
    ink: float = 0.2

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, variety: float = 1.0) -> Style:
        """Return a random style; ``variety`` 0 gives the plain one, 1 spreads as wide as MNIST's writers."""
        normal = variety * rng.standard_normal(9)
        return cls(
            cell_px=(2.75 + 0.3 * normal[0], 2.5 + 0.1 * normal[1]),
            slant=0.1 + 0.15 * normal[2],
            turn_rad=0.08 * normal[3],
            shift_px=(0.7 * normal[4], 0.7 + 0.5 * normal[5]),
            boldness=float(np.clip(0.45 + 0.07 * normal[6], 0.25, 0.65)),
            sweep=1.0 + 0.06 * normal[7],
            ink=float(np.clip(0.17 * np.exp(0.2 * normal[8]), 0.08, 0.5)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class DigitScene:
    """One digit moved along the saccades for 315 ms.

    Attributes:
        image: (8, 8) float64 ink, 0 to 1.
        style: How it is written and held.
        path: How it moves.
    """

    image: Float64Array
    style: Style = Style()
    path: Saccades = field(default_factory=Saccades)

    def __post_init__(self) -> None:
        """Refuse a picture that is not 8 x 8."""
        if self.image.shape != (8, 8):
            raise InvalidValueError(f"a handwritten digit must be (8, 8), but is {self.image.shape}")

    @property
    def geometry(self) -> Geometry:
        """Size of N-MNIST's sensor."""
        return GEOMETRY

    def frames(self) -> Iterator[Frame]:
        """Yield a picture every 1.5 ms, in which it moves a fifth of a pixel at most."""
        times_us = np.arange(0, DURATION_US + 1, FRAME_US)
        positions_px = self.path.at(times_us.astype(float), scale=self.style.sweep)
        drawing = self._drawing()
        for t_us, picture in zip(times_us.tolist(), shifted(drawing, positions_px, GEOMETRY, FINE), strict=True):
            yield Frame(t_us, picture)

    def _drawing(self) -> Float64Array:
        """Return the digit on paper, centred, FINE points to a pixel."""
        from scipy.ndimage import affine_transform

        style = self.style
        size = FINE * (GEOMETRY.height + 2 * MARGIN_PX)
        cos, sin = np.cos(style.turn_rad), np.sin(style.turn_rad)
        turned = np.array([[cos, sin], [-sin, cos]])  # rows and columns are (y, x), y down
        slanted = np.array([[1.0, 0.0], [style.slant, 1.0]])
        across, down = style.cell_px
        to_cells = np.diag([1 / down, 1 / across]) @ slanted @ turned / FINE
        cells = np.pad(self.image, 4)
        middle = (np.array(cells.shape) - 1) / 2
        centre = (size - 1) / 2 + FINE * np.array(style.shift_px[::-1])
        ink = affine_transform(cells, to_cells, middle - to_cells @ centre, (size, size), order=3)
        edge = 1.0 / (1.0 + np.exp((style.boldness - ink) * 10.0))
        drawing: Float64Array = 1.0 - (1.0 - style.ink) * edge
        return drawing


def recording(
    image: Float64Array, *, seed: int, variety: float = 1.0, parameters: CameraParameters = SENSOR
) -> EventBatch:
    """Return what the camera sees of one digit: 34 x 34 pixels, 315 ms, starting at 0 us.

    Args:
        image: (8, 8) float64 ink, 0 to 1, such as one of ``handwriting()``.
        seed: Decides the style, the camera and its noise.
        variety: How far the style departs from the plain one; 0 not at all.
        parameters: The camera's pixels.
    """
    style = Style.drawn(random.stream(seed, "digits", "style"), variety=variety)
    return Camera(GEOMETRY, parameters, seed).record(DigitScene(image, style).frames())


def reel(count: int, *, seed: int, variety: float = 1.0) -> Reel:
    """Return held-out digits, 315 ms each, in random order.

    A digit is followed by another version of the same one in a third of all cases, which is no news to a receiver.

    Args:
        count: How many digits.
        seed: Decides which digits, their style and the camera.
        variety: How far styles depart from the plain one.
    """
    images, labels = handwriting()
    takes = []
    for k, index in enumerate(_order(labels, count, random.stream(seed, "digits", "order"))):
        style = Style.drawn(random.stream(seed, "digits", "style", k), variety=variety)
        takes.append(Take(str(labels[index]), DigitScene(images[index], style)))
    return Reel(tuple(takes), DURATION_US, SENSOR, seed)


def _order(labels: Int64Array, count: int, rng: np.random.Generator) -> list[int]:
    """Return indices of held-out digits, every digit about equally often."""
    shown: list[int] = []
    while len(shown) < count:
        for label in rng.permutation(10).tolist():
            shown += [label] * int(rng.geometric(1 - SAME_AGAIN))
    by_label = [HELD_OUT_FROM + np.flatnonzero(labels[HELD_OUT_FROM:] == label) for label in range(10)]
    return [int(rng.choice(by_label[label])) for label in shown[:count]]
