"""One layer on its tiles: lines are driven, columns are converted, codes are summed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from emulators.arrays import LayerArrays, Moment, write_layer
from emulators.compute import Compute, Pass, compute_named
from emulators.config import CrossbarConfig
from emulators.converters import AdcBank, DacBank
from emulators.devices.device import Device
from emulators.mapping import drive_lines, mapping_named
from emulators.operators import Change, Operator
from emulators.tiles import Tiling
from emulators.wear import Wear
from hil.network import TernaryLayer
from hil.rng import stream
from hil.types import BoolArray, Float64Array, Int8Array, Int32Array

__all__ = ["LayerEngine", "Stage", "Stretch", "Tally"]

BLOCK: Final = 256
PARALLEL_AMPLITUDE: Final = 128
INPUT_BITS: Final = 8

Keys = npt.NDArray[np.uint64]


@dataclass(slots=True)
class Tally:
    """What the converters did.

    Attributes:
        conversions: Passes through an ADC.
        clipped: Passes that ended at the end of the range.
        drives: Word lines driven, once per pass and tile: each tile has drivers of its own.
        reads: Reads of an array.
        array_joule: What the drivers delivered.
    """

    conversions: int = 0
    clipped: int = 0
    drives: int = 0
    reads: int = 0
    array_joule: float = 0.0

    def add(self, other: Tally) -> None:
        """Count another tally in."""
        for name in ("conversions", "clipped", "drives", "reads", "array_joule"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Stage:
    """The ADCs of one strip in one conversion, and what is done to their codes."""

    adc: AdcBank
    correction: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Vectors that meet the same array.

    Attributes:
        before: Operators of each strip and conversion.
        changes: What they gain until the next anchor, or None where the array does not move.
        part: (n,) how far each vector lies towards the next anchor.
        keys: (n,) what the noise of each vector belongs to.
    """

    before: list[list[Operator]]
    changes: list[list[Change]] | None
    part: Float64Array
    keys: Keys


@dataclass(slots=True)
class LayerEngine:
    """Runs one layer.

    Attributes:
        arrays: Its cells.
        config: How it is driven and read.
        index: Which layer it is.
        wear: What reading has done to it.
        dacs: What drives the lines of each strip.
        compute: Where its arithmetic runs.
        stages: Per strip and conversion, what reads its columns; set by calibration.
    """

    arrays: LayerArrays
    config: CrossbarConfig
    index: int
    wear: Wear
    dacs: list[DacBank]
    compute: Compute
    stages: list[list[Stage]] = field(default_factory=list, init=False)
    _salt: np.uint64 = field(default=np.uint64(0), init=False)

    @classmethod
    def program(cls, layer: TernaryLayer, device: Device, config: CrossbarConfig, *, seed: int, index: int) -> Self:
        """Program one layer; it must be calibrated before it runs."""
        tiling = Tiling(layer.fan_in, layer.channels, config.tile, mapping_named(config.mapping))
        dacs = []
        for strip in range(tiling.strips):
            inputs = tiling.inputs_of(strip)
            lines = (inputs.stop - inputs.start) * tiling.mapping.lines_per_input
            dacs.append(config.dac.bank(lines, rng=stream(seed, "crossbar", "layer", index, "dac", strip)))
        grid_bits = max(bank.grid_bits for bank in dacs)
        input_bits = 8 + grid_bits if grid_bits else 7  # a real DAC may go beyond 128
        amplitude = 1 if config.inputs == "bit_serial" else PARALLEL_AMPLITUDE
        cells = write_layer(layer, tiling, device, seed=seed, index=index)
        wires, volt = config.array_wires, device.read_volt / amplitude
        times = (config.epoch_s, config.age_s, config.resolve_change)
        arrays = LayerArrays(layer, tiling, device, wires, volt, input_bits, *times, cells)
        wear = Wear(arrays, config, seed, index)
        engine = cls(arrays, config, index, wear, dacs, compute_named(config.compute))
        engine._salt = stream(seed, "crossbar", "layer", index, "read").integers(2**64, dtype=np.uint64)
        return engine

    @property
    def tiling(self) -> Tiling:
        """Where the weights lie."""
        return self.arrays.tiling

    @property
    def amplitude(self) -> int:
        """Largest magnitude on a line in one pass."""
        return 1 if self.config.inputs == "bit_serial" else PARALLEL_AMPLITUDE

    @property
    def reads_per_vector(self) -> int:
        """Reads of each array that one vector takes, whatever it holds."""
        passes = INPUT_BITS if self.config.inputs == "bit_serial" else 1
        return passes * self.tiling.mapping.conversions_per_output

    # --- running -----------------------------------------------------------------------------------------------

    def accumulate(self, vectors: Int8Array, *, keys: Keys, t_s: Float64Array) -> tuple[Int32Array, Tally]:
        """Return (n, channels) int32 sums of (n, fan_in) int8 vectors, as the converters see them.

        Args:
            vectors: (n, fan_in) int8.
            keys: (n,) what the noise of each vector belongs to.
            t_s: (n,) seconds since programming.
        """
        channels = self.tiling.channels
        sums, corrections = self.compute.sums(len(vectors), channels), np.zeros((len(vectors), channels))
        tally = Tally()
        salted = keys ^ self._salt
        for rows, moments, part in self._stretches(t_s):
            stretch = self._stretch(moments, part, salted[rows])
            tally.add(self._run(vectors[rows], stretch, sums[rows], corrections[rows]))
        return np.rint(self.compute.fetch(sums) - corrections).astype(np.int32), tally

    def rehearse(self, *, t_s: float) -> None:
        """Run full vectors and nearly empty ones, ``t_s`` seconds after programming, so that what compiles is compiled.

        Two of each, because one alone lies otherwise in memory and is compiled for apart. Nothing is worn by it.
        """
        full = np.ones((2, self.tiling.fan_in), np.int8)
        sums, corrections = self.compute.sums(2, self.tiling.channels), np.zeros((2, self.tiling.channels))
        for vectors in (full, full * (np.arange(self.tiling.fan_in) == 0).astype(np.int8)):
            self._run(vectors, self.stretch_at(t_s, 2), sums, corrections)

    def _stretches(self, t_s: Float64Array) -> Iterator[tuple[slice, list[Moment], Float64Array]]:
        """Yield (rows, one or two moments, part): blocks of vectors that meet the same array."""
        index, part = self.arrays.anchors.bracket(t_s)
        if not self.arrays.device.ages:
            index, part = np.zeros_like(index), np.zeros_like(part)
        epoch = np.floor(t_s / self.config.epoch_s) if self.arrays.steps else np.zeros_like(t_s)
        changes = np.diff(epoch) != 0 if self.arrays.steps else np.diff(index) != 0
        edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(t_s)]
        for start, stop in pairwise(edges):
            first = start
            while first < stop:
                last = min(first + min(BLOCK, self._vectors_left()), stop)
                rows = slice(first, last)
                yield rows, self._moments(int(index[start]), float(epoch[start])), part[rows]
                if self.arrays.device.disturb is not None:
                    self.wear.count(last - first, self.reads_per_vector, t_s=float(t_s[last - 1]))
                first = last

    def _vectors_left(self) -> int:
        return BLOCK if self.arrays.device.disturb is None else self.wear.until_next_look(self.reads_per_vector)

    def _stretch(self, moments: list[Moment], part: Float64Array, keys: Keys) -> Stretch:
        changes = self.arrays.changes(moments[0], moments[1]) if len(moments) > 1 else None
        return Stretch(self.arrays.operators(moments[0]), changes, part, keys)

    def _moments(self, anchor: int, epoch: float) -> list[Moment]:
        """Return when the arrays are looked at: two anchors to interpolate between, or one step."""
        if self.arrays.steps:
            return [Moment(epoch * self.config.epoch_s, self.wear.seen_reads)]
        if self.arrays.device.ages:
            return [Moment(self.arrays.anchors.at(anchor + k)) for k in range(2)]
        return [Moment(0.0)]

    def _run(self, vectors: Int8Array, stretch: Stretch, sums: Any, corrections: Float64Array) -> Tally:
        tally = Tally()
        for strip in range(self.tiling.strips):
            for bit, x, weight in self.planes(vectors[:, self.tiling.inputs_of(strip)]):
                tally.add(self._run_strip(strip, bit, x, weight, stretch, sums))
                if self.tiling.mapping.corrects:
                    corrections += weight * self._correction(strip, x)
        tally.reads = len(vectors) * self.reads_per_vector * self.tiling.arrays
        return tally

    def planes(self, x: Int8Array) -> Iterator[tuple[int, npt.NDArray[np.int64], int]]:
        """Yield (number, inputs, digital weight) of each pass over the inputs: all at once, or bit by bit."""
        wide = x.astype(np.int64)
        if self.config.inputs == "parallel":
            yield 0, wide, 1
            return
        magnitude, sign = np.abs(wide), np.sign(wide)
        for bit in range(int(magnitude.max(initial=0)).bit_length()):
            plane = sign * (magnitude >> bit & 1)
            if plane.any():
                yield bit, plane, 1 << bit

    def _run_strip(
        self, strip: int, bit: int, x: npt.NDArray[np.int64], weight: int, stretch: Stretch, sums: Any
    ) -> Tally:
        """Run every conversion of one strip and one pass over the inputs; add what they say to the sums."""
        driven: BoolArray = np.asarray(x.any(axis=1))
        tally = Tally(conversions=int(driven.sum()) * self.tiling.channels * len(self.tiling.mapping.conversions))
        for job in self.passes(strip, bit, x, stretch, driven=driven, weight=weight):
            tally.clipped += self.compute.run(job, sums)
            tally.drives += int(np.count_nonzero(job.volts)) * self.tiling.column_tiles
            tally.array_joule += self._joule(job)
        return tally

    def passes(
        self, strip: int, bit: int, x: npt.NDArray[np.int64], stretch: Stretch, *, driven: BoolArray, weight: int = 1
    ) -> Iterator[Pass]:
        """Yield the passes through the ADCs that one strip makes for (n, rows) inputs."""
        mapping = self.tiling.mapping
        for number, conversion in enumerate(mapping.conversions):
            stage = self.stages[strip][number]
            yield Pass(
                volts=self._volts(strip, bit, number, x, stretch.keys),
                before=stretch.before[strip][number],
                change=None if stretch.changes is None else stretch.changes[strip][number],
                part=stretch.part,
                adc=stage.adc,
                correction=stage.correction,
                keys=stretch.keys,
                first=_noise_index(strip, bit, number),
                driven=driven,
                weight=float(weight * mapping.scale * conversion.factor(self.amplitude)),
            )

    def _volts(self, strip: int, bit: int, number: int, x: npt.NDArray[np.int64], keys: Keys) -> Float64Array:
        """Return what the DACs of a strip put on its lines in one conversion."""
        from emulators.kernels import normal_table, normals

        amplitude = drive_lines(self.tiling.mapping.conversions[number].drive, x, amplitude=self.amplitude)
        bank, noise = self.dacs[strip], None
        if bank.spec.errors.noise_lsb:
            noise = normals(keys, amplitude.shape[1], _noise_index(strip, bit, number) + (1 << 19), normal_table())
        volts = bank.drive(amplitude, noise)
        return np.where(amplitude != 0, volts, 0.0) if self.config.topology == "gated1t1r" else volts

    def _joule(self, job: Pass) -> float:
        """Return what the drivers delivered to the driven vectors."""
        if not self.config.energy:
            return 0.0
        watt = float(job.before.power(job.volts)[job.driven].sum()) * self.arrays.volt_per_step**2
        return watt * self.config.device.t_read_s

    def _correction(self, strip: int, x: npt.NDArray[np.int64]) -> Float64Array:
        """Return what the mapping subtracts digitally, (n, channels)."""
        mapping = self.tiling.mapping
        correction = np.zeros((len(x), self.tiling.channels))
        if mapping.column_sum:
            sums = self.arrays.layer.weight[:, self.tiling.inputs_of(strip)].sum(axis=1, dtype=np.int64)
            correction += mapping.column_sum * self.amplitude * x.any(axis=1, keepdims=True) * sums
        if mapping.input_sum:
            correction += mapping.input_sum * x.sum(axis=1, keepdims=True)
        return correction

    def stretch_at(self, t_s: float, n: int) -> Stretch:
        """Return n vectors' worth of the arrays at one moment, as calibration meets them."""
        index, part = self.arrays.anchors.bracket(np.full(1, t_s))
        epoch = float(np.floor(t_s / self.config.epoch_s))
        keys = np.arange(n, dtype=np.uint64)
        return self._stretch(self._moments(int(index[0]), epoch), np.repeat(part, n), keys)

    def as_document(self) -> dict[str, Any]:
        """Return where the layer lies, JSON-ready."""
        tiling = self.tiling
        return {
            "layer": self.index,
            "weights": [tiling.fan_in, tiling.channels],
            "tile": str(tiling.size),
            "arrays": tiling.arrays,
            "utilisation": tiling.utilisation,
            "mapping": tiling.mapping.as_document(),
            "placement": tiling.placement(),
        }


def _noise_index(strip: int, bit: int, conversion: int) -> int:
    """Return where the noise of one conversion starts, apart from that of every other."""
    return ((strip * INPUT_BITS + bit) * 8 + conversion) * (1 << 20)
