"""Small random networks that exercise every shape the integer contract allows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from hil.network import Patches, Requantisation, TernaryLayer, TernaryNetwork


def ternary_weight(rng, channels, fan_in, *, zeros=0.4):
    signs = rng.choice(np.array([-1, 1], np.int8), size=(channels, fan_in))
    return np.where(rng.random((channels, fan_in)) < zeros, np.int8(0), signs)


def requantisation(rng, channels, fan_in, *, relu=True):
    """Bring sums of sqrt(fan_in) * 10 or so back to int8."""
    shift = rng.integers(12, 24, size=channels)
    scale = 8.0 / np.sqrt(fan_in) * rng.uniform(0.3, 1.5, size=channels)
    return Requantisation((scale * 2.0**shift).astype(np.int32), shift.astype(np.uint8), relu)


def layer(rng, channels, fan_in, *, last=False, patches=None, relu=True):
    return TernaryLayer(
        ternary_weight(rng, channels, fan_in),
        rng.integers(-50, 50, size=channels).astype(np.int32),
        0.05,
        None if last else requantisation(rng, channels, fan_in, relu=relu),
        patches,
    )


def dense_network(rng, sizes, *, relu=True):
    pairs = list(pairwise(sizes))
    layers = [layer(rng, o, i, last=k == len(pairs) - 1, relu=relu) for k, (i, o) in enumerate(pairs)]
    scale = rng.uniform(0.001, 0.01, sizes[-1]).astype(np.float32)
    return TernaryNetwork("dense", tuple(layers), scale)


def conv_network(rng, *, in_channels=2, side=7, kernel=3, stride=2, padding=1, channels=5, d_out=6):
    patches = Patches(in_channels, side, side, kernel, stride, padding)
    first = layer(rng, channels, patches.fan_in, patches=patches)
    last = layer(rng, d_out, first.d_out, last=True)
    return TernaryNetwork("conv", (first, last), np.full(d_out, 0.01, np.float32))


def windows(rng, n, d_in, *, sparse=True):
    counts = rng.integers(-128, 128, size=(n, d_in)).astype(np.int8)
    if not sparse:
        return counts
    few = rng.poisson(0.4, size=(n, d_in)).clip(0, 127).astype(np.int8)
    return np.where(rng.random((n, 1)) < 0.5, few, counts)


def times(n, *, step_us=10_000, start_us=0):
    return start_us + step_us * np.arange(1, n + 1, dtype=np.int64)


@st.composite
def networks(draw, *, largest=200):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        depth = draw(st.integers(1, 3))
        sizes = [draw(st.integers(1, largest)) for _ in range(depth + 1)]
        return dense_network(rng, sizes, relu=draw(st.booleans()))
    kernel = draw(st.integers(1, 3))
    return conv_network(
        rng,
        in_channels=draw(st.integers(1, 3)),
        side=draw(st.integers(3, 8)),
        kernel=kernel,
        stride=draw(st.integers(1, 2)),
        padding=draw(st.integers(0, 1)),
        channels=draw(st.integers(1, 6)),
        d_out=draw(st.integers(1, 8)),
    )
