"""Sizes of a core for a network, and the order in which it drains what it computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from boards.rtl.memh import DESCRIPTOR_WORDS
from hil.network import TernaryLayer, TernaryNetwork
from hil.types import Int32Array, LayerTrace

__all__ = ["CoreSize", "ideal_cycles", "split_drained", "verilog_sources"]


def verilog_sources(*names: str) -> list[Path]:
    """Return the paths of shipped Verilog (and harness) files."""
    with as_file(files("boards.rtl") / "verilog") as folder:
        return [folder / name for name in names]


def _power_of_two(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


@dataclass(frozen=True, slots=True)
class CoreSize:
    """Parameters of ``ternary_top``; memories are rounded up to powers of two so that builds are shared.

    Attributes:
        lanes: Accumulators.
        weight_words: Depth of the weight memory.
        channel_words: Depth of the channel memory.
        layer_words: Depth of the descriptor memory.
        activation_words: Depth of each activation bank.
    """

    lanes: int
    weight_words: int
    channel_words: int
    layer_words: int
    activation_words: int

    @classmethod
    def of(cls, network: TernaryNetwork, lanes: int) -> CoreSize:
        """Return the smallest core that holds a network."""
        groups = [-(-layer.channels // lanes) * layer.fan_in for layer in network.layers]
        return cls(
            lanes,
            _power_of_two(sum(groups)),
            _power_of_two(sum(layer.channels for layer in network.layers)),
            _power_of_two(DESCRIPTOR_WORDS * (len(network.layers) + 1)),
            _power_of_two(max(max(layer.d_in, layer.d_out) for layer in network.layers)),
        )

    def parameters(self) -> dict[str, int]:
        """Return the Verilog parameters."""
        return {name.upper(): getattr(self, name) for name in self.__slots__}


def ideal_cycles(network: TernaryNetwork, lanes: int) -> int:
    """Return inputs streamed plus outputs drained: what a core without any overhead needs for one inference."""

    def layer_cycles(layer: TernaryLayer) -> int:
        return layer.positions * (-(-layer.channels // lanes) * layer.fan_in + layer.channels)

    return sum(layer_cycles(layer) for layer in network.layers)


def split_drained(network: TernaryNetwork, drained: Int32Array) -> tuple[LayerTrace, ...]:
    """Return each layer's trace from what the core drained.

    Args:
        network: The network that ran.
        drained: (n, outputs, 2) int32: accumulator plus bias, and the requantised value, channel by channel within each
            position, position by position, layer by layer.
    """
    traces, start = [], 0
    for layer in network.layers:
        part = drained[:, start : start + layer.d_out].reshape(-1, layer.positions, layer.channels, 2)
        start += layer.d_out
        biased, value = part[..., 0], part[..., 1]
        following = biased if layer.requantisation is None else value.astype(np.int8)
        traces.append(LayerTrace(layer.fold(biased - layer.bias), layer.fold(following)))
    return tuple(traces)


def drained_per_window(layers: Sequence[TernaryLayer]) -> int:
    """Return how many channels the core drains for one window."""
    return sum(layer.d_out for layer in layers)
