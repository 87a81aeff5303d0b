"""Recordings that come with the project, and the labels of what they show.

``experiments/data/digits.aedat4`` is what ``hil emulate digits --out experiments/data/digits.aedat4`` writes: 64
handwritten digits that no shipped network was trained on, through the camera model of ``emulators.camera``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hil.errors import FormatError, UnknownNameError
from hil.types import Int64Array

__all__ = ["LABELS_SUFFIX", "Labels", "labels_beside", "labels_path", "located", "shipped", "shipped_names"]

DATA = Path(__file__).parent / "data"
LABELS_SUFFIX = ".labels.json"
LATEST_US = 2**62


@dataclass(frozen=True, slots=True)
class Labels:
    """What a recording shows, stretch by stretch.

    Attributes:
        window_us: How long each stretch lasts.
        starts_us: When each begins, increasing.
        names: What each shows.
    """

    window_us: int
    starts_us: tuple[int, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse labels that do not follow each other."""
        if len(self.starts_us) != len(self.names) or not self.names:
            raise FormatError(
                f"labels need a name per start, but there are {len(self.names)} for {len(self.starts_us)}"
            )
        if not all(abs(moment_us) < LATEST_US for moment_us in (self.window_us, *self.starts_us)):
            raise FormatError(f"labels must say their times in microseconds below {LATEST_US}, but one does not")
        if self.window_us < 1:
            raise FormatError(f"labelled windows must last at least 1 us, but last {self.window_us} us")
        overlapping = np.flatnonzero(np.diff(self.starts_us) < self.window_us)
        if overlapping.size:
            raise FormatError(f"labelled windows must not overlap, but {overlapping[0] + 1} begins too early")

    def at(self, start_us: Int64Array, end_us: Int64Array) -> list[str | None]:
        """Return what is shown in the middle of each of (n,) windows; None where nothing is labelled."""
        middles = (start_us + end_us) // 2
        last_begun = np.searchsorted(self.starts_us, middles, side="right") - 1
        return [
            self.names[k] if k >= 0 and middle < self.starts_us[k] + self.window_us else None
            for k, middle in zip(last_begun.tolist(), middles.tolist(), strict=True)
        ]

    def save(self, recording: Path) -> Path:
        """Write the labels beside their recording and return the path."""
        path = labels_path(recording)
        windows = [{"start_us": t, "label": name} for t, name in zip(self.starts_us, self.names, strict=True)]
        lines = ",\n".join("  " + json.dumps(window) for window in windows)
        head = f'"recording": {json.dumps(recording.name)},\n "window_us": {self.window_us},\n "windows": [\n'
        path.write_text(f"{{{head}{lines}\n ]\n}}\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read a label file.

        Raises:
            FormatError: The file is not what ``save`` writes.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            windows = document["windows"]
            starts_us = tuple(int(window["start_us"]) for window in windows)
            names = tuple(str(window["label"]) for window in windows)
            return cls(int(document["window_us"]), starts_us, names)
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"{path} must hold window_us and windows with start_us and label: {error!r}") from error


def labels_beside(recording: Path) -> Labels | None:
    """Return the labels of a recording, from ``NAME.labels.json`` beside ``NAME.aedat4``, or None without them."""
    path = labels_path(recording)
    return Labels.load(path) if path.is_file() else None


def located(path: Path) -> Path:
    """Return a path, or the shipped recording of that name where there is no such file."""
    return shipped(str(path)) if str(path) in shipped_names() and not path.exists() else path


def shipped_names() -> list[str]:
    """Return the names of the recordings that come with the project."""
    return sorted(path.stem for path in DATA.glob("*.aedat4"))


def shipped(name: str) -> Path:
    """Return the path of a recording that comes with the project.

    Raises:
        UnknownNameError: There is none of that name.
    """
    path = DATA / f"{name}.aedat4"
    if not path.is_file():
        raise UnknownNameError.of("recording", name, shipped_names())
    return path


def labels_path(recording: Path) -> Path:
    """Return where the labels of a recording are: ``NAME.labels.json`` beside ``NAME.aedat4``."""
    return recording.with_name(recording.stem + LABELS_SUFFIX)
