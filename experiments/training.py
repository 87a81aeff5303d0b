"""Trains an encoder from recordings: what ``hil train`` does, as one function."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.augmentation import EventTable
from experiments.datasets import LabelledRecordings, class_indices, features_of, load_dataset
from experiments.hardware import substrate_of
from experiments.scenes import emulate
from experiments.scoring import Score, score_network
from experiments.splits import held_out_split
from experiments.training_config import HardwareChoice, TrainingConfig
from hil.errors import ConfigError, MissingDependencyError
from hil.network import CaptionSet, TernaryNetwork
from hil.progress import OnProgress, ignore_progress
from hil.registry import open_target
from hil.rng import stream
from hil.types import Int64Array
from quant import captions as caption_files

if TYPE_CHECKING:
    from quant.encoder import Encoder
    from quant.measuring import Labelled
    from quant.recipe import Recipe
    from quant.substrates import Substrate
    from quant.training import Epoch, Training

__all__ = ["Material", "Run", "Trained", "float_twin_accuracy", "gather", "train"]


@dataclass(frozen=True, slots=True)
class Run:
    """How a training is carried out; nothing here changes its result.

    Attributes:
        checkpoints: Folder to keep the state after every epoch in, and to go on from; None keeps none.
        on_data: Called while recordings are read or emulated.
        on_epoch: Called with the epochs done and their total, the teacher's included.
    """

    checkpoints: Path | None = None
    on_data: OnProgress = ignore_progress
    on_epoch: OnProgress = ignore_progress


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a training run made.

    Attributes:
        network: Frozen.
        score: On the recordings held out, by the integer reference; None without any.
        emulated_score: The same for emulated samples held out.
        history: What each epoch did.
        teacher_history: The same for the teacher; empty without one.
        held_out: The recordings held out.
        emulated_held_out: The emulated samples held out.
    """

    network: TernaryNetwork
    score: Score | None
    emulated_score: Score | None
    history: tuple[Epoch, ...]
    teacher_history: tuple[Epoch, ...] = ()
    held_out: LabelledRecordings | None = None
    emulated_held_out: LabelledRecordings | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Every recording a run touches, split.

    Attributes:
        learned: What is learned from.
        recordings_count: How many recordings the data set holds.
        held_out: Recordings never learned from.
        validation: Recordings that are only looked at after each epoch.
        emulated_held_out: Emulated samples never learned from.
    """

    learned: tuple[LabelledRecordings, ...]
    recordings_count: int
    held_out: LabelledRecordings | None
    validation: LabelledRecordings | None
    emulated_held_out: LabelledRecordings | None


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Freshly varied windows for every epoch: the ``Windows`` that ``quant.training`` asks for."""

    tables: tuple[EventTable, ...]
    labels: Int64Array
    config: TrainingConfig

    def epoch(self, index: int) -> Labelled:
        from quant.measuring import Labelled

        spec, how = self.config.features, self.config.augmentation
        rng = stream(self.config.seed, "augmentation", index)
        features = [table.varied_features(how, spec, rng=rng) for table in self.tables]
        return Labelled(np.concatenate(features), self.labels)


def train(config: TrainingConfig, run: Run | None = None, *, material: Material | None = None) -> Trained:
    """Train, freeze and score an encoder.

    Args:
        config: Everything that decides the result.
        run: How it is carried out.
        material: What ``gather`` returned for this configuration, where several trainings share it.

    Raises:
        ConfigError: The recipe trains real weights, which make no network.
        MissingDependencyError: The packages of the extra ``train`` are not installed.
    """
    if config.recipe.precision != "ternary":
        raise ConfigError(
            "recipe precision must be 'ternary' to make a network, but is 'float'; "
            "what ternary weights cost is asked by: hil experiment float_gap"
        )
    for package in ("torch", "brevitas"):
        if find_spec(package) is None:
            raise MissingDependencyError.of(package, extra="train", purpose="training")
    run = run or Run()
    captions = _captions(config)
    _substrate(config)  # a target that is none is told before recordings are read
    material = material or gather(config, run.on_data)  # before torch, so that data that cannot be used fails at once
    from quant.freezing import freeze
    from quant.training import reproducible

    with reproducible(config.threads):
        encoder, history, teacher_history = _learn(config, run, captions, material)
    network = freeze(
        encoder,
        name=config.name,
        features=config.features,
        captions=captions,
        gate_threshold=config.gate_threshold,
        metadata=_provenance(config, material),
    )
    score, emulated_score = (_score(network, part, config) for part in (material.held_out, material.emulated_held_out))
    held = (material.held_out, material.emulated_held_out)
    return Trained(network, score, emulated_score, history, teacher_history, *held)


def float_twin_accuracy(config: TrainingConfig, run: Run | None = None, *, material: Material | None = None) -> float:
    """Return the accuracy, on the recordings held out, of the same encoder trained with real weights and activations.

    Args:
        config: Of the ternary encoder.
        run: How it is carried out.
        material: As for ``train``.

    Raises:
        ConfigError: Nothing is held out.
    """
    from quant import measuring
    from quant.training import reproducible

    run, captions = run or Run(), _captions(config)
    twin = replace(config, recipe=config.recipe.float_twin, hardware=HardwareChoice())
    material = material or gather(twin, run.on_data)
    held = _labelled(twin, material.held_out)
    if held is None:
        raise ConfigError("a float twin is scored on recordings held out, but none are")
    with reproducible(config.threads):
        encoder, _, _ = _learn(twin, run, captions, material)
        vectors = encoder.stages[0].linear.weight.new_tensor(captions.vectors)
        return measuring.score(encoder, vectors, held)[0]


def _substrate(config: TrainingConfig) -> Substrate | None:
    hardware = config.hardware
    if not hardware.target:
        return None
    return substrate_of(hardware.target, seed=config.seed, redraw_every=hardware.redraw_every)


def _captions(config: TrainingConfig) -> CaptionSet:
    captions = caption_files.load(Path(config.captions.vectors))
    for held, wanted in zip_longest(captions.texts, config.captions.texts, fillvalue="nothing"):
        if held != wanted:
            raise ConfigError(
                f"{config.captions.vectors} must hold the vectors of captions.texts, but where those say {wanted!r} "
                f"it holds {held!r}; compute them anew with --text-model, or name another file"
            )
    return captions


def gather(config: TrainingConfig, on_progress: OnProgress = ignore_progress) -> Material:
    """Read and emulate what a run learns from and is scored on.

    Args:
        config: Its data and seed are what counts.
        on_progress: Called while recordings are read or emulated.

    Raises:
        ConfigError: There are no recordings where they should be, or nothing is left to learn from.
    """
    data = config.data
    learned: list[LabelledRecordings] = []
    count, kept, validation, emulated_kept = 0, None, None, None
    if data.recordings:
        recordings = _recordings(Path(data.recordings), on_progress)
        count = len(recordings)
        indices, held = held_out_split(count, data.held_out, seed=data.held_out_seed)
        kept = recordings.part(held) if data.held_out else None
        rest, checked = held_out_split(len(indices), data.validation, seed=data.held_out_seed)
        validation = recordings.part(indices[checked]) if data.validation else None
        learned.append(recordings.part(indices[rest]))
    if data.emulated_count:
        learned.append(emulate(data.emulated, data.emulated_count, seed=config.seed, on_progress=on_progress))
    if data.emulated_held_out:
        emulated_kept = emulate(data.emulated, data.emulated_held_out, seed=config.seed, held_out=True)
    if not learned:
        raise ConfigError("there must be recordings or emulated samples to learn from, but there are none")
    return Material(tuple(learned), count, kept, validation, emulated_kept)


def _recordings(path: Path, on_progress: OnProgress) -> LabelledRecordings:
    if not path.exists():
        raise ConfigError(
            f"recordings to learn from must be at {path}, but nothing is there; "
            "say where yours are with --dataset (a folder or zip of them, with their labels)"
        )
    return load_dataset(path, on_progress=on_progress)


def _learn(
    config: TrainingConfig, run: Run, captions: CaptionSet, material: Material
) -> tuple[Encoder, tuple[Epoch, ...], tuple[Epoch, ...]]:
    """Return the trained encoder, and what its epochs and its teacher's did."""
    source = _source(config, material)
    validation = _labelled(config, material.validation)
    recipe, total = config.recipe, config.recipe.epochs
    teacher: Encoder | None = None
    teacher_history: tuple[Epoch, ...] = ()
    before = 0
    if recipe.teacher is not None:
        total, before = 2 * total, total
        lesson = _Lesson(config, captions, run, "teacher", 0, total)
        teacher, teacher_history = lesson.learn(recipe.teacher, source, validation, teacher=None)
    lesson = _Lesson(config, captions, run, "encoder", before, total)
    encoder, history = lesson.learn(recipe, source, validation, teacher=teacher)
    return encoder, history, teacher_history


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """One encoder's training among those of a run, kept on disk after every epoch."""

    config: TrainingConfig
    captions: CaptionSet
    run: Run
    name: str
    epochs_before: int
    epochs_total: int

    def learn(
        self, recipe: Recipe, source: _Source, validation: Labelled | None, *, teacher: Encoder | None
    ) -> tuple[Encoder, tuple[Epoch, ...]]:
        from quant import training

        spec, config = self.config.features, self.config
        shape = (2 * spec.time_bins, spec.height, spec.width)
        d_out = self.captions.vectors.shape[1]
        blank = training.new_encoder(recipe, d_out, shape, seed=config.seed)
        going = training.Training(
            recipe,
            self.captions,
            blank,
            seed=config.seed,
            teacher=teacher,
            substrate=None if recipe.precision == "float" else _substrate(config),
            device=config.device,
            about=repr(config),
        )
        keep = self._resumed(going)
        encoder = training.train(source, validation, going, on_epoch=keep, on_progress=self._progress)
        return encoder, tuple(going.history)

    def _resumed(self, going: Training) -> Callable[[Epoch, Training], None] | None:
        """Go on from the checkpoint there is, and return what keeps the next ones."""
        from quant import checkpoints

        folder = self.run.checkpoints
        if folder is None:
            return None
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"checkpoints are kept in a folder, but {folder} is a file; name another place")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.safetensors"
        if path.is_file():
            checkpoints.restore(going, path)
        return lambda _, current: checkpoints.save(current, path)

    def _progress(self, done: int, _: int) -> None:
        self.run.on_epoch(self.epochs_before + done, self.epochs_total)


def _source(config: TrainingConfig, material: Material) -> _Source:
    tables = tuple(EventTable.of(list(part.samples), part.geometry) for part in material.learned)
    labels = [class_indices(part.labels, config.captions.classes) for part in material.learned]
    return _Source(tables, np.concatenate(labels), config)


def _labelled(config: TrainingConfig, part: LabelledRecordings | None) -> Labelled | None:
    from quant.measuring import Labelled

    if part is None:
        return None
    return Labelled(features_of(part, config.features), class_indices(part.labels, config.captions.classes))


def _provenance(config: TrainingConfig, material: Material) -> dict[str, str]:
    data = config.data
    return {
        "about": config.about,
        "classes": json.dumps(config.captions.classes),
        "seed": str(config.seed),
        "recordings": Path(data.recordings).name,
        "recordings_count": str(material.recordings_count),
        "held_out": str(data.held_out),
        "held_out_seed": str(data.held_out_seed),
        "emulated": f"{data.emulated_count} {data.emulated}" if data.emulated_count else "",
    }


def _score(network: TernaryNetwork, part: LabelledRecordings | None, config: TrainingConfig) -> Score | None:
    if part is None:
        return None
    labels = class_indices(part.labels, config.captions.classes)
    features = features_of(part, config.features)
    return score_network(network, features, labels, backend=open_target("ternary"), seed=config.seed)
