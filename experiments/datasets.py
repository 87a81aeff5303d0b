"""Labelled recordings in a folder or a zip: a list of names and classes, a folder per class, or labels beside a file.

Three layouts are known, tried in this order:

``labels beside``
    One recording with ``NAME.labels.json`` beside it (``experiments.recordings``); every labelled stretch is a sample.
``list``
    A text file of lines ``sample class``; ``#`` starts a comment. A sample is a file name, with or without its suffix.
    N-MNIST's and SLAYER's ``train1K.txt`` beside ``1.bs2`` ... is one. Where a folder holds several, the path of
    one of them is a data set.
``folders``
    One folder per class, named after it, as the original N-MNIST archives are.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.recordings import Labels, labels_beside, labels_path, shipped_names
from hil.errors import FormatError, InputError, InvalidValueError
from hil.network import FeatureSpec
from hil.progress import OnProgress, ignore_progress
from hil.registry import open_recording
from hil.types import EventBatch, Geometry, Int8Array, Int64Array
from sensors.features import FeatureEncoder
from sensors.windows import Window

__all__ = ["LabelledRecordings", "class_indices", "features_of", "load_dataset"]

MOST_UNPACKED_BYTES = 8 * 2**30


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRecordings:
    """Samples of one sensor, each with the name of its class.

    Attributes:
        samples: One batch of events per sample.
        labels: One class name per sample.
        geometry: Size of the sensor.
    """

    samples: tuple[EventBatch, ...]
    labels: tuple[str, ...]
    geometry: Geometry

    def __post_init__(self) -> None:
        """Refuse a data set without samples, or with samples that are silent."""
        if not self.samples or len(self.samples) != len(self.labels):
            raise FormatError(f"a data set needs labelled samples, but has {len(self.samples)}, {len(self.labels)}")
        silent = [i for i, sample in enumerate(self.samples) if not len(sample)]
        if silent:
            raise FormatError(f"sample {silent[0]} of the data set has no events")

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def part(self, indices: Int64Array) -> LabelledRecordings:
        """Return the samples at the given indices."""
        samples = tuple(self.samples[i] for i in indices)
        return LabelledRecordings(samples, tuple(self.labels[i] for i in indices), self.geometry)


def load_dataset(path: Path, *, on_progress: OnProgress = ignore_progress) -> LabelledRecordings:
    """Read a folder, a zip, the samples of a list or one labelled recording.

    Args:
        path: What to read.
        on_progress: Called with the samples read and their number.

    Raises:
        FormatError: There is no such path, there are no labels, a sample is missing or damaged, or sensors differ.
    """
    if not path.exists():
        known = ", ".join(shipped_names())
        raise FormatError(f"there must be a data set at {path}, but nothing is there; recordings that ship: {known}")
    if path.is_dir():
        return _read(_in_folder(path), on_progress)
    if zipfile.is_zipfile(path):
        with _unpacked(path) as folder:
            return _read(_in_folder(folder, name=path.name), on_progress)
    if path.suffix == ".txt" and _pairs(path):
        return _read(_listed(path), on_progress)
    labels = labels_beside(path)
    if labels is None:
        beside = labels_path(path).name
        raise FormatError(f"{path} must be a folder, a zip, or a recording with its labels beside it in {beside}")
    return _stretches(path, labels)


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Unpack a zip into a temporary folder; names that leave the folder are made harmless by ``zipfile``."""
    with tempfile.TemporaryDirectory(prefix="hil-dataset-") as folder, zipfile.ZipFile(path) as archive:
        size_bytes = sum(entry.file_size for entry in archive.infolist())
        if size_bytes > MOST_UNPACKED_BYTES:
            raise InvalidValueError(f"{path} would unpack to {size_bytes} bytes; unpack it and give the folder")
        try:
            archive.extractall(folder)
        except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:  # encrypted is a RuntimeError
            raise FormatError(f"{path} cannot be unpacked: {error}; unpack it yourself and give the folder") from error
        yield Path(folder)


def _in_folder(folder: Path, name: str = "") -> list[tuple[Path, str]]:
    """Return the samples of a folder, which is called by another name where it was unpacked."""
    name = name or folder.name
    lists = [path for path in sorted(folder.rglob("*.txt")) if _pairs(path)]
    if len(lists) > 1:
        found = ", ".join(path.relative_to(folder).as_posix() for path in lists[:5])
        raise FormatError(
            f"{name} must hold one list of samples, but holds {len(lists)}: {found}; give the one you mean"
        )
    samples = _listed(lists[0]) if lists else _by_folder(folder)
    if not samples:
        layouts = "a list of samples and classes, or a folder per class"
        raise FormatError(f"{name} must hold {layouts}{_near(folder)}")
    return samples


def _read(listed: list[tuple[Path, str]], on_progress: OnProgress) -> LabelledRecordings:
    samples: list[EventBatch] = []
    geometries: set[Geometry] = set()
    for done, (path, _) in enumerate(listed, start=1):
        batch, geometry = _sample(path)
        samples.append(batch)
        geometries.add(geometry)
        on_progress(done, len(listed))
    if len(geometries) != 1:
        raise FormatError(f"samples must come from sensors of one size, but sizes are {sorted(map(str, geometries))}")
    return LabelledRecordings(tuple(samples), tuple(label for _, label in listed), geometries.pop())


def _sample(path: Path) -> tuple[EventBatch, Geometry]:
    try:
        recording = open_recording(path)
    except InputError as error:
        raise FormatError(f"sample {path.name}: {error}") from error
    try:
        return EventBatch.concatenate(list(recording)), recording.geometry
    except InputError as error:
        raise FormatError(f"sample {path.name}: {error}") from error
    finally:
        recording.close()


def _listed(path: Path) -> list[tuple[Path, str]]:
    """Return the samples of a list of names and classes."""
    files = _by_name(path.parent)
    return [(_find(path, name, files), label) for name, label in _pairs(path)]


def _near(folder: Path) -> str:
    """Say which line keeps a text file from being a list, where there is one."""
    for path in sorted(folder.rglob("*.txt")):
        for number, words in _rows(path):
            if len(words) != 2:
                line = f"line {number} says {' '.join(words)[:60]!r}"
                return f"; {path.name} is no list, because {line}, not a sample and its class in one word each"
    return ""


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """Return the files below a folder under their names, whole and without one or more of their suffixes."""
    files: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        first, *suffixes = path.name.split(".")
        place = path.relative_to(folder).parent
        for n in range(len(suffixes) + 1):
            files.setdefault((place / ".".join([first, *suffixes[:n]])).as_posix(), []).append(path)
    return files


def _pairs(path: Path) -> list[tuple[str, str]]:
    rows = [words for _, words in _rows(path)]
    if any(len(words) != 2 for words in rows):
        return []
    return [(name, label) for name, label in rows]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the words of every line that has some and is no comment, with its number from 1."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    numbered = ((number, line.split()) for number, line in enumerate(lines, start=1))
    return [(number, words) for number, words in numbered if words and not words[0].startswith("#")]


def _find(listing: Path, name: str, files: dict[str, list[Path]]) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise FormatError(f"{listing.name} names sample {name!r}, which is outside the data set")
    exact = listing.parent / name
    matches = files.get(Path(name).as_posix(), [])
    if exact not in matches and len(matches) != 1:
        raise FormatError(f"{listing.name} names sample {name!r}, which matches {len(matches)} files instead of one")
    return exact if exact in matches else matches[0]


def _by_folder(folder: Path) -> list[tuple[Path, str]]:
    return [
        (path, path.parent.name)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent != folder and not path.name.startswith(".")
    ]


def _stretches(path: Path, labels: Labels) -> LabelledRecordings:
    events, geometry = _sample(path)
    starts = [(start_us, start_us + labels.window_us) for start_us in labels.starts_us]
    samples = tuple(events.between(start_us, end_us) for start_us, end_us in starts)
    return LabelledRecordings(samples, labels.names, geometry)


def features_of(
    recordings: LabelledRecordings, spec: FeatureSpec, *, on_progress: OnProgress = ignore_progress
) -> Int8Array:
    """Return (n, d_in) features of the window that starts at each sample's first event."""
    encoder = FeatureEncoder(spec, recordings.geometry)
    rows = []
    for done, sample in enumerate(recordings.samples, start=1):
        start_us = int(sample.t[0])
        end_us = start_us + spec.window_us
        rows.append(encoder.encode(Window(start_us, end_us, sample.between(start_us, end_us)))[0])
        on_progress(done, len(recordings))
    return np.stack(rows)


def class_indices(labels: tuple[str, ...], classes: tuple[str, ...]) -> Int64Array:
    """Return the (n,) index of each label among the classes.

    Raises:
        FormatError: A label is not one of the classes.
    """
    index = {name: i for i, name in enumerate(classes)}
    unknown = sorted(set(labels) - index.keys())
    if unknown:
        raise FormatError(f"data set has class {unknown[0]!r}, but the network knows {', '.join(classes)}")
    return np.array([index[label] for label in labels], np.int64)
