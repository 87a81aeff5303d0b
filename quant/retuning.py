"""Fits a frozen network to the target it runs on: biases and multipliers from what the target's layers really say.

A substrate that loses current in its wires, or whose cells are noisy, returns accumulators of another mean and
deviation than exact software. Bias and multiplier are digital on every substrate, so each channel is brought back to
the moments it was trained with: batch-norm re-estimation on the target, without torch and without touching a cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hil.errors import InvalidValueError
from hil.inference import programmed
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import Backend
from hil.progress import OnProgress, ignore_progress
from hil.types import Float64Array, Int8Array, Int32Array
from quant.freezing import LARGEST_BIAS, requantisation

__all__ = ["Moments", "exact_accumulators", "measured", "retune", "retuned_layer"]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What a layer's channels say over many windows.

    Attributes:
        mean: (channels,) float64.
        deviation: (channels,) float64.
    """

    mean: Float64Array
    deviation: Float64Array

    @classmethod
    def of(cls, layer: TernaryLayer, accumulators: Int32Array) -> Moments:
        """Return the moments of (n, d_out) accumulators, over windows and positions."""
        by_channel = accumulators.reshape(len(accumulators), layer.channels, layer.positions).astype(np.float64)
        return cls(by_channel.mean(axis=(0, 2)), by_channel.std(axis=(0, 2)))


def exact_accumulators(network: TernaryNetwork, features: Int8Array) -> list[Int32Array]:
    """Return the (n, d_out) accumulators of every layer, without bias, by the integer contract."""
    sums, activation = [], features
    for layer in network.layers:
        product = layer.unfold(activation).astype(np.float64) @ layer.weight.T.astype(np.float64)
        accumulators = product.astype(np.int32)
        sums.append(layer.fold(accumulators))
        if layer.requantisation is not None:
            activation = layer.fold(layer.requantisation.apply(accumulators + layer.bias))
    return sums


def measured(network: TernaryNetwork, backend: Backend, features: Int8Array, layer: int, *, seed: int) -> Int32Array:
    """Return one layer's (n, d_out) accumulators on a target.

    Args:
        network: To program it with.
        backend: The target.
        features: (n, d_in) int8 windows, one after the other on the target's clock.
        layer: Index of the layer.
        seed: Of the target's devices.

    Raises:
        InvalidValueError: The target does not say what its layers computed.
    """
    length_us = network.features.window_us if network.features else 1
    t_us = np.arange(1, len(features) + 1, dtype=np.int64) * length_us
    with programmed(backend, network, seed=seed) as session:
        layers = session.infer(features, t_us=t_us, trace=True).layers
    if len(layers) != len(network.layers):
        raise InvalidValueError(f"target {backend.name!r} must trace its layers to be tuned to, but does not")
    accumulators: Int32Array = np.rint(layers[layer].accumulator).astype(np.int32)
    return accumulators


def retuned_layer(layer: TernaryLayer, trained: Moments, found: Moments) -> tuple[TernaryLayer, Float64Array]:
    """Return the layer brought back to the moments it was trained with, and (channels,) how much was amplified.

    With ``r = trained deviation / found deviation`` the new bias is ``(mean + bias) / r - found mean`` and the
    multiplier, or the output scale of a last layer, is multiplied by ``r``.
    """
    usable = (trained.deviation > 0) & (found.deviation > 0)
    ratio = np.where(usable, trained.deviation / np.where(usable, found.deviation, 1.0), 1.0)
    bias = np.rint((trained.mean + layer.bias) / ratio - found.mean).clip(-LARGEST_BIAS, LARGEST_BIAS)
    factors = layer.requantisation
    if factors is not None:
        gain = np.ldexp(factors.multiplier.astype(np.float64), -factors.shift.astype(np.int64))
        factors = requantisation(gain * ratio, relu=factors.relu)
    return replace(layer, bias=bias.astype(np.int32), requantisation=factors), ratio


def retune(
    network: TernaryNetwork,
    backend: Backend,
    features: Int8Array,
    *,
    seed: int,
    on_progress: OnProgress = ignore_progress,
) -> TernaryNetwork:
    """Return the network fitted to a target, layer by layer from the input on.

    Args:
        network: As it was trained.
        backend: The target; it is programmed once per layer, with the same seed, so it is the same device each time.
        features: (n, d_in) int8 windows of the kind it will see; labels are not needed.
        seed: Of the target's devices.
        on_progress: Called with the layers done and their number.
    """
    trained = [
        Moments.of(layer, sums)
        for layer, sums in zip(network.layers, exact_accumulators(network, features), strict=True)
    ]
    for i, moments in enumerate(trained):
        found = Moments.of(network.layers[i], measured(network, backend, features, i, seed=seed))
        network = _with_layer(network, i, moments, found)
        on_progress(i + 1, len(trained))
    return replace(network, metadata={**network.metadata, "retuned_to": f"{backend.name}, seed {seed}"})


def _with_layer(network: TernaryNetwork, i: int, trained: Moments, found: Moments) -> TernaryNetwork:
    layer, ratio = retuned_layer(network.layers[i], trained, found)
    layers = (*network.layers[:i], layer, *network.layers[i + 1 :])
    scale = network.output_scale
    if i == len(layers) - 1:
        scale = (scale.reshape(layer.channels, -1) * ratio[:, None]).reshape(-1).astype(np.float32)
    return replace(network, layers=layers, output_scale=scale)
