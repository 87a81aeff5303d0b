"""What do ternary weights cost? An encoder and its float twin, trained alike, over several seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hil.progress import OnProgress, ignore_progress

__all__ = ["Config", "Pair", "run", "table"]


@dataclass(frozen=True, slots=True)
class Config:
    """What is trained.

    Attributes:
        training: Name or path of a training configuration.
        dataset: Its recordings, or empty for the configuration's own.
        seeds: One pair each; the recordings held out are the same for all.
        epochs: In place of the configuration's; 0 keeps them.
        emulated: Whether to learn from emulated samples too; they change nothing for recordings and take a third
            of the time.
    """

    training: str = "digits"
    dataset: str = ""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    epochs: int = 0
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """One seed's accuracies on what was held out.

    Attributes:
        seed: Of both trainings.
        float_accuracy: Of the float twin, in floating point.
        ternary_accuracy: Of the frozen network, in integers.
    """

    seed: int
    float_accuracy: float
    ternary_accuracy: float


def run(config: Config, *, on_progress: OnProgress = ignore_progress) -> tuple[Pair, ...]:
    """Train a pair per seed; progress counts epochs."""
    from experiments.training import Run, float_twin_accuracy, gather, train
    from experiments.training_config import load_config

    pairs = []
    for number, seed in enumerate(config.seeds):
        dataset = Path(config.dataset) if config.dataset else None
        settings = load_config(config.training).changed(recordings=dataset, seed=seed)
        if config.epochs:
            settings = replace(settings, recipe=replace(settings.recipe, epochs=config.epochs))
        if settings.data.recordings and not config.emulated:
            settings = replace(settings, data=replace(settings.data, emulated_count=0, emulated_held_out=0))
        epochs, total = settings.recipe.epochs, 2 * settings.recipe.epochs * len(config.seeds)
        twin, own = (_half(on_progress, epochs, (2 * number + k) * epochs, total) for k in range(2))
        twin(0, epochs)
        material = gather(settings)
        floating = float_twin_accuracy(settings, Run(on_epoch=twin), material=material)
        ternary = train(settings, Run(on_epoch=own), material=material).score
        if ternary is not None:
            pairs.append(Pair(seed, floating, ternary.accuracy))
        own(epochs, epochs)  # a training may stop early
    return tuple(pairs)


def _half(on_progress: OnProgress, epochs: int, before: int, total: int) -> OnProgress:
    """Return a listener for one of a pair's trainings, which counts a teacher's epochs as a share of its own."""
    return lambda done, of: on_progress(before + epochs * done // of, total)


def table(pairs: tuple[Pair, ...]) -> str:
    """Return the pairs and their means as Markdown."""
    rows = [f"| {pair.seed} | {pair.float_accuracy:.1%} | {pair.ternary_accuracy:.1%} |" for pair in pairs]
    means = [float(np.mean([getattr(pair, name) for pair in pairs])) for name in ("float_accuracy", "ternary_accuracy")]
    gap = f"| mean | {means[0]:.2%} | {means[1]:.2%} (gap {100 * (means[0] - means[1]):.2f} points) |"
    return "\n".join(["| seed | float | ternary |", "| --- | ---: | ---: |", *rows, gap])
