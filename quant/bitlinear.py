"""Dense and convolution layers whose weights are ternary in the forward pass, on brevitas.

Brevitas carries the rule of ``quant.absmean`` exactly only when the absolute mean is detached: otherwise the gradient
also flows through the scale, which the paper's straight-through estimator does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import brevitas.nn as qnn
import torch
from brevitas.core.zero_point import ZeroZeroPoint
from brevitas.inject.enum import RestrictValueType, ScalingImplType, ScalingPerOutputType, StatsOp
from brevitas.quant.base import NarrowIntQuant
from brevitas.quant.solver import WeightQuantSolver
from torch import Tensor, nn
from torch.nn import functional

from hil.network import Patches
from quant.absmean import MIN_SCALE

__all__ = ["AbsmeanTernary", "BitConv2d", "BitLinear", "Disturbance"]

Disturbance: TypeAlias = Callable[[Tensor], Tensor]
"""Returns what a substrate makes of ternary codes: values near -1, 0 and +1, in the same shape."""


class DetachedAbsMean(nn.Module):
    """The mean of absolute weights, outside the graph, summed in float64 as the oracle does."""

    def __init__(self) -> None:  # brevitas' injector reads this signature
        super().__init__()

    def forward(self, weight: Tensor) -> Tensor:
        """Return the scalar scale of a weight tensor."""
        return weight.detach().abs().mean(dtype=torch.float64).to(weight.dtype)


class AbsmeanTernary(NarrowIntQuant, WeightQuantSolver):
    """Brevitas weight quantiser: two bits, narrow range, scale ``max(mean|W|, 1e-5)``, identity gradient."""

    bit_width = 2
    scaling_impl_type = ScalingImplType.STATS
    scaling_stats_op = StatsOp.AVE  # decides the view; the statistic itself is the next line
    scaling_stats_impl = DetachedAbsMean
    scaling_per_output = ScalingPerOutputType.TENSOR
    restrict_scaling_type = RestrictValueType.FP
    scaling_min_val = MIN_SCALE
    zero_point_impl = ZeroZeroPoint


def _effective_weight(layer: BitLinear | BitConv2d) -> Tensor:
    """Return the weights of this forward pass; their gradient reaches the latent weights unchanged."""
    if not layer.ternary:
        latent: Tensor = layer.weight
        return latent
    quantised = layer.quant_weight()
    value: Tensor = quantised.value
    if layer.disturbance is None:
        return value
    with torch.no_grad():
        moved = layer.disturbance(value / quantised.scale) * quantised.scale
    effective: Tensor = value + (moved - value).detach()
    return effective


class BitLinear(qnn.QuantLinear):
    """A dense layer without bias whose weights are ternary.

    Attributes:
        ternary: Whether to quantise; False makes the float twin.
        disturbance: Plays the substrate in the forward pass.
    """

    def __init__(self, fan_in: int, channels: int) -> None:
        super().__init__(fan_in, channels, bias=False, weight_quant=AbsmeanTernary)
        self.ternary = True
        self.disturbance: Disturbance | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, channels) of (n, fan_in)."""
        return functional.linear(inputs, _effective_weight(self))


class BitConv2d(qnn.QuantConv2d):
    """A convolution without bias whose weights are ternary, seen from its patches: ``hil.network.Patches``."""

    def __init__(self, patches: Patches, channels: int) -> None:
        geometry = {"stride": patches.stride, "padding": patches.padding}
        super().__init__(
            patches.in_channels, channels, patches.kernel, bias=False, weight_quant=AbsmeanTernary, **geometry
        )
        self.patches = patches
        self.ternary = True
        self.disturbance: Disturbance | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, channels, out_height, out_width) of (n, d_in) flattened channel, row, column."""
        patches = self.patches
        image = inputs.reshape(-1, patches.in_channels, patches.height, patches.width)
        weight = _effective_weight(self)
        return functional.conv2d(image, weight, stride=patches.stride, padding=patches.padding)
