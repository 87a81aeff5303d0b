"""Where a training run stands, in one file without pickles, replaced in one step: a kill leaves the old or the new."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hil.errors import ConfigError, FormatError
from hil.files import write_whole

if TYPE_CHECKING:
    from quant.training import Training

__all__ = ["restore", "save"]

MAGIC = "neuromorphic-hil training run"
VERSION = "2"
ANEW = "delete it to start anew"


def save(training: Training, path: Path) -> None:
    """Write a run's weights, optimiser and history; the file on disk is always a whole one.

    Raises:
        OSError: There is no room, or no right to write there; what was there is as it was.
    """
    from safetensors.torch import save as to_bytes

    status = {"done": training.done, "history": [asdict(epoch) for epoch in training.history]}
    metadata = {
        "format": MAGIC,
        "version": VERSION,
        "run": training.fingerprint,
        "status": json.dumps(status),
    }
    tensors = {name: tensor.contiguous() for name, tensor in _tensors(training).items()}
    write_whole(path, to_bytes(tensors, {**metadata, "sha256": _digest(tensors, metadata)}), durable=True)


def _digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """Return a hash of everything a checkpoint says, so that a run never goes on from other weights than its own."""
    digest = hashlib.sha256(repr(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        values = tensors[name].cpu()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _tensors(training: Training) -> dict[str, Tensor]:
    tensors = {f"encoder.{name}": value for name, value in training.encoder.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in (training.best or {}).items()}
    for index, state in training.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
    return {name: value.detach().clone() for name, value in tensors.items()}


def restore(training: Training, path: Path) -> None:
    """Put a run where ``save`` left it.

    Raises:
        FormatError: The file is no training run, or damaged.
        ConfigError: It belongs to a run with other settings.
    """
    from quant.training import Epoch

    tensors, metadata = _read(path)
    if metadata["run"] != training.fingerprint:
        raise ConfigError(f"{path} belongs to a run with other settings; {ANEW}, or name another folder")
    status = json.loads(metadata["status"])
    training.encoder.load_state_dict(_part(tensors, "encoder."))
    training.best = _part(tensors, "best.") or None
    training.optimiser.load_state_dict(
        {**training.optimiser.state_dict(), "state": _optimiser_state(_part(tensors, "optimiser."))}
    )
    training.done = status["done"]
    training.history = [Epoch(**epoch) for epoch in status["history"]]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError) as error:
        raise FormatError(f"{path} must hold a training run, but cannot be read: {error}; {ANEW}") from error
    if metadata.get("format") != MAGIC or metadata.get("version") != VERSION:
        raise FormatError(f"{path} must hold a training run of version {VERSION}, but does not say so; {ANEW}")
    if metadata.pop("sha256", "") != _digest(tensors, metadata):
        raise FormatError(f"{path} was altered: its SHA-256 is not the one it was written with; {ANEW}")
    return tensors, metadata


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimiser_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value if key != "step" else value.to(torch.float32)
    return state
