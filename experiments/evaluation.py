"""Scores a network on a data set on any target, with numpy alone: what ``hil evaluate`` does."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.datasets import LabelledRecordings, class_indices, features_of, load_dataset
from experiments.recordings import located
from experiments.scoring import Score, score_network
from experiments.splits import held_out_split
from hil.errors import InvalidValueError
from hil.network import TernaryNetwork
from hil.ports import Backend
from hil.progress import OnProgress, ignore_progress
from hil.types import Int64Array

__all__ = ["classes_of", "evaluate", "split_of", "trained_on"]


def classes_of(network: TernaryNetwork) -> tuple[str, ...]:
    """Return what data sets call the network's captions, in their order.

    Raises:
        InvalidValueError: The network says nothing about classes.
    """
    try:
        return tuple(json.loads(network.metadata["classes"]))
    except (KeyError, ValueError) as error:
        raise InvalidValueError(f"network {network.name!r} names no classes, so it cannot be scored") from error


def evaluate(
    network: TernaryNetwork,
    dataset: Path,
    *,
    backend: Backend,
    seed: int,
    held_out: bool = False,
    on_data: OnProgress = ignore_progress,
    on_program: OnProgress = ignore_progress,
    on_window: OnProgress = ignore_progress,
) -> Score:
    """Score a network on labelled recordings.

    Args:
        network: With features, captions and the names of its classes.
        dataset: What ``load_dataset`` reads, or the name of a shipped recording.
        backend: Where to run it.
        seed: Of the backend's devices.
        held_out: Take only the recordings that training held out.
        on_data: Called while recordings are read.
        on_program: Called while the backend is programmed.
        on_window: Called with the windows inferred.

    Raises:
        InvalidValueError: The network lacks what is needed, or held nothing out of a data set of this name.
    """
    if network.features is None:
        raise InvalidValueError(f"network {network.name!r} does not say how events become its input")
    classes = classes_of(network)
    recordings = load_dataset(located(dataset), on_progress=on_data)
    if held_out:
        recordings = recordings.part(split_of(network, recordings)[1])
    features = features_of(recordings, network.features)
    labels = class_indices(recordings.labels, classes)
    return score_network(
        network, features, labels, backend=backend, seed=seed, on_program=on_program, on_progress=on_window
    )


def split_of(network: TernaryNetwork, recordings: LabelledRecordings) -> tuple[Int64Array, Int64Array]:
    """Return which recordings of its data set a network learned from, and which it held out.

    Raises:
        InvalidValueError: It held nothing out of a data set of this size.
    """
    count = int(network.metadata.get("held_out", "0"))
    total = int(network.metadata.get("recordings_count", "0"))
    if not count or total != len(recordings):
        raise InvalidValueError(
            f"network {network.name!r} held {count} of {total} recordings out, but the data set has {len(recordings)}"
        )
    return held_out_split(total, count, seed=int(network.metadata["held_out_seed"]))


def trained_on(network: TernaryNetwork, dataset: Path, count: int) -> int:
    """Return how many of the ``count`` recordings of a data set training learned from, going by its name and size."""
    known = network.metadata
    if known.get("recordings") != dataset.name or known.get("recordings_count") != str(count):
        return 0
    return count - int(known.get("held_out", "0"))
