"""One layer in cells: what was written, what reading did to it, and the operators its tiles are at any moment."""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from emulators.devices.device import Cells, Device
from emulators.devices.read_noise import White
from emulators.operators import GatedOperator, LinearOperator, Operator, on_grid
from emulators.tiles import Tiling
from emulators.wires import Wires, solve
from hil.network import TernaryLayer
from hil.rng import stream
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = ["Anchors", "LayerArrays", "Moment", "write_layer"]

REMEMBERED: Final = 4


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

    def bracket(self, t_s: Float64Array) -> tuple[Int64Array, Float64Array]:
        """Return (n,) the anchor before each time and how far it lies towards the next, 0 to 1."""
        early = t_s < self.first_s
        steps = np.log(np.maximum(t_s, self.first_s) / self.first_s) / np.log(self.ratio)
        index = np.where(early, 0, np.floor(steps).astype(np.int64) + 1)
        part = np.where(early, t_s / self.first_s, steps - np.floor(steps))
        return index, part


@dataclass(frozen=True, slots=True)
class Moment:
    """When an array is looked at.

    Attributes:
        anchor_s: Time since programming at which wires are solved.
        t_s: Time since programming at which conductances are wanted.
        reads: Reads of the array since programming.
    """

    anchor_s: float
    t_s: float
    reads: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """One plane of a layer: conductances, what the wires make of them, and how much of it arrives."""

    g_siemens: Float64Array
    response_siemens: Float64Array
    power_siemens: list[Float64Array]

    @property
    def arrives(self) -> Float64Array:
        """(lines, columns) response over conductance: 1 without wires."""
        safe = np.where(self.g_siemens > 0, self.g_siemens, 1.0)
        return np.where(self.g_siemens > 0, self.response_siemens / safe, 1.0)


@dataclass(slots=True)
class LayerArrays:
    """The cells of one layer and its operators through time.

    Attributes:
        layer: The ternary layer.
        tiling: Where its weights lie.
        device: What the cells are.
        wires: Of each array.
        volt_per_step: Line voltage of one input step.
        input_bits: Bits of the line voltages, for exact products.
        horizon_s: Memory of read noise shorter than this counts as none.
        cells: Per plane, the (strips * lines, columns) cells, padding included.
        written_reads: Per plane, reads of the array when each cell was last written: a number or an array.
    """

    layer: TernaryLayer
    tiling: Tiling
    device: Device
    wires: Wires
    volt_per_step: float
    input_bits: int
    horizon_s: float
    cells: list[Cells]
    written_reads: list[Int64Array | int] = field(default_factory=list)
    _solved: OrderedDict[float, list[_Plane]] = field(default_factory=OrderedDict, init=False)
    _operators: OrderedDict[Moment, list[list[Operator]]] = field(default_factory=OrderedDict, init=False)

    def __post_init__(self) -> None:
        """Begin with no reads."""
        self.written_reads = [0 for _ in self.cells]

    @property
    def steps(self) -> bool:
        """Whether the arrays change in steps: by remembered noise or by reading. Otherwise they age smoothly."""
        noise = self.device.read_noise
        remembers = noise is not None and not isinstance(noise.memory, White)
        return remembers or self.device.disturb is not None

    def operators(self, moment: Moment) -> list[list[Operator]]:
        """Return, per strip and kind of conversion, what the tiles are at a moment."""
        if moment not in self._operators:
            self._operators[moment] = self._build(moment)
        self._operators.move_to_end(moment)
        while len(self._operators) > REMEMBERED:
            self._operators.popitem(last=False)
        return self._operators[moment]

    def rewrite(self, plane: int, chosen: BoolArray, *, t_s: float, reads: int, rng: np.random.Generator) -> None:
        """Write some cells of a plane again."""
        self.cells[plane] = self.device.rewrite(self.cells[plane], chosen, t_s=t_s, rng=rng)
        self.written_reads[plane] = np.where(chosen, reads, self.written_reads[plane])
        self._solved.clear()
        self._operators.clear()

    def reads_since(self, plane: int, reads: int) -> Int64Array | int:
        """Return reads of the array since each cell of a plane was written."""
        since: Int64Array | int = reads - self.written_reads[plane]
        return since

    # --- from conductances to operators ------------------------------------------------------------------------

    def _build(self, moment: Moment) -> list[list[Operator]]:
        anchored = self._anchored(moment.anchor_s)
        planes = [self._looked_up(index, plane, moment) for index, plane in enumerate(anchored)]
        return [
            [self._operator(planes, strip, conversion.planes) for conversion in self.tiling.mapping.conversions]
            for strip in range(self.tiling.strips)
        ]

    def _anchored(self, t_s: float) -> list[_Plane]:
        """Return every plane without noise at one anchor, its wires solved."""
        if t_s not in self._solved:
            conductances = [self.device.conductance(cells, t_s=t_s) for cells in self.cells]
            self._solved[t_s] = [self._wired(g_siemens) for g_siemens in conductances]
        self._solved.move_to_end(t_s)
        while len(self._solved) > REMEMBERED:
            self._solved.popitem(last=False)
        return self._solved[t_s]

    def _wired(self, g_siemens: Float64Array) -> _Plane:
        """Return a plane with its wires solved tile by tile, and per strip what its drivers deliver."""
        if self.wires.are_ideal or self.wires.topology == "gated1t1r":
            sums = np.split(g_siemens.sum(axis=1), self.tiling.strips)
            return _Plane(g_siemens, g_siemens, sums)
        response = np.empty_like(g_siemens)
        power = [np.zeros((self.tiling.lines, self.tiling.lines)) for _ in range(self.tiling.strips)]

        def run(where: tuple[int, slice, slice]) -> Float64Array:
            _, lines, columns = where
            solution = solve(g_siemens[lines, columns], np.eye(self.tiling.lines), self.wires)
            response[lines, columns] = solution.column_current_ampere
            return solution.row_current_ampere

        tiles = [(strip, *self._tile(strip, k)) for strip in range(self.tiling.strips) for k in self._column_tiles]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for (strip, _, _), rows in zip(tiles, pool.map(run, tiles), strict=True):
                power[strip] += rows
        return _Plane(g_siemens, response, power)

    @property
    def _column_tiles(self) -> range:
        return range(self.tiling.column_tiles)

    def _tile(self, strip: int, column_tile: int) -> tuple[slice, slice]:
        """Return which lines and columns of a plane one array holds."""
        lines, columns = self.tiling.lines, self.tiling.size.bit_lines
        return slice(strip * lines, (strip + 1) * lines), slice(column_tile * columns, (column_tile + 1) * columns)

    def _looked_up(self, index: int, anchored: _Plane, moment: Moment) -> tuple[_Plane, Float64Array | None]:
        """Return a plane with its reads and remembered noise at a moment, and the deviation of its fresh noise.

        With wires a change of conductance reaches the column through the share of the voltage that reaches the cell
        and the share of the current that returns from it; both are near ``arrives``, so their product is its square.
        This is an approximation; docs/crossbar.md states its error against the exact operator.
        """
        cells, now = self.cells[index], anchored.g_siemens
        if moment.t_s != moment.anchor_s or self.device.disturb is not None:
            reads = self.reads_since(index, moment.reads)
            now = self.device.conductance(cells, t_s=moment.t_s, reads=reads)
        now, sigma = self.device.fluctuating(cells, now, t_s=moment.t_s, horizon_s=self.horizon_s)
        if now is anchored.g_siemens:
            return anchored, self._through(anchored, sigma)
        if anchored.response_siemens is anchored.g_siemens:
            return _Plane(now, now, anchored.power_siemens), sigma
        response = anchored.response_siemens + anchored.arrives**2 * (now - anchored.g_siemens)
        changed = _Plane(now, response, anchored.power_siemens)
        return changed, self._through(anchored, sigma)

    def _through(self, plane: _Plane, sigma: Float64Array | None) -> Float64Array | None:
        if sigma is None or plane.response_siemens is plane.g_siemens:
            return sigma
        return sigma * plane.arrives**2

    def _operator(
        self, planes: list[tuple[_Plane, Float64Array | None]], strip: int, factors: tuple[int, ...]
    ) -> Operator:
        rows, lines = self._used_lines(strip), slice(strip * self.tiling.lines, (strip + 1) * self.tiling.lines)
        chosen = [(factor, plane, sigma) for factor, (plane, sigma) in zip(factors, planes, strict=True) if factor]
        span, columns = self.device.span_siemens, self.tiling.channels
        matrix = np.full((len(rows), columns), -self.device.off_siemens * sum(factors))
        variance = np.zeros_like(matrix)
        for factor, plane, sigma in chosen:
            matrix += factor * plane.response_siemens[lines][rows, :columns]
            if sigma is not None:
                variance += (factor * sigma[lines][rows, :columns]) ** 2
        noisy = any(sigma is not None for _, _, sigma in chosen)
        spread = on_grid(variance / span**2, input_bits=2 * self.input_bits) if noisy else None
        power = self._power(chosen, strip, rows)
        if self.wires.topology == "gated1t1r" and not self.wires.are_ideal:
            held = tuple((factor, plane.g_siemens[lines]) for factor, plane, _ in chosen)
            reference = self.device.off_siemens * sum(factors)
            where = (self.tiling.size.bit_lines, rows, columns)
            return GatedOperator(held, self.wires, *where, span, reference, spread, power)
        bends = self._bends([(factor, plane) for factor, plane, _ in chosen], lines, rows)
        return LinearOperator(on_grid(matrix / span, input_bits=self.input_bits), spread, power, bends)

    def _power(self, chosen: list[Any], strip: int, rows: Int64Array) -> Float64Array:
        """Return what the drivers deliver per volt squared: (lines,), or (lines, lines) through wires."""
        total = np.sum([plane.power_siemens[strip] for _, plane, _ in chosen], axis=0)
        power: Float64Array = total[rows] if total.ndim == 1 else total[np.ix_(rows, rows)]
        return power

    def _bends(
        self, chosen: list[tuple[int, _Plane]], lines: slice, rows: Int64Array
    ) -> tuple[Float64Array, Float64Array] | None:
        """Return the responses to the square and the cube of the inputs, or None for ohmic cells."""
        if self.device.conduction is None:
            return None
        second, third = (np.zeros((len(rows), self.tiling.channels)) for _ in range(2))
        for factor, plane in chosen:
            part = plane.g_siemens[lines][rows, : self.tiling.channels]
            arrives = plane.arrives[lines][rows, : self.tiling.channels]
            square, cube = self.device.conduction.terms(part)
            second += factor * square * arrives**3
            third += factor * cube * arrives**4
        span = self.device.span_siemens
        return second * self.volt_per_step / span, third * self.volt_per_step**2 / span

    def _used_lines(self, strip: int) -> Int64Array:
        """Return which lines of a strip are driven: the others are padding."""
        inputs = self.tiling.inputs_of(strip)
        used = np.arange(inputs.stop - inputs.start)
        lines = [used + k * self.tiling.inputs_per_tile for k in range(self.tiling.mapping.lines_per_input)]
        return np.concatenate(lines)


def write_layer(layer: TernaryLayer, tiling: Tiling, device: Device, *, seed: int, index: int) -> list[Cells]:
    """Write a layer's cells; each plane of each layer draws from a stream of its own."""
    return [
        device.program(
            device.off_siemens + levels * device.span_siemens,
            rng=stream(seed, "crossbar", "layer", index, "plane", plane, "program"),
        )
        for plane, levels in enumerate(_padded_levels(layer, tiling))
    ]


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
