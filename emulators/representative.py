"""Inputs to calibrate on when nobody gives any: made from the network alone, the same for everyone.

Converters are set before the first window arrives, so what they are set to cannot depend on how a stream is cut into
calls. A frozen network says what its inputs look like: its feature map says where they lie, and its first
requantisation, learned in training, says how large they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emulators.reference import exact_accumulators
from hil.network import INT8_MAX, Requantisation, TernaryLayer, TernaryNetwork
from hil.rng import stream
from hil.types import Float64Array, Int8Array

__all__ = ["layer_inputs", "representative_windows"]

SEED: Final = 20260101  # fixed: two sessions with different seeds are calibrated alike
LARGEST_RATE: Final = 64.0
MOST_VECTORS: Final = 512  # positions of a convolution are alike, and the search for a range is not free
FULL_QUANTILE: Final = 0.99
UNKNOWN_SIZE: Final = 32.0  # of a network that never requantises, so that counts use the int8 range


def _smooth(field: Float64Array, reach: float) -> Float64Array:
    from scipy.ndimage import gaussian_filter

    smoothed: Float64Array = gaussian_filter(field, sigma=(0.0, 0.0, reach, reach), mode="wrap")
    smoothed /= smoothed.std()
    return smoothed


def _rates(network: TernaryNetwork, n: int, rng: np.random.Generator) -> Float64Array:
    """Return (n, d_in) relative event rates: blobs on the grid of the feature map, or scattered without one."""
    spec = network.features
    if spec is None:
        scattered: Float64Array = rng.exponential(size=(n, network.d_in)) * (rng.random((n, network.d_in)) < 0.3)
        return scattered
    field = rng.standard_normal((n, 2 * spec.time_bins, spec.height, spec.width))
    blobs = np.maximum(_smooth(field, max(spec.width, spec.height) / 12.0) - 0.8, 0.0)
    loudness = rng.lognormal(0.0, 0.5, size=(n, 1, 1, 1))
    rates: Float64Array = (blobs * loudness).reshape(n, -1)
    return rates


def _fullness(layer: TernaryLayer, rule: Requantisation, windows: Int8Array) -> float:
    """Return how far up the int8 range the layer's activations reach, 1 where the 99th percentile meets the clip."""
    biased = exact_accumulators(layer.weight, layer.unfold(windows)) + layer.bias
    scaled = np.ldexp(biased * rule.multiplier.astype(np.float64), -rule.shift.astype(int))
    return float(np.quantile(np.abs(scaled) if not rule.relu else scaled, FULL_QUANTILE)) / INT8_MAX


def representative_windows(network: TernaryNetwork, n: int = 128) -> Int8Array:
    """Return (n, d_in) int8 counts whose size fills the first layer's activations as training left them.

    Args:
        network: What is to be calibrated.
        n: How many windows.
    """
    rng = stream(SEED, "crossbar", "representative")
    rates, layer = _rates(network, n, rng), network.layers[0]
    uniform = rng.random(rates.shape)

    def windows(size: float) -> Int8Array:
        counts = np.floor(rates * size + uniform)
        return np.minimum(counts, INT8_MAX).astype(np.int8)

    if layer.requantisation is None:
        return windows(UNKNOWN_SIZE)
    low, high = 1.0 / 64.0, LARGEST_RATE
    for _ in range(12):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if _fullness(layer, layer.requantisation, windows(middle)) < 1.0 else (low, middle)
    return windows(low)


def layer_inputs(network: TernaryNetwork, windows: Int8Array) -> list[Int8Array]:
    """Return, per layer, (vectors, fan_in) int8 that exact software would feed it, evenly thinned to 512 at most."""
    values, inputs = windows, []
    for layer in network.layers:
        vectors = layer.unfold(values)
        flat = vectors.reshape(-1, layer.fan_in)
        inputs.append(flat[:: -(-len(flat) // MOST_VECTORS)])
        if layer.requantisation is not None:
            sums = exact_accumulators(layer.weight, vectors)
            values = layer.fold(layer.requantisation.apply(sums + layer.bias))
    return inputs
