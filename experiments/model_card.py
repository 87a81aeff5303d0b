"""Writes the card of a trained network: what it is, what it learned from, how good it is where, and how to make it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.datasets import LabelledRecordings, class_indices, features_of
from experiments.scoring import score_network
from experiments.training import Trained
from experiments.training_config import TrainingConfig
from hil.network import TernaryNetwork
from hil.progress import OnProgress, ignore_progress
from hil.registry import catalogue, names, open_target
from quant import captions as caption_files

__all__ = ["Line", "card", "scores"]

EXACT = ("float", "ternary")


@dataclass(frozen=True, slots=True)
class Line:
    """Accuracy on one target, per held-out data set.

    Attributes:
        target: As the command line spells it.
        accuracies: One per data set of the card.
    """

    target: str
    accuracies: tuple[float, ...]


def scores(
    config: TrainingConfig, trained: Trained, *, seed: int = 0, on_progress: OnProgress = ignore_progress
) -> tuple[Line, ...]:
    """Return the accuracy on both references and on every preset's crossbar."""
    parts = [part for _, part in _parts(trained)]
    targets = [*EXACT, *(f"crossbar:{preset}" for preset in names("presets"))]
    lines = []
    for done, target in enumerate(targets, start=1):
        accuracies = tuple(_accuracy(config, trained.network, part, target, seed) for part in parts)
        lines.append(Line(target, accuracies))
        on_progress(done, len(targets))
    return tuple(lines)


def _parts(trained: Trained) -> list[tuple[str, LabelledRecordings]]:
    both = (("recordings", trained.held_out), ("emulated", trained.emulated_held_out))
    return [(name, part) for name, part in both if part is not None]


def _accuracy(
    config: TrainingConfig, network: TernaryNetwork, part: LabelledRecordings, target: str, seed: int
) -> float:
    features = features_of(part, config.features)
    labels = class_indices(part.labels, config.captions.classes)
    return score_network(network, features, labels, backend=open_target(target), seed=seed).accuracy


def card(config: TrainingConfig, trained: Trained, lines: tuple[Line, ...], *, command: str) -> str:
    """Return the card as Markdown."""
    return "\n".join(
        [
            f"# {config.name}",
            "",
            f"{config.about[:1].upper()}{config.about[1:]}.",
            "",
            *_network(trained.network),
            "",
            "## Data",
            "",
            *_data(config, trained),
            "",
            "## Accuracy on what was held out",
            "",
            *_accuracies(trained, lines),
            "",
            "## Captions",
            "",
            *_captions(trained.network),
            "",
            "## Made by",
            "",
            f"`{command}`, seed {config.seed}, {config.threads} thread: the same bits every time on one machine and",
            "one version of torch; processors with other vector instructions may round differently.",
            "",
        ]
    )


def _network(network: TernaryNetwork) -> list[str]:
    weights = sum(layer.weight.size for layer in network.layers)
    zeros = sum(int((layer.weight == 0).sum()) for layer in network.layers)
    shapes = []
    for layer in network.layers:
        patches = layer.patches
        kind = f"{patches.kernel} x {patches.kernel} convolution of " if patches else ""
        shapes.append(f"{kind}{layer.fan_in} -> {layer.channels}")
    spec = network.features
    window = f"{spec.width} x {spec.height} cells, 2 polarities, {spec.time_bins} time bins of " if spec else ""
    length = f"{spec.window_us / spec.time_bins / 1000:g} ms" if spec else "bare inputs"
    return [
        f"- input: {window}{length}, int8 counts",
        f"- layers: {'; '.join(shapes)}",
        f"- size: {weights} ternary weights, {zeros / weights:.0%} of them zero; {-(-weights // 4)} bytes at 2 bits",
        f"- activation scales: {network.metadata.get('activation_scales', 'unknown')}",
        f"- digest: `{network.digest}`",
    ]


def _data(config: TrainingConfig, trained: Trained) -> list[str]:
    data, lines = config.data, []
    if trained.held_out is not None:
        lines.append(
            f"- {trained.network.metadata['recordings']}: {trained.network.metadata['recordings_count']} recordings, "
            f"of which {len(trained.held_out)} (seed {data.held_out_seed}) were never learned from"
        )
    if data.emulated_count:
        lines.append(
            f"- {data.emulated_count} emulated {data.emulated} to learn from and {data.emulated_held_out} others to "
            "be scored on, from the camera model"
        )
    return [*lines, *(f"- {licence}" for licence in data.licences)]


def _accuracies(trained: Trained, lines: tuple[Line, ...]) -> list[str]:
    parts = _parts(trained)
    missing = {entry.name: entry.missing for entry in catalogue("backends")}
    head = "| target | " + " | ".join(f"{name} ({len(part)})" for name, part in parts) + " |"
    rows = [
        f"| `{line.target}` | " + " | ".join(f"{accuracy:.1%}" for accuracy in line.accuracies) + " |"
        for line in lines
        if missing.get(line.target.partition(":")[0]) is None
    ]
    return [head, "| --- |" + " ---: |" * len(parts), *rows]


def _captions(network: TernaryNetwork) -> list[str]:
    captions = network.captions
    if captions is None:
        return ["none"]
    distances = caption_files.distances(captions)
    closest = distances[np.triu_indices(len(distances), 1)].min()
    matrix = [
        f"| {text} | " + " | ".join(f"{value:.2f}" for value in np.maximum(row, 0)) + " |"
        for text, row in zip(captions.texts, distances, strict=True)
    ]
    return [
        f"Vectors of {captions.model} (sha256 `{captions.model_sha256[:16]}`...). Cosine distances between them; the",
        f"closest two are {closest:.2f} apart and the gate fires above {network.gate_threshold:g}.",
        "",
        "| | " + " | ".join(str(i) for i in range(len(captions.texts))) + " |",
        "| --- |" + " ---: |" * len(captions.texts),
        *matrix,
    ]
