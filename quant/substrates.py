"""What a target does to a product, injected into the forward pass: cells miss, wires lose, converters step.

An encoder trained on a substrate learns to live with it. Backward passes go straight through: the gradient of a code
is what it would be in memory, times the share of its current that arrives where the substrate knows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["GaussianCells", "Substrate", "cells_in_place", "product"]


class Substrate(Protocol):
    """A target as the forward pass sees it."""

    @property
    def inputs_per_tile(self) -> int | None:
        """How many inputs share a converter; None where sums are exact."""
        ...

    def begin(self, epoch: int) -> None:
        """Start an epoch: what is drawn from here on depends on its number, not on what was drawn before."""
        ...

    def cells(self, layer: int, codes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what (channels, fan_in) codes become, and the share of a code's current that arrives, or None for 1.

        Called anew for every forward pass, so noise is drawn anew.
        """
        ...

    def convert(self, layer: int, sums: Tensor) -> Tensor:
        """Return what converters make of (m, strips, channels) partial sums, in any one unit per layer."""
        ...


@dataclass(frozen=True, slots=True)
class GaussianCells:
    """Every code misses by a normal number of its own; sums are exact.

    Attributes:
        deviation: In units of a code.
    """

    deviation: float

    @property
    def inputs_per_tile(self) -> int | None:
        """None: sums are exact."""
        return None

    def begin(self, epoch: int) -> None:
        """Do nothing: the training seeds torch's generator for every epoch."""

    def cells(self, layer: int, codes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return codes with noise of torch's generator."""
        return codes + self.deviation * torch.randn_like(codes), None

    def convert(self, layer: int, sums: Tensor) -> Tensor:
        """Return the sums."""
        return sums


def cells_in_place(substrate: Substrate, layer: int, value: Tensor, scale: Tensor) -> Tensor:
    """Return (channels, fan_in) real weights as the substrate holds them, with the gradient of the codes' own.

    Args:
        substrate: What holds them.
        layer: Index of the layer.
        value: (channels, fan_in) codes times scale.
        scale: () the absmean scale.
    """
    with torch.no_grad():
        moved, share = substrate.cells(layer, value / scale)
        moved = moved * scale
    differentiable = value if share is None else value * share
    effective: Tensor = differentiable + (moved - differentiable).detach()
    return effective


def product(substrate: Substrate, layer: int, vectors: Tensor, weight: Tensor) -> Tensor:
    """Return (m, channels) products of (m, fan_in) vectors, tile by tile through converters; gradients pass them by.

    Args:
        substrate: Where the product is made.
        layer: Index of the layer.
        vectors: (m, fan_in) inputs.
        weight: (channels, fan_in) weights as the substrate holds them.
    """
    rows = substrate.inputs_per_tile
    if rows is None:
        return functional.linear(vectors, weight)
    missing = -vectors.shape[1] % rows
    strips = functional.pad(vectors, (0, missing)).reshape(len(vectors), -1, rows).transpose(0, 1)
    tiles = functional.pad(weight, (0, missing)).reshape(len(weight), -1, rows).permute(1, 2, 0)
    sums = (strips @ tiles).transpose(0, 1)
    with torch.no_grad():
        converted = substrate.convert(layer, sums)
    passed: Tensor = (sums + (converted - sums).detach()).sum(1)
    return passed
