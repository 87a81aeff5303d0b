"""One layer on its tiles: lines are driven, columns are converted, codes are summed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from emulators.arrays import LayerArrays, Moment, write_layer
from emulators.calibration import TileProfile, column_fit, range_of
from emulators.config import CrossbarConfig
from emulators.converters import AdcBank, DacBank
from emulators.devices.device import Device
from emulators.mapping import drive_lines, mapping_named
from emulators.operators import Operator
from emulators.tiles import Tiling
from emulators.wear import Wear
from hil.network import TernaryLayer
from hil.rng import stream
from hil.types import BoolArray, Float64Array, Int8Array, Int32Array

__all__ = ["LayerEngine", "Tally"]

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
        drives: Word lines driven, once per pass.
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
class _Stage:
    """The ADCs of one strip in one conversion, and what is done to their codes."""

    adc: AdcBank
    correction: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Vectors that meet the same array.

    Attributes:
        before: Operators of each strip and conversion.
        after: Operators of the next anchor, or None where the array does not move.
        part: (n,) how far each vector lies towards the next anchor.
        keys: (n,) what the noise of each vector belongs to.
    """

    before: list[list[Operator]]
    after: list[list[Operator]] | None
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
    """

    arrays: LayerArrays
    config: CrossbarConfig
    index: int
    wear: Wear
    _dacs: list[DacBank] = field(default_factory=list, init=False)
    _stages: list[list[_Stage]] = field(default_factory=list, init=False)
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
        input_bits = 9 + max(bank.grid_bits for bank in dacs)
        amplitude = 1 if config.inputs == "bit_serial" else PARALLEL_AMPLITUDE
        cells = write_layer(layer, tiling, device, seed=seed, index=index)
        wires, volt = config.array_wires, device.read_volt / amplitude
        times = (config.epoch_s, config.age_s, config.resolve_change)
        arrays = LayerArrays(layer, tiling, device, wires, volt, input_bits, *times, cells)
        engine = cls(arrays, config, index, Wear(arrays, config, seed, index))
        engine._dacs = dacs
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
        out = np.zeros((len(vectors), self.tiling.channels))
        tally = Tally()
        salted = keys ^ self._salt
        for rows, moments, part in self._stretches(t_s):
            before, *after = [self.arrays.operators(moment) for moment in moments]
            stretch = _Stretch(before, after[0] if after else None, part, salted[rows])
            tally.add(self._run(vectors[rows], stretch, out[rows]))
        return np.rint(out).astype(np.int32), tally

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

    def _moments(self, anchor: int, epoch: float) -> list[Moment]:
        """Return when the arrays are looked at: two anchors to interpolate between, or one step."""
        if self.arrays.steps:
            return [Moment(epoch * self.config.epoch_s, self.wear.seen_reads)]
        if self.arrays.device.ages:
            return [Moment(self.arrays.anchors.at(anchor + k)) for k in range(2)]
        return [Moment(0.0)]

    def _run(self, vectors: Int8Array, stretch: _Stretch, out: Float64Array) -> Tally:
        tally = Tally()
        for strip in range(self.tiling.strips):
            for bit, plane, weight in self._planes(vectors[:, self.tiling.inputs_of(strip)]):
                tally.add(self._convert_strip(strip, bit, plane, weight, stretch, out))
        tally.reads = len(vectors) * self.reads_per_vector * self.tiling.arrays
        return tally

    def _planes(self, x: Int8Array) -> Iterator[tuple[int, npt.NDArray[np.int64], int]]:
        """Yield (number, inputs, digital weight) of each pass over the inputs: all at once, or bit by bit."""
        wide = x.astype(np.int64)
        if self.config.inputs == "parallel":
            yield 0, wide, 1
            return
        magnitude, sign = np.abs(wide), np.sign(wide)
        for bit in range(INPUT_BITS):
            plane = sign * (magnitude >> bit & 1)
            if plane.any():
                yield bit, plane, 1 << bit

    def _convert_strip(
        self, strip: int, bit: int, x: npt.NDArray[np.int64], weight: int, stretch: _Stretch, out: Float64Array
    ) -> Tally:
        """Run every conversion of one strip and one pass over the inputs; add what they say to the sums."""
        from emulators.kernels import convert, normal_table

        driven: BoolArray = np.asarray(x.any(axis=1))
        tally, conversions = Tally(), self.tiling.mapping.conversions
        scale = weight * self.tiling.mapping.scale
        for number, (volts, analog, variance) in enumerate(self._currents(strip, bit, x, stretch)):
            stage = self._stages[strip][number]
            tally.clipped += convert(
                analog,
                self._with_adc_noise(variance, stage, len(x)),
                stretch.keys,
                self._noise_index(strip, bit, number),
                driven,
                stage.adc.limits,
                stage.correction,
                stage.adc.nonlinearity,
                float(scale * conversions[number].factor(self.amplitude)),
                out,
                normal_table(),
            )
            tally.drives += int(np.count_nonzero(volts))
            tally.array_joule += self._joule(stretch.before[strip][number], volts, driven)
        self._correct(strip, x, driven, weight, out)
        tally.conversions = int(driven.sum()) * self.tiling.channels * len(conversions)
        return tally

    def _joule(self, operator: Operator, volts: Float64Array, driven: BoolArray) -> float:
        """Return what the drivers delivered to the driven vectors."""
        if not self.config.energy:
            return 0.0
        watt = float(operator.power(volts)[driven].sum()) * self.arrays.volt_per_step**2
        return watt * self.config.device.t_read_s

    def _correct(self, strip: int, x: npt.NDArray[np.int64], driven: BoolArray, weight: int, out: Float64Array) -> None:
        """Apply the digital corrections of the mapping."""
        mapping = self.tiling.mapping
        if mapping.column_sum:
            sums = self.arrays.layer.weight[:, self.tiling.inputs_of(strip)].sum(axis=1, dtype=np.int64)
            out -= weight * mapping.column_sum * self.amplitude * driven[:, None] * sums
        if mapping.input_sum:
            out -= weight * mapping.input_sum * x.sum(axis=1, keepdims=True)

    def _noise_index(self, strip: int, bit: int, conversion: int) -> int:
        """Return where the noise of one conversion starts, apart from that of every other."""
        return ((strip * INPUT_BITS + bit) * 8 + conversion) * (1 << 20)

    def _currents(
        self, strip: int, bit: int, x: npt.NDArray[np.int64], stretch: _Stretch
    ) -> Iterator[tuple[Float64Array, Float64Array, Float64Array | None]]:
        """Yield the (n, lines) voltages, the (n, channels) currents and the variance of their noise, per conversion."""
        for number, conversion in enumerate(self.tiling.mapping.conversions):
            amplitude = drive_lines(conversion.drive, x, amplitude=self.amplitude)
            noise = self._dac_noise(strip, bit, number, stretch.keys, amplitude.shape[1])
            volts = self._dacs[strip].drive(amplitude, noise)
            if self.config.topology == "gated1t1r":
                volts = np.where(amplitude != 0, volts, 0.0)
            before = stretch.before[strip][number]
            analog = before.currents(volts)
            if stretch.after is not None:
                analog += stretch.part[:, None] * (stretch.after[strip][number].currents(volts) - analog)
            yield volts, analog, before.variance(volts)

    def _dac_noise(self, strip: int, bit: int, conversion: int, keys: Keys, lines: int) -> Float64Array | None:
        from emulators.kernels import normal_table, normals

        if not self._dacs[strip].spec.errors.noise_lsb:
            return None
        first = self._noise_index(strip, bit, conversion) + (1 << 19)
        drawn: Float64Array = normals(keys, lines, first, normal_table())
        return drawn

    def _with_adc_noise(self, variance: Float64Array | None, stage: _Stage, n: int) -> Float64Array:
        """Return (n, channels) variance of everything before the quantiser, or (0, channels) without noise."""
        own = stage.adc.noise_variance
        if variance is None:
            return np.broadcast_to(own, (n, len(own))) if own.any() else np.empty((0, len(own)))
        return variance + own if own.any() else variance

    # --- calibrating -------------------------------------------------------------------------------------------

    def calibrate(self, vectors: Int8Array, *, seed: int, t_s: float) -> list[TileProfile]:
        """Set ranges and column corrections on (n, fan_in) vectors, as they would be seen at one time."""
        self._stages = []
        tiles: list[TileProfile] = []
        for strip in range(self.tiling.strips):
            profile = self._profile(strip, vectors, t_s)
            tiles += profile
        ranges = self._ranges(tiles)
        for strip in range(self.tiling.strips):
            self._stages.append(self._strip_stages(strip, ranges, seed))
        if self.config.column_fit:
            self._fit(vectors, t_s)
        return tiles

    def _profile(self, strip: int, vectors: Int8Array, t_s: float) -> list[TileProfile]:
        conversions = self.tiling.mapping.conversions
        seen: list[list[Float64Array]] = [[] for _ in conversions]
        for analog, _ in self._calibration_passes(strip, vectors, t_s):
            for number, currents in enumerate(analog):
                seen[number].append(currents)
        tiles = []
        for number, conversion in enumerate(conversions):
            currents = np.concatenate(seen[number]) if seen[number] else np.zeros((1, self.tiling.channels))
            for column_tile in range(self.tiling.column_tiles):
                samples = currents[:, self.tiling.channels_of(column_tile)].ravel()
                where = (self.index, strip, column_tile, number, conversion.signed)
                tiles.append(TileProfile(*where, float(self.amplitude * self.tiling.inputs_per_tile), samples))
        return tiles

    def _calibration_passes(
        self, strip: int, vectors: Int8Array, t_s: float
    ) -> Iterator[tuple[list[Float64Array], npt.NDArray[np.int64]]]:
        """Yield (currents per conversion, inputs) of the driven vectors, without fresh read noise."""
        index, part = self.arrays.anchors.bracket(np.full(1, t_s))
        epoch = float(np.floor(t_s / self.config.epoch_s))
        before, *after = [self.arrays.operators(m) for m in self._moments(int(index[0]), epoch)]
        for bit, plane, _ in self._planes(vectors[:, self.tiling.inputs_of(strip)]):
            x = plane[np.asarray(plane.any(axis=1))]
            if len(x):
                keys = np.arange(len(x), dtype=np.uint64)
                stretch = _Stretch(before, after[0] if after else None, np.repeat(part, len(x)), keys)
                yield [analog for _, analog, _ in self._currents(strip, bit, x, stretch)], x

    def _ranges(self, tiles: list[TileProfile]) -> dict[tuple[int, int, int], tuple[float, float]]:
        """Return the range of each (strip, column tile, conversion)."""
        config, adc = self.config, self.config.adc
        ranges = {}
        for tile in tiles:
            peers = [t for t in tiles if t.conversion == tile.conversion] if config.range_per == "layer" else [tile]
            levels = adc.levels(signed=tile.signed)
            if levels == 0:
                ends = (0.0, 0.0)
            else:
                ends = range_of(
                    config.range,
                    np.concatenate([peer.samples for peer in peers]),
                    signed=tile.signed,
                    full_scale=tile.full_scale,
                    levels=levels,
                    percentile=config.percentile,
                    sigmas=config.sigmas,
                )
            ranges[tile.strip, tile.column_tile, tile.conversion] = ends
        return ranges

    def _strip_stages(
        self, strip: int, ranges: dict[tuple[int, int, int], tuple[float, float]], seed: int
    ) -> list[_Stage]:
        rng = stream(seed, "crossbar", "layer", self.index, "adc", strip)
        stages = []
        for number, conversion in enumerate(self.tiling.mapping.conversions):
            low, high = np.empty(self.tiling.channels), np.empty(self.tiling.channels)
            for column_tile in range(self.tiling.column_tiles):
                columns = self.tiling.channels_of(column_tile)
                low[columns], high[columns] = ranges[strip, column_tile, number]
            adc = self.config.adc.bank(low, high, signed=conversion.signed, rng=rng)
            stages.append(_Stage(adc, np.tile([1.0, 0.0], (self.tiling.channels, 1))))
        return stages

    def _fit(self, vectors: Int8Array, t_s: float) -> None:
        for strip in range(self.tiling.strips):
            measured, wanted = self._measured(strip, vectors, t_s)
            for stage, said, exact in zip(self._stages[strip], measured, wanted, strict=True):
                if said:
                    stage.correction = column_fit(np.concatenate(said), np.concatenate(exact))

    def _measured(
        self, strip: int, vectors: Int8Array, t_s: float
    ) -> tuple[list[list[Float64Array]], list[list[Float64Array]]]:
        from emulators.kernels import convert, normal_table

        conversions = self.tiling.mapping.conversions
        measured: list[list[Float64Array]] = [[] for _ in conversions]
        wanted: list[list[Float64Array]] = [[] for _ in conversions]
        exact = self._exact_matrices(strip)
        for currents, x in self._calibration_passes(strip, vectors, t_s):
            for number, analog in enumerate(currents):
                adc, out = self._stages[strip][number].adc, np.zeros_like(analog)
                straight = np.tile([1.0, 0.0], (self.tiling.channels, 1))
                nothing = (np.empty((0, self.tiling.channels)), np.zeros(len(x), np.uint64), 0, np.ones(len(x), bool))
                convert(analog, *nothing, adc.limits, straight, adc.nonlinearity, 1.0, out, normal_table())
                measured[number].append(out)
                lines = drive_lines(conversions[number].drive, x, amplitude=self.amplitude)
                wanted[number].append(lines @ exact[number])
        return measured, wanted

    def _exact_matrices(self, strip: int) -> list[Float64Array]:
        """Return what each conversion of a strip would be with perfect cells, (lines, channels)."""
        mapping = self.tiling.mapping
        planes = mapping.planes(self.arrays.layer.weight[:, self.tiling.inputs_of(strip)].T)
        return [
            np.sum([factor * plane for factor, plane in zip(conversion.planes, planes, strict=True)], axis=0)
            for conversion in mapping.conversions
        ]

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
