"""Teaches an encoder to say what a text model says of the caption: distillation into caption space.

Every number drawn comes from ``hil.rng.stream(seed, ...)`` by epoch, so an epoch depends only on the seed, its index
and the weights before it: training that is stopped and resumed ends at the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hil.network import CaptionSet
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.types import Int8Array, Int64Array
from quant.encoder import Encoder, StaticActivation
from quant.recipe import Recipe

__all__ = [
    "Epoch",
    "Labelled",
    "OnEpoch",
    "Training",
    "Windows",
    "activation_scales",
    "embed",
    "learning_rate",
    "reestimate_norms",
    "reproducible",
    "score",
    "train",
]

DECAYING = "linear.weight"
WARM_UP = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Windows and what they show.

    Attributes:
        features: (n, d_in) int8 event counts.
        labels: (n,) int64 index of each window's caption.
    """

    features: Int8Array
    labels: Int64Array


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
    """Make torch compute the same bits every time: deterministic algorithms, a fixed number of threads."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Return the two-stage learning rate at ``progress`` 0 to 1."""
    if progress < 0.5:
        warm = min(1.0, progress / WARM_UP)
        return warm * (recipe.learning_rate + 2 * progress * (recipe.second_learning_rate - recipe.learning_rate))
    return recipe.second_learning_rate * 2 * (1 - progress)


class Training:
    """One training run, epoch by epoch.

    Attributes:
        encoder: What learns.
        optimiser: AdamW; weight decay on latent weights only.
        done: Epochs finished.
        history: What each did.
    """

    def __init__(
        self, recipe: Recipe, captions: CaptionSet, shape: tuple[int, int, int], *, seed: int, device: str = "cpu"
    ) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        self._seed_torch("initial weights")
        d_out = captions.vectors.shape[1]
        self.encoder = Encoder(shape, recipe.layers, d_out, precision=recipe.precision, dropout=recipe.dropout)
        self.encoder.to(device)
        self.captions = torch.tensor(captions.vectors, device=device)
        self.optimiser = torch.optim.AdamW(self._groups(), lr=recipe.learning_rate)
        self.done = 0
        self.history: list[Epoch] = []

    def _groups(self) -> list[dict[str, object]]:
        named = list(self.encoder.named_parameters())
        decaying = [parameter for name, parameter in named if name.endswith(DECAYING)]
        others = [parameter for name, parameter in named if not name.endswith(DECAYING)]
        return [{"params": decaying, "weight_decay": self.recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]

    def _seed_torch(self, *who: str | int) -> None:
        torch.manual_seed(int(stream(self.seed, "training", *who).integers(2**62)))

    def run_epoch(self, windows: Windows, validation: Labelled | None) -> Epoch:
        """Learn from one epoch's windows and return what came of it."""
        self._seed_torch("epoch", self.done)
        before = self._codes()
        data = windows.epoch(self.done)
        order = stream(self.seed, "training", "order", self.done).permutation(len(data.labels))
        steps = [order[i : i + self.recipe.batch] for i in range(0, len(order) - 1, self.recipe.batch)]
        self.encoder.train()
        losses = [self._step(data, rows, (self.done + i / len(steps))) for i, rows in enumerate(steps) if len(rows) > 1]
        accuracy, cosine = score(self.encoder, self.captions, validation) if validation else (math.nan, math.nan)
        flipped = float((before != self._codes()).float().mean())
        rate = self.optimiser.param_groups[0]["lr"]
        epoch = Epoch(self.done, float(np.mean(losses)), accuracy, cosine, flipped, rate)
        self.done += 1
        self.history.append(epoch)
        return epoch

    def _step(self, data: Labelled, rows: Int64Array, epoch: float) -> float:
        progress = epoch / self.recipe.epochs
        for group, decay in zip(self.optimiser.param_groups, (self.recipe.weight_decay, 0.0), strict=True):
            group["lr"] = learning_rate(self.recipe, progress)
            group["weight_decay"] = decay if progress < 0.5 else 0.0
        features = torch.from_numpy(data.features[rows]).to(self.device, torch.float32)
        labels = torch.from_numpy(data.labels[rows]).to(self.device)
        loss = self._loss(self.encoder(features), labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    def _loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        cosines = functional.normalize(embeddings, dim=1) @ self.captions.T
        own = cosines.gather(1, labels[:, None])
        contrast = functional.cross_entropy(cosines / self.recipe.temperature, labels)
        return contrast + self.recipe.pull * (1 - own).mean()

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
    while training.done < training.recipe.epochs:
        epoch = training.run_epoch(windows, validation)
        if on_epoch:
            on_epoch(epoch, training)
        on_progress(training.done, training.recipe.epochs)
    reestimate_norms(training.encoder, windows.epoch(training.recipe.epochs).features)
    return training.encoder


def embed(encoder: Encoder, features: Int8Array, *, batch: int = 512) -> Tensor:
    """Return (n, d_out) embeddings of (n, d_in) features, in evaluation mode."""
    encoder.eval()
    device = encoder.stages[0].linear.weight.device
    with torch.no_grad():
        parts = [torch.from_numpy(features[i : i + batch]) for i in range(0, len(features), batch)]
        return torch.cat([encoder(part.to(device, torch.float32)) for part in parts])


def score(encoder: Encoder, captions: Tensor, data: Labelled) -> tuple[float, float]:
    """Return the share of windows nearest to their own caption, and the mean cosine to it."""
    cosines = functional.normalize(embed(encoder, data.features), dim=1) @ captions.T
    labels = torch.from_numpy(data.labels).to(captions.device)
    own = cosines.gather(1, labels[:, None])
    return float((cosines.argmax(1) == labels).double().mean()), float(own.double().mean())


def reestimate_norms(encoder: Encoder, features: Int8Array) -> None:
    """Replace the running statistics of every norm by those of the given (n, d_in) features, layer by layer.

    Running averages trail the weights; and on a noisy substrate the statistics themselves are different.
    """
    norms = [stage.norm for stage in encoder.stages]
    momenta = [norm.momentum for norm in norms]
    encoder.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
        norm.train()
    with torch.no_grad():
        for rows in np.array_split(np.arange(len(features)), max(1, len(features) // 512)):
            encoder(torch.from_numpy(features[rows]).to(encoder.stages[0].linear.weight.device, torch.float32))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def activation_scales(encoder: Encoder) -> list[float]:
    """Return the learned scale of each hidden layer's activations."""
    activations = [stage.activation for stage in encoder.stages]
    return [float(each.scale.detach()) for each in activations if isinstance(each, StaticActivation)]
