"""Labelled takes played back to back: how a data set of short scenes becomes one recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from emulators.camera import Camera, CameraParameters, Scene
from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry

__all__ = ["Reel", "Take"]


@dataclass(frozen=True, slots=True)
class Take:
    """A scene and what it shows.

    Attributes:
        label: What is to be seen.
        scene: Starts at 0 us.
    """

    label: str
    scene: Scene


@dataclass(frozen=True, slots=True)
class Reel:
    """Takes in front of one camera, each a recording of its own, played back to back; an event source.

    No window sees one take change into the next, as in data sets that are recorded take by take.

    Attributes:
        takes: In order.
        take_us: How long each lasts.
        parameters: The camera's pixels.
        seed: Decides which camera it is.
    """

    takes: tuple[Take, ...]
    take_us: int
    parameters: CameraParameters = field(default_factory=CameraParameters)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a reel without takes, or with takes of different sizes."""
        sizes = {take.scene.geometry for take in self.takes}
        if len(sizes) != 1 or self.take_us < 1:
            raise InvalidValueError(f"a reel needs takes of one size and a length, but got {sizes}, {self.take_us} us")

    @property
    def geometry(self) -> Geometry:
        """Size of the sensor."""
        return self.takes[0].scene.geometry

    @property
    def labels(self) -> tuple[str, ...]:
        """What each take shows; take ``k`` begins at ``k * take_us``."""
        return tuple(take.label for take in self.takes)

    def __iter__(self) -> Iterator[EventBatch]:
        """Yield the events between each two pictures where there are any."""
        camera = Camera(self.geometry, self.parameters, self.seed)
        for k, take in enumerate(self.takes):
            for batch in camera.stream(take.scene.frames(), take=k):
                inside = batch.between(0, self.take_us)
                if len(inside):
                    yield EventBatch.unchecked(inside.t + k * self.take_us, inside.x, inside.y, inside.p)
