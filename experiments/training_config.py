"""What ``hil train`` is told: one frozen value, read from TOML, where an unknown key is an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments.augmentation import Augmentation
from experiments.configuring import read_toml, structured
from hil.errors import ConfigError
from hil.network import FeatureSpec
from hil.registry import shipped_or_file
from quant import captions as caption_files
from quant.recipe import Recipe

__all__ = [
    "CONFIGS",
    "CaptionChoice",
    "DataChoice",
    "HardwareChoice",
    "ShippedConfig",
    "TrainingConfig",
    "digits",
    "digits_robust",
    "gestures",
    "load_config",
    "recompute_captions",
    "shapes",
]

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True, slots=True)
class ShippedConfig:
    """A training configuration that comes with a package; registered under ``hil.configs``.

    Attributes:
        path: Its file.
    """

    path: Path

    @property
    def about(self) -> str:
        """What the network it trains encodes, in one line."""
        return str(read_toml(self.path).get("about", ""))


digits, digits_robust, gestures, shapes = (
    ShippedConfig(CONFIGS / f"{name}.toml") for name in ("digits", "digits_robust", "gestures", "shapes")
)


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
        if len(self.classes) != len(self.texts):
            raise ConfigError(f"captions need one text per class, but got {len(self.texts)} for {len(self.classes)}")
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice or not self.classes:
            got = f"{twice[0]!r} is there twice" if twice else "there are none"
            raise ConfigError(f"captions need classes that differ, but {got}")


@dataclass(frozen=True, slots=True)
class DataChoice:
    """What is learned from.

    Attributes:
        recordings: A folder or zip of labelled recordings, relative to the working directory; empty for none.
        held_out: How many of its recordings, drawn at random, are never learned from.
        held_out_seed: Decides which those are.
        validation: How many of those left are only looked at after each epoch, for early stopping and curves.
        emulated: A kind of emulated samples to learn from as well: ``digits``, ``gestures`` or ``shapes``.
        emulated_count: How many of them.
        emulated_held_out: How many more are emulated only to be scored.
        licences: Of the data, in words.
    """

    recordings: str = ""
    held_out: int = 0
    held_out_seed: int = 0
    validation: int = 0
    emulated: str = ""
    emulated_count: int = 0
    emulated_held_out: int = 0
    licences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers of recordings that cannot be."""
        for name in ("held_out", "held_out_seed", "validation", "emulated_count", "emulated_held_out"):
            if getattr(self, name) < 0:
                raise ConfigError(f"data {name} must not be negative, but is {getattr(self, name)}")
        if not self.emulated and (self.emulated_count or self.emulated_held_out):
            raise ConfigError("data emulated must say which kind of samples to emulate, but is empty")


@dataclass(frozen=True, slots=True)
class HardwareChoice:
    """Which target is played in the forward pass.

    Attributes:
        target: A crossbar such as ``crossbar:rram_wan2022?wires=1``; empty for none.
        redraw_every: Forward passes between two draws of a layer's cells.
    """

    target: str = ""
    redraw_every: int = 8

    def __post_init__(self) -> None:
        """Refuse cells that are never drawn."""
        if self.redraw_every < 1:
            raise ConfigError(f"hardware redraw_every must be at least 1, but is {self.redraw_every}")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One training run.

    Attributes:
        name: What to call the network.
        about: What it encodes, in one line.
        features: How events become its input.
        captions: What it should say.
        data: What it learns from.
        recipe: How.
        augmentation: How recordings are varied.
        hardware: Which target it learns to live with.
        seed: Decides every random number.
        threads: That torch may use; results depend on it in the last bits.
        device: ``cpu``, or a torch device such as ``cuda``, where repeated runs may differ in the last bits.
        gate_threshold: Cosine distance above which an event is worth sending.
    """

    name: str
    about: str
    features: FeatureSpec
    captions: CaptionChoice
    data: DataChoice
    recipe: Recipe
    augmentation: Augmentation = field(default_factory=Augmentation)
    hardware: HardwareChoice = HardwareChoice()
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    gate_threshold: float = 0.35

    def changed(
        self, *, recordings: Path | None = None, seed: int | None = None, device: str | None = None
    ) -> TrainingConfig:
        """Return the run with other recordings, another seed or device where one is given."""
        data = replace(self.data, recordings=str(recordings)) if recordings else self.data
        seed = self.seed if seed is None else seed
        return replace(self, data=data, seed=seed, device=device or self.device)


def load_config(path: str | Path) -> TrainingConfig:
    """Read a training configuration by its path, or the name of a shipped one.

    Raises:
        ConfigError: A key is unknown or missing, or a value is impossible.
        UnknownNameError: It is neither a file nor shipped.
    """
    path = shipped_or_file("configs", path, called="training configuration")
    config = structured(read_toml(path), TrainingConfig, where=str(path))
    vectors = path.parent / config.captions.vectors
    return replace(config, captions=replace(config.captions, vectors=str(vectors)))


def recompute_captions(config: TrainingConfig, model: str, path: Path) -> TrainingConfig:
    """Return the configuration with its captions' vectors computed anew and written to ``path``.

    Args:
        config: Whose captions; the file it names stays as it is.
        model: A local or named sentence-transformers model.
        path: Where to write them.
    """
    caption_files.save(caption_files.compute(config.captions.texts, model=model), path)
    return replace(config, captions=replace(config.captions, vectors=str(path)))
