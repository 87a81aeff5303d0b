"""Recordings as a data set that ``torch.utils.data.DataLoader`` batches, shuffles and spreads over workers.

A map-style data set is anything with a length that can be indexed, so this module does not import torch; arrays become
tensors in the loader's own collation. What turns events into an array is a small value that can be pickled, so that
worker processes may be spawned as well as forked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import FormatError, InvalidValueError
from hil.network import FeatureSpec
from hil.registry import open_recording
from hil.types import EventBatch, Geometry

__all__ = ["EventDataset", "ToFeatures", "ToFrames", "ToVoxelGrid", "Transform"]

Array: TypeAlias = npt.NDArray[Any]
Transform: TypeAlias = Callable[[EventBatch, Geometry], Array]


@dataclass(frozen=True, slots=True)
class ToFeatures:
    """The (d_in,) int8 features a network with this spec takes; see ``sensors.features.encode_window``.

    Attributes:
        spec: The network's input.
    """

    spec: FeatureSpec

    def __call__(self, events: EventBatch, geometry: Geometry) -> Array:
        """Return the features of the window that starts at the first event."""
        from sensors.features import encode_window

        return encode_window(events, geometry, self.spec)


@dataclass(frozen=True, slots=True)
class ToFrames:
    """(n_time_bins, 2, height, width) int16 counts; see ``sensors.kernels.frames.to_frame``.

    Attributes:
        n_time_bins: Frames of equal time.
    """

    n_time_bins: int

    def __call__(self, events: EventBatch, geometry: Geometry) -> Array:
        """Return the frames."""
        from sensors.kernels.frames import to_frame

        return to_frame(events, geometry, n_time_bins=self.n_time_bins)


@dataclass(frozen=True, slots=True)
class ToVoxelGrid:
    """(n_time_bins, 1, height, width) float32; see ``sensors.kernels.frames.to_voxel_grid``.

    Attributes:
        n_time_bins: Points in time.
    """

    n_time_bins: int

    def __call__(self, events: EventBatch, geometry: Geometry) -> Array:
        """Return the grid."""
        from sensors.kernels.frames import to_voxel_grid

        return to_voxel_grid(events, geometry, n_time_bins=self.n_time_bins)


@dataclass(frozen=True, slots=True)
class EventDataset:
    """Labelled recordings, read when they are asked for.

    Attributes:
        recordings: Files of any format that ``sensors.open`` knows.
        labels: One class per recording.
        transform: What an item is made of a recording's events.
        geometry: Size of the sensor; each recording's own when not given.
        format_name: Read every file as this format.

    Example:
        >>> from hil.network import FeatureSpec
        >>> dataset = EventDataset((), (), ToFeatures(FeatureSpec(17, 17, time_bins=3, window_us=300_000)))
        >>> len(dataset)
        0
    """

    recordings: Sequence[Path]
    labels: Sequence[int]
    transform: Transform = field(repr=False)
    geometry: Geometry | None = None
    format_name: str | None = None

    def __post_init__(self) -> None:
        """Refuse labels that do not match the recordings."""
        if len(self.recordings) != len(self.labels):
            message = f"every recording has a label, but got {len(self.recordings)} and {len(self.labels)}"
            raise InvalidValueError(message)

    @classmethod
    def from_index(
        cls, path: str | Path, transform: Transform, *, geometry: Geometry | None = None, format_name: str | None = None
    ) -> Self:
        """Return the recordings of an index file: lines of a recording beside it and its class, a whole number.

        A recording may go without its suffix, as in N-MNIST's lists (``1 5`` for ``1.bs2``); ``#`` starts a comment.

        Raises:
            FormatError: A line says something else, or names no recording, or more than one.
        """
        path = Path(path)
        rows = [line.partition("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines()]
        listed = [_listed(path, number, words) for number, words in enumerate(rows, start=1) if words]
        return cls([file for file, _ in listed], [label for _, label in listed], transform, geometry, format_name)

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.recordings)

    def __getitem__(self, index: int) -> tuple[Array, int]:
        """Return what the transform makes of one recording, and its class.

        Raises:
            IndexError: There is no such recording.
            FormatError: The file is damaged or of no known format.
        """
        recording = open_recording(self.recordings[index], format_name=self.format_name)
        try:
            events = EventBatch.concatenate(list(recording))
            made = self.transform(events, self.geometry or recording.geometry)
        finally:
            recording.close()
        # torch's tensors may be written to: give the loader an array of its own
        return (made if made.flags.writeable else np.array(made)), self.labels[index]


def _listed(index: Path, number: int, words: list[str]) -> tuple[Path, int]:
    """Return the recording and the class of one line."""
    if len(words) != 2 or not words[1].isdecimal():
        message = (
            f"{index} line {number}: expected a recording and its class, a whole number, but got {' '.join(words)!r}"
        )
        raise FormatError(message)
    file = index.parent / words[0]
    found = [file] if file.is_file() else sorted(file.parent.glob(f"{escape(file.name)}.*"))
    if len(found) != 1:
        among = ", ".join(each.name for each in found[:5]) or "none"
        message = f"{index} line {number}: {words[0]} must be one file beside the index; files of that name: {among}"
        raise FormatError(message)
    return found[0], int(words[1])
