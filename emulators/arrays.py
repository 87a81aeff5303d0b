"""One layer in cells: what was programmed, and the linear operators that its tiles are at any moment."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from emulators.devices.device import Cells, Device
from emulators.tiles import Tiling
from hil.network import TernaryLayer
from hil.rng import stream
from hil.types import Float64Array

__all__ = ["Anchors", "LayerArrays", "Operator", "on_grid"]

PRODUCT_BITS: Final = 52
REMEMBERED: Final = 4


def on_grid(matrix: Float64Array, *, input_bits: int) -> Float64Array:
    """Return a matrix rounded so finely that products with inputs of so many bits are exact in float64.

    Exact sums do not depend on their order, so results are the same whatever the batch, the number of threads or the
    machine. The grid is finer than 1e-7 of one weight, far below any device.

    Args:
        matrix: (rows, columns).
        input_bits: Bits of the integers (on their own grid) that it will be multiplied by.
    """
    reach = float(np.abs(matrix).max(initial=0.0))
    if reach == 0.0:
        return matrix
    head = int(np.ceil(np.log2(reach))) + 1 + int(np.ceil(np.log2(max(len(matrix), 1))))
    scale = 2.0 ** (PRODUCT_BITS - input_bits - head)
    rounded: Float64Array = np.rint(matrix * scale) / scale
    return rounded


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """What one strip of tiles does to its lines in one kind of conversion.

    Attributes:
        matrix: (lines, channels) response of each column to each line, in weight units.
        variance: (lines, channels) variance of one read of it, or None.
    """

    matrix: Float64Array
    variance: Float64Array | None


@dataclass(frozen=True, slots=True)
class Anchors:
    """Moments at which conductances are computed; between two of them the response is interpolated.

    They are spaced evenly in the logarithm of the time since programming, as ageing is. A cell that drifts as a power
    law with exponent nu is off by at most (nu ln(ratio))**2 / 8 in between.

    Attributes:
        first_s: First moment after programming itself.
        ratio: From one moment to the next.
    """

    first_s: float = 1.0
    ratio: float = 1.25

    def at(self, index: int) -> float:
        """Return the time of one anchor in seconds; anchor 0 is the moment of programming."""
        return 0.0 if index == 0 else self.first_s * self.ratio ** (index - 1)

    def bracket(self, t_s: Float64Array) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Float64Array]:
        """Return (n,) the anchor before each time and how far it lies towards the next, 0 to 1."""
        early = t_s < self.first_s
        steps = np.log(np.maximum(t_s, self.first_s) / self.first_s) / np.log(self.ratio)
        index = np.where(early, 0, np.floor(steps).astype(np.int64) + 1)
        part = np.where(early, t_s / self.first_s, steps - np.floor(steps))
        return index, part


@dataclass(slots=True)
class LayerArrays:
    """The cells of one layer and its operators through time.

    Attributes:
        layer: The ternary layer.
        tiling: Where its weights lie.
        device: What the cells are.
        input_bits: Bits of the line voltages, for exact products.
        cells: Per plane, the (strips * lines, columns) cells, padding included.
    """

    layer: TernaryLayer
    tiling: Tiling
    device: Device
    input_bits: int
    cells: list[Cells]
    _operators: OrderedDict[float, list[list[Operator]]] = field(default_factory=OrderedDict, init=False)

    @classmethod
    def program(
        cls, layer: TernaryLayer, tiling: Tiling, device: Device, *, input_bits: int, seed: int, index: int
    ) -> LayerArrays:
        """Program a layer's cells; each plane of each layer draws from a stream of its own."""
        span = device.on_siemens - device.off_siemens
        cells = []
        for plane, levels in enumerate(_padded_levels(layer, tiling)):
            rng = stream(seed, "crossbar", "layer", index, "plane", plane, "program")
            cells.append(device.program(device.off_siemens + levels * span, rng=rng))
        return cls(layer, tiling, device, input_bits, cells)

    def operators(self, t_s: float) -> list[list[Operator]]:
        """Return, per strip and kind of conversion, what the tiles are ``t_s`` seconds after programming."""
        if t_s in self._operators:
            self._operators.move_to_end(t_s)
            return self._operators[t_s]
        self._operators[t_s] = made = self._build(t_s)
        while len(self._operators) > REMEMBERED:
            self._operators.popitem(last=False)
        return made

    def _build(self, t_s: float) -> list[list[Operator]]:
        now = [self.device.conductance(cells, t_s=t_s) for cells in self.cells]
        sigma = [
            self.device.read_sigma(cells, g_siemens, t_s=t_s) for cells, g_siemens in zip(self.cells, now, strict=True)
        ]
        return [
            [self._operator(now, sigma, strip, planes) for planes in self._combinations()]
            for strip in range(self.tiling.strips)
        ]

    def _combinations(self) -> list[tuple[int, ...]]:
        return [conversion.planes for conversion in self.tiling.mapping.conversions]

    def _operator(
        self, now: list[Float64Array], sigma: list[Float64Array | None], strip: int, planes: tuple[int, ...]
    ) -> Operator:
        tiling, device = self.tiling, self.device
        span = device.on_siemens - device.off_siemens
        lines = slice(strip * tiling.lines, (strip + 1) * tiling.lines)
        rows = self._used_lines(strip)
        matrix = -device.off_siemens * sum(planes) * np.ones((len(rows), tiling.channels))
        variance = np.zeros_like(matrix)
        for factor, g_siemens, deviation in zip(planes, now, sigma, strict=True):
            if factor == 0:
                continue
            matrix += factor * g_siemens[lines][rows, : tiling.channels]
            if deviation is not None:
                variance += (factor * deviation[lines][rows, : tiling.channels]) ** 2
        noisy = any(deviation is not None for deviation in sigma)
        return Operator(
            on_grid(matrix / span, input_bits=self.input_bits),
            on_grid(variance / span**2, input_bits=2 * self.input_bits) if noisy else None,
        )

    def _used_lines(self, strip: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        inputs = self.tiling.inputs_of(strip)
        used = np.arange(inputs.stop - inputs.start)
        return np.concatenate(
            [used + k * self.tiling.inputs_per_tile for k in range(self.tiling.mapping.lines_per_input)]
        )


def _padded_levels(layer: TernaryLayer, tiling: Tiling) -> list[Float64Array]:
    """Return, per plane, (strips * lines, column tiles * bit lines) levels; unused cells are off."""
    columns = tiling.column_tiles * tiling.size.bit_lines
    padded = [np.zeros((tiling.strips * tiling.lines, columns)) for _ in tiling.mapping.levels]
    for strip in range(tiling.strips):
        weight = layer.weight[:, tiling.inputs_of(strip)].T
        for plane, levels in zip(padded, tiling.mapping.planes(weight), strict=True):
            for k, block in enumerate(np.split(levels, tiling.mapping.lines_per_input)):
                first = strip * tiling.lines + k * tiling.inputs_per_tile
                plane[first : first + len(block), : tiling.channels] = block
    return padded
