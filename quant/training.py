"""Teaches an encoder to say what a text model says of the caption: distillation into caption space.

Every number drawn comes from ``hil.rng.stream(seed, ...)`` by epoch, so an epoch depends only on the seed, its index
and the weights before it: training that is stopped and resumed ends at the same bits.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hil.errors import InvalidValueError
from hil.network import CaptionSet
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.types import Int64Array
from quant.encoder import Encoder
from quant.measuring import Labelled, reestimate_norms, score
from quant.recipe import Recipe
from quant.substrates import GaussianCells, Substrate

__all__ = ["Epoch", "OnEpoch", "Training", "Windows", "learning_rate", "new_encoder", "reproducible", "train"]

DECAYING = "linear.weight"
WARM_UP = 0.05


class Windows(Protocol):
    """What training learns from."""

    def epoch(self, index: int) -> Labelled:
        """Return one epoch's windows, freshly augmented; the same index gives the same windows."""
        ...


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch did.

    Attributes:
        index: From 0.
        loss: Mean over its steps.
        accuracy: On the validation windows; not a number without any.
        cosine: Mean cosine of validation windows to their own caption.
        flipped: Share of ternary codes that differ from the epoch before.
        learning_rate: At its last step.
    """

    index: int
    loss: float
    accuracy: float
    cosine: float
    flipped: float
    learning_rate: float


OnEpoch = Callable[[Epoch, "Training"], None]


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Make torch compute the same bits every time: deterministic algorithms, a fixed number of threads.

    Memory is not filled before it is written: that finds kernels that read too early, and costs a tenth of the time.

    Args:
        threads: At least one.

    Raises:
        InvalidValueError: There are none.
    """
    if threads < 1:
        raise InvalidValueError(f"training needs at least 1 thread, but got {threads}")
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # torch's types do not know what it holds
    filling = memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        memory.fill_uninitialized_memory = filling


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Return the two-stage learning rate at ``progress`` 0 to 1."""
    if progress < 0.5:
        warm = min(1.0, progress / WARM_UP)
        return warm * (recipe.learning_rate + 2 * progress * (recipe.second_learning_rate - recipe.learning_rate))
    return recipe.second_learning_rate * 2 * (1 - progress)


def _seed_torch(seed: int, *who: str | int) -> None:
    torch.manual_seed(int(stream(seed, "training", *who).integers(2**62)))


def new_encoder(recipe: Recipe, d_out: int, shape: tuple[int, int, int], *, seed: int) -> Encoder:
    """Return an encoder that has learned nothing.

    Args:
        recipe: Its layers and precision.
        d_out: Length of a caption's vector.
        shape: (channels, height, width) of the input.
        seed: Decides its weights.
    """
    _seed_torch(seed, "initial weights")
    return Encoder(shape, recipe.layers, d_out, precision=recipe.precision, dropout=recipe.dropout)


def _device(name: str) -> torch.device:
    """Return a torch device of this machine.

    Raises:
        InvalidValueError: There is no such kind of device, or none of it here.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for a device
        reason = " ".join(str(error).split())[:120]
        raise InvalidValueError(
            f"training needs a device that torch finds here, such as cpu or cuda, but got {name!r}: {reason}"
        ) from error
    return device


class Training:
    """One training run, epoch by epoch.

    Attributes:
        encoder: What learns.
        optimiser: AdamW; weight decay on latent weights only.
        done: Epochs finished.
        history: What each did.
        substrate: What plays the target in the forward pass: weight noise where the recipe asks for it.
        best: The encoder's state after its best epoch, where the recipe stops early.
        about: Whatever else decides the result, so that a checkpoint of another run is refused.
    """

    def __init__(
        self,
        recipe: Recipe,
        captions: CaptionSet,
        encoder: Encoder,
        *,
        seed: int,
        teacher: Encoder | None = None,
        substrate: Substrate | None = None,
        device: str = "cpu",
        about: str = "",
    ) -> None:
        self.recipe, self.seed, self.device, self.teacher, self.about = recipe, seed, device, teacher, about
        self.encoder = encoder.to(_device(device))
        self.substrate = GaussianCells(recipe.weight_noise) if recipe.weight_noise else substrate
        self.captions = torch.tensor(captions.vectors, device=device)
        self.optimiser = torch.optim.AdamW(self._groups(), lr=recipe.learning_rate)
        self.done = 0
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] | None = None

    @property
    def fingerprint(self) -> str:
        """Say in one hash which run this is: a checkpoint of another one is refused."""
        digest = hashlib.sha256(repr((self.recipe, self.seed, self.device, self.about)).encode())
        digest.update(self.captions.cpu().numpy().tobytes())
        return digest.hexdigest()

    @property
    def finished(self) -> bool:
        """Whether every epoch is done, or nothing got better for the recipe's patience."""
        waited = self.done - 1 - self._best_epoch if self.history else 0
        impatient = bool(self.recipe.patience) and waited >= self.recipe.patience
        return self.done >= self.recipe.epochs or impatient

    @property
    def _best_epoch(self) -> int:
        return max(self.history, key=lambda epoch: (epoch.cosine, -epoch.index)).index

    def _groups(self) -> list[dict[str, object]]:
        named = list(self.encoder.named_parameters())
        decaying = [parameter for name, parameter in named if name.endswith(DECAYING)]
        others = [parameter for name, parameter in named if not name.endswith(DECAYING)]
        return [{"params": decaying, "weight_decay": self.recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]

    def run_epoch(self, windows: Windows, validation: Labelled | None) -> Epoch:
        """Learn from one epoch's windows and return what came of it.

        Args:
            windows: What to learn from, at least two of them.
            validation: Windows that are only scored.

        Raises:
            InvalidValueError: There are too few windows, or the loss is no number any more.
        """
        _seed_torch(self.seed, "epoch", self.done)
        self._place()
        before = self._codes()
        data = windows.epoch(self.done)
        if len(data.labels) < 2:
            raise InvalidValueError(f"training needs at least 2 windows to learn from, but got {len(data.labels)}")
        order = stream(self.seed, "training", "order", self.done).permutation(len(data.labels))
        steps = [order[i : i + self.recipe.batch] for i in range(0, len(order) - 1, self.recipe.batch)]
        self.encoder.train()
        losses = [self._step(data, rows, (self.done + i / len(steps))) for i, rows in enumerate(steps)]
        accuracy, cosine = score(self.encoder, self.captions, validation) if validation else (math.nan, math.nan)
        flipped = float((before != self._codes()).float().mean())
        rate = self.optimiser.param_groups[0]["lr"]
        epoch = Epoch(self.done, float(np.mean(losses)), accuracy, cosine, flipped, rate)
        self.done += 1
        self.history.append(epoch)
        if self.recipe.patience and self._best_epoch == epoch.index:
            self.best = {name: value.detach().clone() for name, value in self.encoder.state_dict().items()}
        return epoch

    def _place(self) -> None:
        placed = self.substrate if self.done >= self.recipe.substrate_from * self.recipe.epochs else None
        if placed is not None:
            placed.begin(self.done)
        self.encoder.place(placed)

    def _step(self, data: Labelled, rows: Int64Array, epoch: float) -> float:
        progress = epoch / self.recipe.epochs
        for group, decay in zip(self.optimiser.param_groups, (self.recipe.weight_decay, 0.0), strict=True):
            group["lr"] = learning_rate(self.recipe, progress)
            group["weight_decay"] = decay if progress < 0.5 else 0.0
        features = torch.from_numpy(data.features[rows]).to(self.device, torch.float32)
        labels = torch.from_numpy(data.labels[rows]).to(self.device)
        loss = self._loss(features, labels)
        if not torch.isfinite(loss):
            raise InvalidValueError(
                f"the loss must stay a number, but is {float(loss.detach())} in epoch {self.done + 1}; "
                f"lower learning_rate (it is {self.recipe.learning_rate}) or raise temperature"
            )
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    def _loss(self, features: Tensor, labels: Tensor) -> Tensor:
        directions = functional.normalize(self.encoder(features), dim=1)
        cosines = directions @ self.captions.T
        own = cosines.gather(1, labels[:, None])
        contrast = functional.cross_entropy(cosines / self.recipe.temperature, labels)
        loss = contrast + self.recipe.pull * (1 - own).mean()
        if self.teacher is None or not self.recipe.teacher_weight:
            return loss
        with torch.no_grad():
            taught = functional.normalize(self.teacher(features), dim=1)
        return loss + self.recipe.teacher_weight * (1 - (directions * taught).sum(1)).mean()

    def _codes(self) -> Tensor:
        with torch.no_grad():
            weights = [stage.linear.weight for stage in self.encoder.stages]
            return torch.cat([(w / w.abs().mean()).round().clamp(-1, 1).flatten() for w in weights])


def train(
    windows: Windows,
    validation: Labelled | None,
    training: Training,
    *,
    on_epoch: OnEpoch | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Encoder:
    """Run what is left of a training and return its encoder, norms re-estimated on clean statistics.

    Args:
        windows: What to learn from.
        validation: Windows that are only scored; they steer nothing.
        training: The run; one that was resumed goes on where it stopped.
        on_epoch: Called after each epoch.
        on_progress: Called with the epochs done and their total.
    """
    if training.teacher is not None:
        training.teacher.eval()
    while not training.finished:
        epoch = training.run_epoch(windows, validation)
        if on_epoch:
            on_epoch(epoch, training)
        on_progress(training.done, training.recipe.epochs)
    if training.best is not None:
        training.encoder.load_state_dict(training.best)
    reestimate_norms(training.encoder, windows.epoch(training.recipe.epochs).features)
    return training.encoder
