"""Random networks and the plainest possible forward pass, for suites that need something to agree with."""

from __future__ import annotations

import numpy as np

from hil.network import Patches, Requantisation, TernaryLayer, TernaryNetwork
from hil.types import Int8Array, LayerTrace

__all__ = ["random_features", "random_network", "reference_layers", "rounding_network"]

LARGEST_MULTIPLIER = 2**31 - 1
LARGEST_SHIFT = 62
LARGEST_BIAS = 2**30


def _random_layer(
    channels: int, fan_in: int, *, last: bool, patches: Patches | None, rng: np.random.Generator
) -> TernaryLayer:
    requantisation = None
    if not last:
        shift = rng.integers(8, 20, channels, dtype=np.uint8)
        gain = 40.0 / (np.sqrt(fan_in) * 16.0) * rng.uniform(0.5, 2.0, channels)
        multiplier = np.round(gain * 2.0 ** shift.astype(np.float64)).astype(np.int32)
        requantisation = Requantisation(multiplier, shift, relu=bool(rng.integers(2)))
    return TernaryLayer(
        weight=rng.integers(-1, 2, (channels, fan_in), dtype=np.int8),
        bias=rng.integers(-200, 200, channels, dtype=np.int32),
        weight_scale=float(rng.uniform(0.01, 1.0)),
        requantisation=requantisation,
        patches=patches,
    )


def random_network(
    sizes: tuple[int, ...] = (40, 24, 16),
    *,
    rng: np.random.Generator,
    patches: Patches | None = None,
    channels: int = 4,
) -> TernaryNetwork:
    """Return a network of random codes, biases and factors.

    Args:
        sizes: Input length, then the width of each dense layer. With ``patches`` the first size is ignored.
        rng: Source of every number.
        patches: Put a convolution of this geometry, with ``channels`` channels, in front of the dense layers.
        channels: Channels of that convolution.
    """
    layers = []
    d_in = sizes[0]
    if patches is not None:
        layers.append(_random_layer(channels, patches.fan_in, last=False, patches=patches, rng=rng))
        d_in = layers[0].d_out
    for i, width in enumerate(sizes[1:], start=1):
        layers.append(_random_layer(width, d_in, last=i == len(sizes) - 1, patches=None, rng=rng))
        d_in = width
    scale = rng.uniform(0.001, 0.1, d_in).astype(np.float32)
    return TernaryNetwork(name="random", layers=tuple(layers), output_scale=scale)


def rounding_network(*, rng: np.random.Generator, d_in: int = 40, d_out: int = 16) -> TernaryNetwork:
    """Return a network whose requantisation is hard to get right.

    It has every shift from 1 to 62, products that need 64 bits, negative sums, and many ties: with the even half of
    its channels a sum is divided by exactly two, so that every second sum lies half way between two integers.
    """
    shift = np.arange(1, LARGEST_SHIFT + 1)
    halving = (shift <= 31) & (shift % 2 == 0)
    multiplier = np.where(halving, 2.0 ** (shift - 1), np.minimum(2.0**shift / 37, LARGEST_MULTIPLIER))
    one = 2.0**shift / multiplier  # the sum that becomes one
    bias = np.clip(rng.uniform(-150, 150, len(shift)) * one, -LARGEST_BIAS, LARGEST_BIAS)
    first = TernaryLayer(
        weight=rng.integers(-1, 2, (len(shift), d_in), dtype=np.int8),
        bias=np.where(halving, rng.integers(-200, 200, len(shift)), bias).astype(np.int32),
        weight_scale=1.0,
        requantisation=Requantisation(multiplier.astype(np.int32), shift.astype(np.uint8), relu=False),
    )
    last = _random_layer(d_out, len(shift), last=True, patches=None, rng=rng)
    scale = rng.uniform(0.001, 0.1, d_out).astype(np.float32)
    return TernaryNetwork(name="rounding", layers=(first, last), output_scale=scale)


def random_features(network: TernaryNetwork, n: int, *, rng: np.random.Generator, active: float = 0.3) -> Int8Array:
    """Return (n, d_in) int8 features of which a share ``active`` is not zero, over the whole int8 range."""
    values = rng.integers(-128, 128, (n, network.d_in)).astype(np.int8)
    values[rng.random(values.shape) >= active] = 0
    return values


def reference_layers(network: TernaryNetwork, features: Int8Array) -> tuple[LayerTrace, ...]:
    """Run the integer contract in int64, one matrix product a layer: slow, obvious, and the same everywhere."""
    traces = []
    activation = features
    for layer in network.layers:
        product = layer.unfold(activation).astype(np.int64) @ layer.weight.T.astype(np.int64)
        biased = (product + layer.bias).astype(np.int32)
        following = biased if layer.requantisation is None else layer.requantisation.apply(biased)
        activation = layer.fold(following)
        traces.append(LayerTrace(layer.fold(product.astype(np.int32)), activation))
    return tuple(traces)
