"""The network while it learns: ternary layers, norms and learned static activation scales, ready to be frozen."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hil.errors import InvalidValueError
from quant.bitlinear import BitConv2d, BitLinear
from quant.recipe import LayerPlan, Precision
from quant.substrates import Substrate

__all__ = ["Block", "Encoder", "StaticActivation"]

INT8_MAX = 127


class StaticActivation(nn.Module):
    """ReLU and int8 quantisation with one learned scale (Esser et al., "Learned Step Size Quantization", ICLR 2020).

    The scale is learned as a logarithm, so a step changes it by a share of itself, and starts where the largest value
    of the first batch it sees becomes 127.
    """

    started: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    @property
    def scale(self) -> Tensor:
        """What one integer step is worth."""
        return self.log_scale.exp()

    def forward(self, values: Tensor) -> Tensor:
        """Return values on the grid 0, scale, ..., 127 scale."""
        if self.training and not self.started:
            with torch.no_grad():
                self.log_scale.copy_((values.amax().clamp(min=1e-6) / INT8_MAX).log())
                self.started.fill_(value=True)
        scale = self.scale
        steps = (values / scale).clamp(0, INT8_MAX)
        return (steps + (steps.round() - steps).detach()) * scale


class Block(nn.Module):
    """One layer: weights, batch norm, and - except at the end - ReLU, int8 and dropout."""

    def __init__(self, linear: BitLinear | BitConv2d, channels: int, *, last: bool, dropout: float) -> None:
        super().__init__()
        self.linear = linear
        convolution = isinstance(linear, BitConv2d)
        self.norm = nn.BatchNorm2d(channels) if convolution else nn.BatchNorm1d(channels)
        self.activation = None if last else StaticActivation()
        self.dropout = nn.Dropout(dropout)

    def norm_tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the norm's (channels,) weight, bias, running mean and running variance."""
        norm = self.norm
        return norm.weight, norm.bias, cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, d_out) of (n, d_in), flattened channel-major."""
        values: Tensor = self.norm(self.linear(inputs)).flatten(1)
        if self.activation is None:
            return values
        if self.linear.ternary:
            return self.dropout(self.activation(values))  # type: ignore[no-any-return]
        return self.dropout(functional.relu(values))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """From (n, d_in) event counts to (n, d_out) embeddings, not normalised.

    Attributes:
        input_scale: What one integer step of the input is worth: 1 for event counts.

    Args:
        shape: (channels, height, width) of the input vector.
        plans: Hidden layers.
        d_out: Length of the embedding.
        precision: Whether weights and activations are quantised.
        dropout: Share of hidden activations dropped while training.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        plans: tuple[LayerPlan, ...],
        d_out: int,
        *,
        precision: Precision = "ternary",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input_scale = 1.0
        blocks: list[Block] = []
        for i, plan in enumerate((*plans, LayerPlan(d_out))):
            linear, shape = _linear(plan, shape)
            linear.ternary = precision == "ternary"
            blocks.append(Block(linear, plan.channels, last=i == len(plans), dropout=dropout))
        self.blocks = nn.ModuleList(blocks)

    @property
    def stages(self) -> list[Block]:
        """The layers in order."""
        return cast("list[Block]", list(self.blocks))

    def place(self, substrate: Substrate | None) -> None:
        """Put every layer on a substrate in the forward pass, or with None back into memory."""
        for index, stage in enumerate(self.stages):
            stage.linear.place(substrate, index)

    def tail(self, start: int) -> Encoder:
        """Return the layers from ``start`` on, sharing their weights: an encoder of int8 activations of that layer."""
        part = Encoder.__new__(Encoder)
        nn.Module.__init__(part)
        part.blocks = self.blocks[start:]
        before = self.stages[start - 1].activation if start else None
        part.input_scale = self.input_scale if before is None else float(before.scale.detach())
        return part

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, d_out) embeddings of (n, d_in) float32 event counts, or activations of an earlier layer."""
        features = features * self.input_scale
        for block in self.stages:
            features = block(features)
        return features


def _linear(plan: LayerPlan, shape: tuple[int, int, int]) -> tuple[BitLinear | BitConv2d, tuple[int, int, int]]:
    patches = plan.patches(shape)
    if patches is None:
        channels, height, width = shape
        return BitLinear(channels * height * width, plan.channels), (plan.channels, 1, 1)
    if plan.channels < 1:
        raise InvalidValueError(f"a layer needs at least one channel, but got {plan.channels}")
    return BitConv2d(patches, plan.channels), (plan.channels, patches.out_height, patches.out_width)
