"""What a training run is told, as frozen values: the layers of an encoder and how they learn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from hil.errors import ConfigError
from hil.network import Patches

__all__ = ["LayerPlan", "Precision", "Recipe"]

Precision: TypeAlias = Literal["ternary", "float"]


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One hidden layer.

    Attributes:
        channels: Outputs of a dense layer, or channels of a convolution.
        kernel: Side of a convolution's kernel; 0 makes the layer dense.
        stride: Step of a convolution.
        padding: Zeros around a convolution's input.
    """

    channels: int
    kernel: int = 0
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        """Refuse a layer that has no outputs or never moves on."""
        for name, least in (("channels", 1), ("kernel", 0), ("stride", 1), ("padding", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"layer {name} must be at least {least}, but is {getattr(self, name)}")

    def patches(self, shape: tuple[int, int, int]) -> Patches | None:
        """Return the geometry on an input of (channels, height, width), or None for a dense layer."""
        if not self.kernel:
            return None
        return Patches(*shape, kernel=self.kernel, stride=self.stride, padding=self.padding)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an encoder learns (after Ma et al., "The Era of 1-bit LLMs: Training Tips, Code and FAQ", 2024).

    Learning rate and weight decay have two stages: the first half of the steps falls linearly from
    ``learning_rate`` with weight decay, the second from ``second_learning_rate`` to zero without, because decay pulls
    latent weights towards the rounding threshold and keeps codes flipping.

    Attributes:
        layers: Hidden layers; the layer into caption space follows them.
        epochs: Passes over the training set, each freshly augmented.
        batch: Windows a step, at least two.
        learning_rate: At the start, after a warm-up of one twentieth of the steps.
        second_learning_rate: At the start of the second half.
        weight_decay: Of the latent weights, in the first half.
        dropout: Share of hidden activations dropped while training.
        temperature: Of the softmax over cosines to the captions.
        pull: Weight of the cosine distance to the own caption beside the softmax.
        precision: ``ternary``, or ``float`` for the twin that states what ternary weights cost.
        weight_noise: Standard deviation of Gaussian noise on the codes in every forward pass, in units of a code.
        substrate_from: Share of the epochs after which noise, or the target, comes into the forward pass.
        teacher_weight: Weight of the distance to a float teacher's embedding; 0 trains without teacher.
        teacher_layers: Hidden layers of the teacher; none gives the float twin, of the same layers.
        patience: Stop when the cosine on validation windows has not risen for so many epochs, and keep the best;
            0 runs every epoch.
    """

    layers: tuple[LayerPlan, ...]
    epochs: int = 60
    batch: int = 64
    learning_rate: float = 4e-3
    second_learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    dropout: float = 0.0
    temperature: float = 0.1
    pull: float = 1.0
    precision: Precision = "ternary"
    weight_noise: float = 0.0
    substrate_from: float = 0.0
    teacher_weight: float = 0.0
    teacher_layers: tuple[LayerPlan, ...] = ()
    patience: int = 0

    def __post_init__(self) -> None:
        """Refuse settings under which nothing is learned."""
        for name in ("epochs", "learning_rate", "temperature"):
            self._check(name, "positive and finite", 0 < getattr(self, name) < math.inf)
        for name in ("second_learning_rate", "weight_decay", "pull", "weight_noise", "teacher_weight", "patience"):
            self._check(name, "at least 0 and finite", 0 <= getattr(self, name) < math.inf)
        for name in ("dropout", "substrate_from"):
            self._check(name, "at least 0 and below 1", 0 <= getattr(self, name) < 1)
        self._check("batch", "at least 2", self.batch >= 2)  # a norm has no deviation in a batch of one

    def _check(self, name: str, expected: str, met: bool) -> None:  # noqa: FBT001
        if not met:
            raise ConfigError(f"recipe {name} must be {expected}, but is {getattr(self, name)}")

    @property
    def float_twin(self) -> Recipe:
        """The same recipe with real weights and activations, without noise and without a teacher."""
        return replace(self, precision="float", weight_noise=0.0, teacher_weight=0.0, teacher_layers=())

    @property
    def teacher(self) -> Recipe | None:
        """How the teacher learns, or None without one: the float twin, or one of other layers."""
        if not self.teacher_weight:
            return None
        return replace(self.float_twin, layers=self.teacher_layers or self.layers)
