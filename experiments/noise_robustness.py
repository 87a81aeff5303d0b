"""How much cell noise does an encoder survive, as it is, retuned to the array, and trained with noise?

Cells of a differential pair miss by a Gaussian share of the on conductance, drawn once per array. Each network is
scored as it was frozen and again after its biases and multipliers were fitted to that array on recordings without
labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emulators.crossbar import crossbar
from emulators.devices.laws import MICRO
from experiments.datasets import class_indices, features_of, load_dataset
from experiments.evaluation import classes_of, split_of
from experiments.scoring import outputs_of, score_outputs
from hil.errors import InvalidValueError
from hil.network import TernaryNetwork
from hil.ports import Backend
from hil.progress import OnProgress, ignore_progress
from hil.registry import load_network, open_target, parse_target
from hil.types import Int8Array, Int64Array
from quant.retuning import retune

__all__ = ["Config", "Point", "array_of", "run", "table"]


@dataclass(frozen=True, slots=True)
class Config:
    """What is varied.

    Attributes:
        dataset: Recordings; those a network learned from tune it, those it held out score it.
        networks: Names or paths.
        noise: Deviations of a cell, as shares of the on conductance.
        seeds: Arrays programmed anew at every point.
        device: Preset, or table of measured cells (.csv): its drift and read noise stay, and its spread gives way to
            ``noise``, as shares of its own on conductance.
        options: Further options of the crossbar, joined by ``&``.
        tuning_windows: How many windows an array is tuned on.
    """

    dataset: str
    networks: tuple[str, ...] = ("digits", "digits_robust")
    noise: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.5)
    seeds: tuple[int, ...] = (0, 1, 2)
    device: str = "ideal"
    options: str = "adc_bits=lossless&column_fit=off&energy=off"
    tuning_windows: int = 400


@dataclass(frozen=True, slots=True)
class Point:
    """One network under one noise, averaged over the arrays.

    Attributes:
        network: Its name.
        noise: Deviation of a cell as a share of the on conductance.
        retuned: Whether it was fitted to each array.
        accuracy: Mean over arrays.
        lowest: On the worst array.
        cosine_to_caption: Mean over arrays.
    """

    network: str
    noise: float
    retuned: bool
    accuracy: float
    lowest: float
    cosine_to_caption: float


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    tuning: Int8Array
    features: Int8Array
    labels: Int64Array


def run(config: Config, *, on_progress: OnProgress = ignore_progress) -> tuple[Point, ...]:
    """Return a point for every network and noise, as it is and retuned."""
    points: list[Point] = []
    total = len(config.networks) * len(config.noise)
    on_progress(0, total)
    for name in config.networks:
        network = load_network(name)
        material = _material(network, config)
        for noise in config.noise:
            points += _points(network, name, material, noise, config)
            on_progress(len(points) // 2, total)
    return tuple(points)


def _material(network: TernaryNetwork, config: Config) -> _Material:
    recordings = load_dataset(Path(config.dataset))
    learned, held = split_of(network, recordings)
    if (spec := network.features) is None:
        raise InvalidValueError(f"network {network.name!r} does not say how events become its input")
    tuning = features_of(recordings.part(learned[: config.tuning_windows]), spec)
    scored = recordings.part(held)
    return _Material(tuning, features_of(scored, spec), class_indices(scored.labels, classes_of(network)))


def _points(network: TernaryNetwork, name: str, material: _Material, noise: float, config: Config) -> list[Point]:
    backend = array_of(config, noise)
    return [_point(network, name, material, (noise, retuned), backend, config) for retuned in (False, True)]


def array_of(config: Config, noise: float) -> Backend:
    """Return arrays of the device whose cells miss by a share of its on conductance."""
    _, device, options = parse_target("?".join(filter(None, [f"crossbar:{config.device}", config.options])))
    plain = crossbar(device, options)
    deviation = noise * plain.config.device.applied_to(plain.device).on_siemens / MICRO
    spread = f"spread_on={deviation:g}&spread_off={deviation:g}"
    return open_target(f"crossbar:{device}?{'&'.join(filter(None, [spread, config.options]))}")


def _point(
    network: TernaryNetwork,
    name: str,
    material: _Material,
    condition: tuple[float, bool],
    backend: Backend,
    config: Config,
) -> Point:
    noise, retuned = condition
    scores = []
    for seed in config.seeds:
        fitted = retune(network, backend, material.tuning, seed=seed) if retuned else network
        outputs = outputs_of(fitted, material.features, backend=backend, seed=seed)
        scores.append(score_outputs(fitted, outputs, material.labels, reference=outputs))
    accuracy = [score.accuracy for score in scores]
    cosine = float(np.mean([score.cosine_to_caption for score in scores]))
    return Point(name, noise, retuned, float(np.mean(accuracy)), min(accuracy), cosine)


def table(points: tuple[Point, ...]) -> str:
    """Return the points as a Markdown table: a row per network, a column per noise."""
    noises = sorted({point.noise for point in points})
    rows = [
        f"| {name}{', retuned' if retuned else ''} | "
        + " | ".join(f"{p.accuracy:.1%} ({p.lowest:.1%})" for p in points if (p.network, p.retuned) == (name, retuned))
        + " |"
        for name in dict.fromkeys(point.network for point in points)
        for retuned in (False, True)
    ]
    head = "| cell noise / G_max | " + " | ".join(f"{noise:g}" for noise in noises) + " |"
    return "\n".join([head, "| --- |" + " ---: |" * len(noises), *rows])
