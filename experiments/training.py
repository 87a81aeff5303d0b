"""Trains a shipped kind of encoder from recordings: what ``hil train`` does, as values and one function."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.augmentation import Augmentation, EventTable, encode_table
from experiments.datasets import LabelledRecordings, class_indices, features_of, load_dataset
from experiments.scenes import emulate
from experiments.scoring import Score, score_network
from experiments.splits import held_out_split
from hil.errors import ConfigError, MissingDependencyError
from hil.network import CaptionSet, FeatureSpec, TernaryNetwork
from hil.progress import OnProgress, ignore_progress
from hil.registry import open_target
from hil.rng import stream
from hil.types import Int64Array
from quant import captions as caption_files
from quant.recipe import Recipe

if TYPE_CHECKING:
    from quant.measuring import Labelled

__all__ = [
    "CONFIGS",
    "CaptionChoice",
    "DataChoice",
    "Trained",
    "TrainingConfig",
    "load_config",
    "recompute_captions",
    "train",
]

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True, slots=True)
class CaptionChoice:
    """What the classes are called, and where a text model puts them.

    Attributes:
        classes: Names of the classes as data sets spell them, in the order of the captions.
        texts: One caption per class.
        vectors: File of their vectors, relative to the configuration.
    """

    classes: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: str

    def __post_init__(self) -> None:
        """Refuse captions that do not match the classes."""
        if len(self.classes) != len(self.texts) or len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"captions need one text per class, but got {len(self.texts)} for {len(self.classes)}")


@dataclass(frozen=True, slots=True)
class DataChoice:
    """What is learned from.

    Attributes:
        recordings: A data set for ``load_dataset``, relative to the working directory; empty for none.
        held_out: How many of its recordings, drawn at random, are never learned from.
        held_out_seed: Decides which.
        emulated: A kind of emulated samples to learn from as well; one of ``experiments.scenes.KINDS``.
        emulated_count: How many.
        emulated_held_out: How many more are emulated only to be scored.
    """

    recordings: str = ""
    held_out: int = 0
    held_out_seed: int = 0
    emulated: str = ""
    emulated_count: int = 0
    emulated_held_out: int = 0


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One training run.

    Attributes:
        name: Of the network.
        about: What it encodes, in one line.
        features: How events become its input.
        captions: What it should say.
        data: What it learns from.
        recipe: How.
        augmentation: How recordings are varied.
        seed: Decides every random number.
        threads: Of torch; results depend on it in the last bits.
        gate_threshold: Cosine distance above which an event is worth sending.
    """

    name: str
    about: str
    features: FeatureSpec
    captions: CaptionChoice
    data: DataChoice
    recipe: Recipe
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    threads: int = 1
    gate_threshold: float = 0.35

    def changed(self, *, recordings: Path | None = None, seed: int | None = None) -> TrainingConfig:
        """Return the run with other recordings or another seed where one is given."""
        data = replace(self.data, recordings=str(recordings)) if recordings else self.data
        return replace(self, data=data, seed=self.seed if seed is None else seed)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a training run made.

    Attributes:
        network: Frozen.
        score: On the recordings held out, by the integer reference; None without any.
        emulated_score: The same for emulated samples held out.
    """

    network: TernaryNetwork
    score: Score | None
    emulated_score: Score | None


def load_config(path: str | Path) -> TrainingConfig:
    """Read a training configuration by its path, or the name of a shipped one.

    Raises:
        ConfigError: A key is unknown or missing, or a value is impossible.
        FileNotFoundError: There is no such file.
    """
    import cattrs
    from cattrs.errors import BaseValidationError

    path = _config_path(path)
    converter = cattrs.Converter(forbid_extra_keys=True)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        config = converter.structure(document, TrainingConfig)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    except BaseValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(cattrs.transform_error(error, path='config'))}") from error
    vectors = path.parent / config.captions.vectors
    return replace(config, captions=replace(config.captions, vectors=str(vectors)))


def _config_path(path: str | Path) -> Path:
    shipped = CONFIGS / f"{path}.toml"
    return shipped if "/" not in str(path) and shipped.is_file() else Path(path)


def recompute_captions(config: TrainingConfig, model: str) -> None:
    """Write the vectors of a configuration's captions anew, from a local or named sentence-transformers model."""
    vectors = Path(config.captions.vectors)
    caption_files.save(caption_files.compute(config.captions.texts, model=model), vectors)


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
        features = [encode_table(table.varied(how, rng=rng), spec) for table in self.tables]
        return Labelled(np.concatenate(features), self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """Every recording a run touches, split."""

    learned: tuple[LabelledRecordings, ...]
    recordings_count: int
    held_out: LabelledRecordings | None
    emulated_held_out: LabelledRecordings | None


def _gather(config: TrainingConfig, on_progress: OnProgress) -> _Material:
    data = config.data
    learned, count, kept, emulated_kept = [], 0, None, None
    if data.recordings:
        recordings = load_dataset(Path(data.recordings), on_progress=on_progress)
        count = len(recordings)
        indices, held = held_out_split(len(recordings), data.held_out, seed=data.held_out_seed)
        learned.append(recordings.part(indices))
        kept = recordings.part(held) if len(held) else None
    if data.emulated_count:
        learned.append(emulate(data.emulated, data.emulated_count, seed=config.seed, on_progress=on_progress))
    if data.emulated_held_out:
        emulated_kept = emulate(data.emulated, data.emulated_held_out, seed=config.seed, held_out=True)
    if not learned:
        raise ConfigError("there must be recordings or emulated samples to learn from, but there are none")
    return _Material(tuple(learned), count, kept, emulated_kept)


def train(
    config: TrainingConfig,
    *,
    on_data: OnProgress = ignore_progress,
    on_epoch: OnProgress = ignore_progress,
) -> Trained:
    """Train, freeze and score an encoder.

    Args:
        config: Everything that decides the result.
        on_data: Called while recordings are read or emulated.
        on_epoch: Called with the epochs done and their total.

    Raises:
        MissingDependencyError: The packages of the extra ``train`` are not installed.
    """
    try:
        from quant import training
        from quant.freezing import freeze
    except ImportError as error:
        raise MissingDependencyError.of("torch", extra="train", purpose="training") from error
    captions = _captions(config)
    material = _gather(config, on_data)
    spec = config.features
    source = _source(config, material)
    with training.reproducible(config.threads):
        run = training.Training(
            config.recipe, captions, (2 * spec.time_bins, spec.height, spec.width), seed=config.seed
        )
        encoder = training.train(source, None, run, on_progress=on_epoch)
        network = freeze(
            encoder,
            name=config.name,
            features=spec,
            captions=captions,
            gate_threshold=config.gate_threshold,
            metadata=_provenance(config, material),
        )
    scores = [_score(network, part, config) for part in (material.held_out, material.emulated_held_out)]
    return Trained(network, *scores)


def _captions(config: TrainingConfig) -> CaptionSet:
    captions = caption_files.load(Path(config.captions.vectors))
    if captions.texts != config.captions.texts:
        raise ConfigError(f"{config.captions.vectors} holds vectors of other captions; recompute them")
    return captions


def _source(config: TrainingConfig, material: _Material) -> _Source:
    tables = tuple(EventTable.of(list(part.samples), part.geometry) for part in material.learned)
    labels = [class_indices(part.labels, config.captions.classes) for part in material.learned]
    return _Source(tables, np.concatenate(labels), config)


def _provenance(config: TrainingConfig, material: _Material) -> dict[str, str]:
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
