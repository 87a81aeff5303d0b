"""What one inference of a network asks of its substrate, counted from the network itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.network import TernaryLayer, TernaryNetwork

__all__ = ["Workload", "workload"]

TILE_ROWS = 128
"""Rows of an array tile: longer weight rows are cut and their partial sums converted one by one."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Counts per inference.

    Attributes:
        cells: Memristor reads: two per weight (differential pair) and position.
        adc_conversions: One per output, position and row tile.
        dac_conversions: One per input line, position and bit of the input.
        digital_operations: Additions of partial sums, biases and requantisations.
        synaptic_operations: Non-zero weights times positions, every input counted as active.
        weight_bytes: The weights at two bits each.
    """

    cells: int
    adc_conversions: int
    dac_conversions: int
    digital_operations: int
    synaptic_operations: int
    weight_bytes: int


def _layer(layer: TernaryLayer, tile_rows: int) -> Workload:
    row_tiles = -(-layer.fan_in // tile_rows)
    outputs = layer.channels * layer.positions
    return Workload(
        cells=2 * layer.weight.size * layer.positions,
        adc_conversions=outputs * row_tiles,
        dac_conversions=layer.fan_in * layer.positions,
        digital_operations=outputs * (row_tiles + 2),
        synaptic_operations=int(np.count_nonzero(layer.weight)) * layer.positions,
        weight_bytes=-(-layer.weight.size // 4),
    )


def workload(network: TernaryNetwork, *, tile_rows: int = TILE_ROWS) -> Workload:
    """Count what one inference of a network needs."""
    layers = [_layer(layer, tile_rows) for layer in network.layers]
    return Workload(*(sum(getattr(each, name) for each in layers) for name in Workload.__slots__))
