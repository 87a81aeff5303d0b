"""What a result rests on: versions, seed, hashes, command; nothing about the machine's name or its folders."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from hil.network import TernaryNetwork
from hil.registry import GROUPS, parse_target
from hil.types import FeatureBatch

__all__ = ["Manifest", "RecordingStamp", "features_sha256", "file_sha256", "make_manifest"]

DECIDING_PACKAGES = ("numba", "numpy", "protobuf", "scipy")
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RecordingStamp:
    """Which recording it was.

    Attributes:
        name: Its file name, without folders.
        sha256: Hash of the file.
        size_bytes: Its size.
        width: Pixels across, or channels.
        height: Pixels down, or ears.
    """

    name: str
    sha256: str
    size_bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that decides a result.

    Attributes:
        version: Of this project.
        python: Version of Python.
        platform: Operating system and processor, whose arithmetic may differ in the last bit.
        packages: Versions of the packages that compute.
        providers: For each target, the distribution that provides its backend, and its version.
        seed: The seed of everything random.
        network: Name and digest of the network.
        recording: Which recording it was; None when windows were given directly.
        features_sha256: Hash of the windows themselves.
        command: The command that repeats the run, without folders; None when it was called from Python.
        files: Hash of every file that a target names, such as a recorded session, by its name.
    """

    version: str
    python: str
    platform: str
    packages: dict[str, str]
    providers: dict[str, str]
    seed: int
    network: dict[str, str]
    recording: RecordingStamp | None
    features_sha256: str
    command: str | None
    files: dict[str, str]

    def as_document(self) -> dict[str, Any]:
        """Return the manifest as JSON-ready values."""
        return asdict(self)


def make_manifest(
    features: FeatureBatch,
    network: TernaryNetwork,
    targets: Sequence[str],
    *,
    seed: int,
    recording: RecordingStamp | None = None,
    command: str | None = None,
    files: Mapping[str, str] | None = None,
) -> Manifest:
    """Return the manifest of a run on these windows and targets, with the hashes of the files they name."""
    return Manifest(
        version=version("neuromorphic-hil"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages={name: _version(name) for name in DECIDING_PACKAGES},
        providers=_providers(targets),
        seed=seed,
        network={"name": network.name, "digest": network.digest},
        recording=recording,
        features_sha256=features_sha256(features),
        command=command,
        files=dict(sorted((files or {}).items())),
    )


def features_sha256(features: FeatureBatch) -> str:
    """Return the hash of every value and time of the windows, the same on every machine."""
    digest = hashlib.sha256(repr(features.features.shape).encode())
    digest.update(features.features.tobytes())
    for column in (features.t_start_us, features.t_end_us, features.n_events):
        digest.update(column.astype("<i8").tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the hash of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _providers(targets: Sequence[str]) -> dict[str, str]:
    known = {
        entry.name: f"{entry.dist.name} {entry.dist.version}"
        for entry in entry_points(group=GROUPS["backends"])
        if entry.dist is not None
    }
    return {target: known.get(parse_target(target)[0], "given in Python") for target in sorted(set(targets))}
