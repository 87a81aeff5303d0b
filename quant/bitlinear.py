"""Dense and convolution layers whose weights are ternary in the forward pass, on brevitas.

Brevitas carries the rule of ``quant.absmean`` exactly only when the absolute mean is detached: otherwise the gradient
also flows through the scale, which the paper's straight-through estimator does not have.
"""

from __future__ import annotations

from typing import Any

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
from quant.substrates import Substrate, cells_in_place, product

__all__ = ["AbsmeanTernary", "BitConv2d", "BitLinear"]


class DetachedAbsMean(nn.Module):
    """The mean of absolute weights, outside the graph, summed in float64 as the oracle does."""

    def __init__(self) -> None:  # brevitas' injector reads this signature
        super().__init__()

    def forward(self, weight: Tensor) -> Tensor:
        """Return the scalar scale of a weight tensor."""
        return weight.detach().abs().mean(dtype=torch.float64).to(weight.dtype)


class Clamp(nn.Module):
    """Clip in one pass: brevitas' own takes two, each through a mask, a seventh of a training step."""

    def __init__(self) -> None:  # brevitas' injector reads this signature
        super().__init__()

    def forward(self, value: Tensor, min_val: Tensor, max_val: Tensor) -> Tensor:
        """Return values within two scalars."""
        return torch.clamp(value, min_val, max_val)


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
    tensor_clamp_impl = Clamp


class _StraightThrough(torch.autograd.Function):
    """The quantised value forwards, the latent weight's gradient backwards."""

    @staticmethod
    def forward(_context: Any, _latent: Tensor, value: Tensor) -> Tensor:
        """Return the value."""
        return value

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient unchanged."""
        return gradient, None


class _OnSubstrate:
    """What dense and convolution layers share: which weights a forward pass uses, and where the product is made."""

    ternary: bool
    substrate: Substrate | None
    index: int

    def place(self, substrate: Substrate | None, index: int) -> None:
        """Put the layer on a substrate, as its ``index``-th layer, or with None back into memory."""
        self.substrate, self.index = substrate, index

    def effective_weight(self: BitLinear | BitConv2d) -> Tensor:  # type: ignore[misc]  # only they mix it in
        """Return the weights of this forward pass, in their shape; their gradient reaches the latent weights."""
        if not self.ternary:
            latent: Tensor = self.weight
            return latent
        with torch.no_grad():  # the quantiser passes gradients on unchanged, so its graph would be built for nothing
            quantised = self.quant_weight()
        value: Tensor = _StraightThrough.apply(self.weight, quantised.value)
        if self.substrate is None:
            return value
        rows = cells_in_place(self.substrate, self.index, value.flatten(1), quantised.scale)
        return rows.view_as(value)


class BitLinear(_OnSubstrate, qnn.QuantLinear):
    """A dense layer without bias whose weights are ternary.

    Attributes:
        ternary: Whether to quantise; False makes the float twin.
        substrate: Where the product is made; None for memory.
        index: Which layer of the substrate it is.
    """

    def __init__(self, fan_in: int, channels: int) -> None:
        super().__init__(fan_in, channels, bias=False, weight_quant=AbsmeanTernary)
        self.ternary = True
        self.place(None, 0)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, channels) of (n, fan_in)."""
        weight = self.effective_weight()
        if self.substrate is None:
            return functional.linear(inputs, weight)
        return product(self.substrate, self.index, inputs, weight)


class BitConv2d(_OnSubstrate, qnn.QuantConv2d):
    """A convolution without bias whose weights are ternary, seen from its patches: ``hil.network.Patches``."""

    def __init__(self, patches: Patches, channels: int) -> None:
        geometry = {"stride": patches.stride, "padding": patches.padding}
        super().__init__(
            patches.in_channels, channels, patches.kernel, bias=False, weight_quant=AbsmeanTernary, **geometry
        )
        self.patches = patches
        self.ternary = True
        self.place(None, 0)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (n, channels, out_height, out_width) of (n, d_in) flattened channel, row, column."""
        patches, weight = self.patches, self.effective_weight()
        image = inputs.reshape(-1, patches.in_channels, patches.height, patches.width)
        if self.substrate is None or self.substrate.inputs_per_tile is None:
            return functional.conv2d(image, weight, stride=patches.stride, padding=patches.padding)
        vectors = functional.unfold(image, patches.kernel, padding=patches.padding, stride=patches.stride)
        n, fan_in, positions = vectors.shape
        flat = vectors.transpose(1, 2).reshape(n * positions, fan_in)
        outputs = product(self.substrate, self.index, flat, weight.flatten(1))
        size = (n, len(weight), patches.out_height, patches.out_width)
        return outputs.reshape(n, positions, -1).transpose(1, 2).reshape(size)
