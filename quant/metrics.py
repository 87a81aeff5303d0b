"""What a network costs to store and to run: NeuroBench's definitions, and those of packed and analog weights.

NeuroBench's footprint counts every parameter and buffer at its tensor's size, so a ternary weight costs as much as a
float32 one;
its synaptic operations count pairs of a non-zero input and a non-zero weight (Yik et al., Nature Communications 2025,
and the package neurobench 2). Ours count what packed software reads and what an array does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hil.network import TernaryLayer, TernaryNetwork
from hil.types import Int8Array, LayerTrace

__all__ = ["ArrayCost", "NeuroBenchMetrics", "array_cost", "neurobench_metrics"]

FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class NeuroBenchMetrics:
    """NeuroBench's figures.

    Attributes:
        footprint_bytes: Every parameter and buffer at its own size, weights as float32 as the package sees them.
        connection_sparsity: Share of zero weights, 4 decimals as the package rounds it.
        activation_sparsity: Share of zero activations between layers.
        effective_acs: Per inference, in layers whose inputs are all -1, 0 or +1.
        effective_macs: Per inference, in the other layers.
        dense_operations: Per inference, every weight and input counted.
    """

    footprint_bytes: int
    connection_sparsity: float
    activation_sparsity: float
    effective_acs: float
    effective_macs: float
    dense_operations: float

    def as_document(self) -> dict[str, float]:
        """Return the figures as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ArrayCost:
    """What packed software reads and a differential array does for one inference.

    Attributes:
        packed_bytes: Weights at two bits each, rows on whole bytes.
        cells: Memristors: two per weight.
        driven_rows: Word lines with a non-zero input, over all positions and column tiles; mean over the windows.
        cell_reads: Cells on driven rows, whatever they hold; mean over the windows.
        adc_conversions: One per output, position and row tile.
    """

    packed_bytes: int
    cells: int
    driven_rows: float
    cell_reads: float
    adc_conversions: int

    def as_document(self) -> dict[str, float]:
        """Return the figures as JSON-ready values."""
        return asdict(self)


def _inputs(features: Int8Array, layers: Sequence[LayerTrace]) -> list[Int8Array]:
    return [features, *(trace.activation for trace in layers[:-1])]


def _pairs(layer: TernaryLayer, inputs: Int8Array) -> float:
    """Return the pairs of a non-zero input and a non-zero weight per inference."""
    active = np.count_nonzero(layer.unfold(inputs), axis=(0, 1)).astype(np.float64)
    weights = np.count_nonzero(layer.weight, axis=0)
    return float(active @ weights) / len(inputs)


def _dense(layer: TernaryLayer) -> float:
    ones = np.ones((1, layer.d_in), np.int8)
    return float(np.count_nonzero(layer.unfold(ones))) * layer.channels


def _footprint_bytes(network: TernaryNetwork) -> int:
    total = network.output_scale.nbytes
    for layer in network.layers:
        total += FLOAT32_BYTES * layer.weight.size + layer.bias.nbytes
        if layer.requantisation is not None:
            total += layer.requantisation.multiplier.nbytes + layer.requantisation.shift.nbytes
    return total


def neurobench_metrics(network: TernaryNetwork, features: Int8Array, layers: Sequence[LayerTrace]) -> NeuroBenchMetrics:
    """Measure a network on windows.

    Args:
        network: The network that ran.
        features: (n, d_in) int8, at least one window.
        layers: Its trace on them, from an exact substrate.
    """
    operations = {True: 0.0, False: 0.0}
    for layer, inputs in zip(network.layers, _inputs(features, layers), strict=True):
        operations[bool((np.abs(inputs.astype(np.int16)) <= 1).all())] += _pairs(layer, inputs)
    zeros = sum(int(np.count_nonzero(layer.weight == 0)) for layer in network.layers)
    size = sum(layer.weight.size for layer in network.layers)
    hidden = [trace.activation for trace in layers[:-1]]
    activations = sum(values.size for values in hidden)
    quiet = sum(int(np.count_nonzero(values == 0)) for values in hidden)
    return NeuroBenchMetrics(
        footprint_bytes=_footprint_bytes(network),
        connection_sparsity=round(zeros / size, 4),
        activation_sparsity=quiet / activations if activations else 0.0,
        effective_acs=operations[True],
        effective_macs=operations[False],
        dense_operations=sum(_dense(layer) for layer in network.layers),
    )


def array_cost(
    network: TernaryNetwork, features: Int8Array, layers: Sequence[LayerTrace], *, rows: int = 128, columns: int = 128
) -> ArrayCost:
    """Count what arrays of (rows, columns) cells do for a network on windows.

    Args:
        network: The network that ran.
        features: (n, d_in) int8, at least one window.
        layers: Its trace on them.
        rows: Word lines of a tile.
        columns: Bit lines of a tile; a weight takes two.
    """
    figures: dict[str, Any] = dict.fromkeys(ArrayCost.__slots__, 0)
    for layer, inputs in zip(network.layers, _inputs(features, layers), strict=True):
        active = np.count_nonzero(layer.unfold(inputs)) / len(inputs)
        figures["packed_bytes"] += layer.channels * -(-layer.fan_in // 4)
        figures["cells"] += 2 * layer.weight.size
        figures["driven_rows"] += active * -(-2 * layer.channels // columns)
        figures["cell_reads"] += active * 2 * layer.channels
        figures["adc_conversions"] += layer.channels * layer.positions * -(-layer.fan_in // rows)
    return ArrayCost(**figures)
