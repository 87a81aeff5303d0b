"""Turns a trained encoder into integers: scales and batch norm folded into bias, multiplier and shift.

With ternary codes ``c``, weight scale ``g``, input scale ``s`` and integer inputs ``q``, a layer computes
``y = a * (g s (c.q) - m) + b`` where ``a = gamma / sqrt(var + eps)``, ``m`` the running mean and ``b`` beta. That is
``y = A (acc + B)`` with ``A = a g s`` and ``B = b / A - m / (g s)``. ``B`` is rounded to an integer, and ``A`` over the
next layer's scale becomes ``multiplier / 2**shift`` with a 15-bit multiplier; these two roundings, and halves going up
instead of to even, are all that separates the frozen network from the fake-quantised one. A channel whose norm is
negative has its codes negated, because a requantisation only multiplies by what is not negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hil.errors import InvalidValueError
from hil.network import CaptionSet, FeatureSpec, Patches, Requantisation, TernaryLayer, TernaryNetwork
from hil.types import Float64Array, Int8Array
from quant.absmean import absmean_codes

if TYPE_CHECKING:
    from quant.encoder import Block, Encoder

__all__ = ["LARGEST_BIAS", "FoldedLayer", "fold", "freeze", "requantisation"]

MULTIPLIER_BITS = 15
MAX_SHIFT = 62
MIN_GAIN = 1e-12
LARGEST_BIAS = 2**30
COLLAPSED = "what it saw hardly varied; check the recordings, vary them less, or learn more slowly"


@dataclass(frozen=True, slots=True, eq=False)
class FoldedLayer:
    """A layer as ``y = gain * (codes @ q + offset)``, before anything is rounded.

    Attributes:
        codes: (channels, fan_in) int8 ternary codes.
        weight_scale: Their absmean scale.
        gain: (channels,) from accumulator units to real units.
        offset: (channels,) in accumulator units.
        activation_scale: What one integer step of the output is worth; None for the last layer.
        patches: Geometry of a convolution.
    """

    codes: Int8Array
    weight_scale: float
    gain: Float64Array
    offset: Float64Array
    activation_scale: float | None
    patches: Patches | None


def fold(block: Block, input_scale: float) -> FoldedLayer:
    """Fold a trained block's norm and scales.

    Args:
        block: Weights, batch norm and activation.
        input_scale: What one integer step of its input is worth.

    Raises:
        InvalidValueError: A weight is not finite.
    """
    weight = block.linear.weight.detach().cpu().numpy()
    codes, weight_scale = absmean_codes(weight)
    norm = block.norm
    gamma, beta, mean, variance = (tensor.detach().cpu().numpy().astype(np.float64) for tensor in block.norm_tensors())
    slope = gamma / np.sqrt(variance + norm.eps)
    slope = np.where(np.abs(slope) < MIN_GAIN, MIN_GAIN, slope)
    unit = float(weight_scale) * input_scale
    activation = block.activation
    return FoldedLayer(
        codes=codes.reshape(len(codes), -1),
        weight_scale=float(weight_scale),
        gain=slope * unit,
        offset=beta / (slope * unit) - mean / unit,
        activation_scale=None if activation is None else float(activation.scale.detach()),
        patches=getattr(block.linear, "patches", None),
    )


def requantisation(gain: Float64Array, *, relu: bool = True) -> Requantisation:
    """Return the factors nearest to positive real gains.

    Args:
        gain: (channels,) int8 steps per accumulator unit.
        relu: Whether the lower clip is 0.

    Raises:
        InvalidValueError: A gain is negative, not finite, or too large for a shift of at least 1.
    """
    if not (np.isfinite(gain).all() and (gain >= 0).all() and (gain < 2 ** (MULTIPLIER_BITS - 2)).all()):
        bound = f"gains must lie between 0 and {2 ** (MULTIPLIER_BITS - 2)} int8 steps per accumulator unit"
        raise InvalidValueError(f"{bound}, but reach {gain.max():.3g}: {COLLAPSED}")
    exponent = np.frexp(gain)[1]
    shift = np.clip(MULTIPLIER_BITS - exponent, 1, MAX_SHIFT)
    multiplier = np.minimum(np.rint(np.ldexp(gain, shift)), 2**MULTIPLIER_BITS - 1)
    return Requantisation(multiplier.astype(np.int32), shift.astype(np.uint8), relu=relu)


def freeze(
    encoder: Encoder,
    *,
    name: str,
    features: FeatureSpec | None = None,
    captions: CaptionSet | None = None,
    gate_threshold: float = 0.35,
    metadata: Mapping[str, str] | None = None,
) -> TernaryNetwork:
    """Return the integer network of a trained ternary encoder.

    Args:
        encoder: Trained with ``precision="ternary"``.
        name: Of the network.
        features: How events become its input.
        captions: What its embedding is compared with.
        gate_threshold: Cosine distance above which an event is worth sending.
        metadata: Provenance, in words.

    Raises:
        InvalidValueError: The encoder is a float twin, whose weights were never meant to be rounded, or a channel's
            bias leaves the accumulator's range: its norm has collapsed.
    """
    if not all(stage.linear.ternary for stage in encoder.stages):
        raise InvalidValueError("only a ternary encoder can be frozen, but this one was trained with real weights")
    layers: list[TernaryLayer] = []
    scale, output_scale = encoder.input_scale, np.ones(0)
    for block in encoder.stages:
        folded = fold(block, scale)
        layers.append(_integer_layer(folded, len(layers)))
        scale, output_scale = folded.activation_scale or 1.0, folded.gain
    return TernaryNetwork(
        name=name,
        layers=tuple(layers),
        output_scale=output_scale.astype(np.float32),
        features=features,
        captions=captions,
        gate_threshold=gate_threshold,
        metadata={"activation_scales": "static, learned in training", **(metadata or {})},
    )


def _integer_layer(folded: FoldedLayer, index: int) -> TernaryLayer:
    codes, gain, offset = folded.codes, folded.gain, folded.offset
    factors = None
    if folded.activation_scale is not None:
        sign = np.where(gain < 0, -1, 1)
        codes = (codes * sign[:, None]).astype(np.int8)
        offset = offset * sign
        factors = requantisation(np.abs(gain) / folded.activation_scale)
    if np.abs(offset).max() > LARGEST_BIAS:
        raise InvalidValueError(
            f"bias of layer {index} must stay within {LARGEST_BIAS}, but is {np.abs(offset).max():.3g}: {COLLAPSED}"
        )
    return TernaryLayer(codes, np.rint(offset).astype(np.int32), folded.weight_scale, factors, folded.patches)
