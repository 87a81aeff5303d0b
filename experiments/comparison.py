"""Takes a recording from its file to a written report: what ``hil compare`` and ``hil demo`` do."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from experiments.evaluation import classes_of
from experiments.recordings import labels_beside, located
from hil.compare import Comparison, Requirement, compare
from hil.errors import InvalidValueError
from hil.loop import NO_CAPTION, LineSettings
from hil.manifest import RecordingStamp, file_sha256
from hil.network import FeatureSpec, TernaryNetwork
from hil.ports import Recording
from hil.progress import OnProgress, ignore_progress
from hil.registry import load_network, open_recording, open_target
from hil.targets import shown
from hil.types import FeatureBatch, Int64Array

__all__ = ["Config", "RecordingFile", "run", "true_captions", "write"]


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """Which file, and how to read it.

    Attributes:
        path: The file; the name of a shipped recording will do.
        format_name: Read it as this format instead of recognising it.
        options: Settings of the format.
        salvage: Step over damage.
    """

    path: Path
    format_name: str | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    salvage: bool = False

    def found(self) -> Path:
        """Return the path of the file."""
        return located(self.path)

    def open(self) -> Recording:
        """Open the recording; the caller closes it."""
        return open_recording(self.found(), format_name=self.format_name, options=self.options, salvage=self.salvage)


@dataclass(frozen=True, slots=True)
class Config:
    """What to compare.

    Attributes:
        source: The recording; labels beside it say which caption is the true one.
        network: Path or shipped name of the encoder.
        targets: What is compared with the reference.
        reference: What the targets are held against.
        seed: Of everything random.
        requirements: What every target must meet.
        settings: What the line does after the substrate.
    """

    source: RecordingFile
    network: str = "digits"
    targets: tuple[str, ...] = ("float", "crossbar:rram_wan2022")
    reference: str = "ternary"
    seed: int = 0
    requirements: tuple[str, ...] = ()
    settings: LineSettings = field(default_factory=LineSettings)

    def command(self) -> str:
        """Return the command that repeats the run, without folders."""
        source, settings = self.source, self.settings
        words = ["hil", "compare", source.path.name, "--network", Path(self.network).name]
        words += [word for target in self.targets for word in ("--target", shown(target))]
        words += ["--reference", shown(self.reference), "--seed", str(self.seed)]
        words += [word for requirement in self.requirements for word in ("--require", requirement)]
        words += ["--codec", settings.codec, "--loss", repr(settings.loss)]
        words += [] if settings.gate_threshold is None else ["--threshold", repr(settings.gate_threshold)]
        words += [] if source.format_name is None else ["--format", source.format_name]
        words += [word for key, value in source.options.items() for word in ("--option", f"{key}={value}")]
        return shlex.join([*words, "--salvage"] if source.salvage else words)


def run(
    config: Config,
    *,
    on_windows: OnProgress = ignore_progress,
    on_program: OnProgress = ignore_progress,
    on_progress: OnProgress = ignore_progress,
) -> Comparison:
    """Read the recording and compare.

    Args:
        config: What to compare.
        on_windows: Called with the windows read so far.
        on_program: Called while a substrate is programmed, if that takes long.
        on_progress: Called with the windows inferred on all substrates.

    Raises:
        HilError: The recording is damaged, a name is unknown, or nothing can be compared.
    """
    requirements = [Requirement.parse(text) for text in config.requirements]
    network = load_network(config.network)
    for target in (config.reference, *config.targets):
        open_target(target)  # an unknown one is refused before the recording is read
    features, stamp = _encode(config.source, _features_of(network), on_windows)
    return compare(
        features,
        network,
        config.reference,
        config.targets,
        seed=config.seed,
        settings=config.settings,
        requirements=requirements,
        truth=true_captions(config.source.found(), features, network),
        recording=stamp,
        command=config.command(),
        on_program=on_program,
        on_progress=on_progress,
    )


def _features_of(network: TernaryNetwork) -> FeatureSpec:
    if network.features is None:
        raise InvalidValueError(f"network {network.name!r} does not say how events become its input")
    return network.features


def _encode(source: RecordingFile, spec: FeatureSpec, on_windows: OnProgress) -> tuple[FeatureBatch, RecordingStamp]:
    from sensors.features import encode

    path = source.found()
    with closing(source.open()) as recording:
        features = encode(recording, spec, on_progress=on_windows)
        size = recording.geometry
        stamp = RecordingStamp(path.name, file_sha256(path), path.stat().st_size, size.width, size.height)
        return features, stamp


def true_captions(path: Path, features: FeatureBatch, network: TernaryNetwork) -> Int64Array | None:
    """Return the (n,) index of each window's true caption, -1 where nobody knows; None without labels or classes.

    Args:
        path: The recording, beside which the labels are.
        features: Its windows.
        network: Whose captions are counted; its metadata says what data sets call them.
    """
    labels = labels_beside(path)
    if labels is None or "classes" not in network.metadata:
        return None
    index = {name: i for i, name in enumerate(classes_of(network))}
    names = labels.at(features.t_start_us, features.t_end_us)
    return np.array([index.get(name, NO_CAPTION) if name is not None else NO_CAPTION for name in names], np.int64)


def write(comparison: Comparison, source: RecordingFile, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` with pictures of the recording's own events, and ``report.json``; return their paths."""
    from hil.report import choose_windows, event_pictures, write_report

    with closing(source.open()) as recording:
        pictures = event_pictures(
            recording,
            comparison.features,
            choose_windows(comparison),
            parts=_features_of(comparison.network).time_bins,
        )
    return write_report(comparison, folder, pictures=pictures)
