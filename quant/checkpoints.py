"""Where a training run stands, in one file without pickles, replaced in one step: a kill leaves the old or the new."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hil.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from quant.training import Training

__all__ = ["restore", "save"]

MAGIC = "neuromorphic-hil training run"
VERSION = "1"


def save(training: Training, path: Path) -> None:
    """Write a run's weights, optimiser and history; the file on disk is always a whole one."""
    from safetensors.torch import save as to_bytes

    status = {"done": training.done, "history": [asdict(epoch) for epoch in training.history]}
    metadata = {
        "format": MAGIC,
        "version": VERSION,
        "run": training.fingerprint,
        "status": json.dumps(status),
    }
    tensors = {name: tensor.contiguous() for name, tensor in _tensors(training).items()}
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(to_bytes(tensors, metadata))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


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
        raise ConfigError(f"{path} belongs to a run with other settings; delete it to start anew")
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
        raise FormatError(f"{path} must hold a training run, but cannot be read: {error}") from error
    if metadata.get("format") != MAGIC or metadata.get("version") != VERSION:
        raise FormatError(f"{path} must hold a training run of version {VERSION}, but does not say so")
    return tensors, metadata


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimiser_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value if key != "step" else value.to(torch.float32)
    return state
