"""One layer in cells: what was written, what reading did to it, and the operators its tiles are at any moment."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np

from emulators.devices.device import Cells, Device
from emulators.devices.read_noise import White
from emulators.operators import Change, GatedOperator, GatedPlane, LinearOperator, Operator, SolvedChange, on_grid
from emulators.tiles import Tiling
from emulators.wires import Wires
from emulators.wires.many import port_matrices
from hil.network import TernaryLayer
from hil.progress import OnProgress, ignore_progress
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
    ratio: float = 3.0

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
        t_s: Seconds since programming.
        reads: Reads of the array since programming.
    """

    t_s: float
    reads: int = 0


@dataclass(frozen=True, eq=False)
class _Plane:
    """One plane of a layer: conductances, what the wires make of them, and what the drivers of each strip deliver."""

    g_siemens: Float64Array
    response_siemens: Float64Array
    power_siemens: list[Float64Array]

    @cached_property
    def arrives(self) -> Float64Array:
        """(lines, columns) response over conductance: 1 without wires.

        Of a cell that hardly conducts the response is what leaks past it, so the ratio is kept between 0 and 1.
        """
        ratio = self.response_siemens / np.maximum(self.g_siemens, 1e-300)
        return np.clip(ratio, 0.0, 1.0)

    @cached_property
    def lost(self) -> Float64Array:
        """(lines, columns) what the wires take off the response once more if all cells change together."""
        lost: Float64Array = (self.arrives - 1.0) * self.response_siemens
        return lost


_Chosen: TypeAlias = tuple[int, _Plane, Float64Array | None]
"""Factor, plane and deviation of the fresh noise of a plane that takes part in a conversion."""


@dataclass(slots=True)
class LayerArrays:
    """The cells of one layer and its operators through time.

    Attributes:
        layer: The ternary layer.
        tiling: Where its weights lie.
        device: What the cells are.
        wires: Of each array.
        volt_per_step: Line voltage of one input step.
        input_bits: Largest line voltage on its own grid, as a power of two, for exact products.
        horizon_s: Memory of read noise shorter than this counts as none.
        solved_at_s: When wires are first solved, seconds since programming.
        resolve_change: Relative change of the mean conductance after which wires are solved again.
        cells: Per plane, the (strips * lines, columns) cells, padding included.
        anchors: When conductances are computed.
        written_reads: Per plane, reads of the array when each cell was last written: a number or an array.
    """

    layer: TernaryLayer
    tiling: Tiling
    device: Device
    wires: Wires
    volt_per_step: float
    input_bits: int
    horizon_s: float
    solved_at_s: float
    resolve_change: float
    cells: list[Cells]
    anchors: Anchors = field(default_factory=Anchors)
    written_reads: list[Int64Array | int] = field(default_factory=list, init=False)
    _solutions: list[tuple[float, list[_Plane]]] = field(default_factory=list, init=False)
    _examined: int = field(default=0, init=False)
    _operators: OrderedDict[Moment, list[list[Operator]]] = field(default_factory=OrderedDict, init=False)
    _changes: OrderedDict[tuple[Moment, Moment], list[list[Change]]] = field(default_factory=OrderedDict, init=False)

    def __post_init__(self) -> None:
        """Begin with no reads."""
        self.written_reads = [0 for _ in self.cells]

    @property
    def steps(self) -> bool:
        """Whether the arrays change in steps: by remembered noise or by reading. Otherwise they age smoothly."""
        noise = self.device.read_noise
        remembers = noise is not None and not isinstance(noise.memory, White)
        return remembers or self.device.disturb is not None

    @property
    def pulses(self) -> int:
        """Pulses that a write-verify loop took; 0 where fitted statistics stand in for one."""
        return sum(int(cells.pulses.sum()) for cells in self.cells if cells.pulses is not None)

    def operators(self, moment: Moment) -> list[list[Operator]]:
        """Return, per strip and kind of conversion, what the tiles are at a moment."""
        if moment not in self._operators:
            self._operators[moment] = self._build(moment)
        self._operators.move_to_end(moment)
        while len(self._operators) > REMEMBERED:
            self._operators.popitem(last=False)
        return self._operators[moment]

    def changes(self, first: Moment, last: Moment) -> list[list[Change]]:
        """Return, per strip and kind of conversion, what is gained from one moment to another."""
        if (first, last) not in self._changes:
            pairs = zip(self.operators(first), self.operators(last), strict=True)
            self._changes[first, last] = [
                [self._change(a, b) for a, b in zip(before, after, strict=True)] for before, after in pairs
            ]
            while len(self._changes) > REMEMBERED:
                self._changes.popitem(last=False)
        return self._changes[first, last]

    def _change(self, before: Operator, after: Operator) -> Change:
        change = None
        if isinstance(before, LinearOperator) and isinstance(after, LinearOperator):
            change = before.change_to(after, input_bits=self.input_bits)
        return SolvedChange(before, after) if change is None else change

    def rewrite(self, plane: int, chosen: BoolArray, *, t_s: float, reads: int, rng: np.random.Generator) -> None:
        """Write some cells of a plane again."""
        self.cells[plane] = self.device.rewrite(self.cells[plane], chosen, t_s=t_s, rng=rng)
        self.written_reads[plane] = np.where(chosen, reads, self.written_reads[plane])
        self._operators.clear()
        self._changes.clear()

    def reads_since(self, plane: int, reads: int) -> Int64Array | int:
        """Return reads of the array since each cell of a plane was written."""
        since: Int64Array | int = reads - self.written_reads[plane]
        return since

    # --- from conductances to operators ------------------------------------------------------------------------

    def _build(self, moment: Moment) -> list[list[Operator]]:
        bases = self._bases(moment.t_s)
        with ThreadPoolExecutor(len(bases)) as pool:
            planes = list(pool.map(lambda index: self._looked_up(index, bases[index], moment), range(len(bases))))
        return [
            [self._operator(planes, strip, conversion.planes) for conversion in self.tiling.mapping.conversions]
            for strip in range(self.tiling.strips)
        ]

    def _conductances(self, t_s: float) -> list[Float64Array]:
        return [self.device.conductance(cells, t_s=t_s) for cells in self.cells]

    def solve_wires(self, on_progress: OnProgress = ignore_progress) -> None:
        """Solve the wires as they are at ``solved_at_s``, so that whoever asks for operators need not wait."""
        if self._resistive and not self._solutions:
            planes = self._wired(self._conductances(self.solved_at_s), on_progress)
            self._solutions.append((self.solved_at_s, planes))
            self._examined = int(self.anchors.bracket(np.array([self.solved_at_s]))[0][0])
        on_progress(self.tiling.arrays, self.tiling.arrays)

    @property
    def _resistive(self) -> bool:
        """Whether the arrays are matrices that wires change; gated arrays are solved vector by vector."""
        return not self.wires.are_ideal and self.wires.topology == "passive2d"

    def _bases(self, t_s: float) -> list[_Plane | None]:
        """Return every plane at the last moment before ``t_s`` at which its wires were solved, or None without wires.

        Wires are solved at ``solved_at_s``, and again at the first anchor at which the mean conductance has moved by
        ``resolve_change`` since: a function of time alone, so it does not matter who asks in which order.
        """
        if not self._resistive:
            return [None for _ in self.cells]
        self.solve_wires()
        while self.device.ages and self.anchors.at(self._examined + 1) <= t_s:
            self._examined += 1
            self._examine(self.anchors.at(self._examined))
        return list(next(planes for at, planes in reversed(self._solutions) if at <= max(t_s, self.solved_at_s)))

    def _examine(self, t_s: float) -> None:
        """Solve the wires at an anchor if conductances have moved far enough since they were last solved."""
        _, planes = self._solutions[-1]
        conductances = self._conductances(t_s)
        moved = [abs(g.mean() / plane.g_siemens.mean() - 1.0) for g, plane in zip(conductances, planes, strict=True)]
        if max(moved) > self.resolve_change:
            self._solutions.append((t_s, self._wired(conductances)))

    def _wired(self, conductances: list[Float64Array], on_progress: OnProgress = ignore_progress) -> list[_Plane]:
        """Return planes with the wires of all their tiles solved, and per strip what its drivers deliver."""
        tiling = self.tiling
        tiles = np.concatenate([tiling.cut(g) for g in conductances])
        response, power = port_matrices(tiles, self.wires, on_progress=on_progress)
        fed = power.reshape(len(conductances), tiling.strips, tiling.column_tiles, tiling.lines, tiling.lines).sum(2)
        responses = [tiling.joined(some) for some in np.split(response, len(conductances))]
        return [_Plane(g, t, list(each)) for g, t, each in zip(conductances, responses, fed, strict=True)]

    def _looked_up(self, index: int, base: _Plane | None, moment: Moment) -> tuple[_Plane, Float64Array | None]:
        """Return a plane at a moment, and the deviation of the noise that is fresh at every read."""
        cells, reads = self.cells[index], self.reads_since(index, moment.reads)
        now = self.device.conductance(cells, t_s=moment.t_s, reads=reads)
        now, sigma = self.device.fluctuating(cells, now, t_s=moment.t_s, horizon_s=self.horizon_s)
        if base is None:
            return _Plane(now, now, np.split(now.sum(axis=1), self.tiling.strips)), sigma
        changed = _Plane(now, self._updated(base, now), base.power_siemens)
        return changed, None if sigma is None else sigma * base.arrives

    def _updated(self, base: _Plane, now: Float64Array) -> Float64Array:
        """Return the response after conductances changed, from the one that was solved.

        A cell that changes alone changes its column's current by the share that arrives, T / G. If all cells of a
        tile change together, the drop along the wires changes with them, which takes off that share once more. An
        approximation to first order: it misses 3 to 8 % of independent noise and 1 to 3 % of a common change where
        wires cost 8 to 26 % of the current. At 128 x 128 the operator of ageing PCM stays within 0.3 % of the exact one
        at 1 ohm a cell and within 0.6 % at 4 ohm.
        """
        change = now - base.g_siemens
        moved, held = (self.tiling.cut(each).sum((1, 2), keepdims=True) for each in (change, base.g_siemens))
        lost = self.tiling.cut(base.lost) * (moved / np.maximum(held, 1e-300))
        updated: Float64Array = base.response_siemens + base.arrives * change + self.tiling.joined(lost)
        return updated

    def _operator(
        self, planes: list[tuple[_Plane, Float64Array | None]], strip: int, factors: tuple[int, ...]
    ) -> Operator:
        rows, lines = self._used_lines(strip), slice(strip * self.tiling.lines, (strip + 1) * self.tiling.lines)
        chosen = [(factor, plane, sigma) for factor, (plane, sigma) in zip(factors, planes, strict=True) if factor]
        if self.wires.topology == "gated1t1r" and not self.wires.are_ideal:
            return self._gated(chosen, rows, lines)
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
        bends = self._bends([(factor, plane) for factor, plane, _ in chosen], lines, rows)
        return LinearOperator(on_grid(matrix / span, input_bits=self.input_bits), spread, power, bends)

    def _gated(self, chosen: list[_Chosen], rows: Int64Array, lines: slice) -> GatedOperator:
        planes = tuple(
            GatedPlane(factor, plane.g_siemens[lines], None if sigma is None else sigma[lines] ** 2)
            for factor, plane, sigma in chosen
        )
        reference = self.device.off_siemens * sum(factor for factor, _, _ in chosen)
        return GatedOperator(planes, self.wires, rows, self.tiling.channels, self.device.span_siemens, reference)

    def _power(self, chosen: list[_Chosen], strip: int, rows: Int64Array) -> Float64Array:
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
