"""Sets the converters of a layer: a profile of its currents, ranges from that, a straight line per column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulators.calibration import TileProfile, column_fit, range_of
from emulators.compute import NumpyCompute, Pass
from emulators.engine import LayerEngine, Stage
from emulators.mapping import drive_lines
from hil.rng import stream
from hil.types import Float64Array, Int8Array

__all__ = ["calibrate"]

Ranges = dict[tuple[int, int, int], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Calibration:
    """One layer, the vectors to calibrate on, and when."""

    engine: LayerEngine
    vectors: Int8Array
    t_s: float
    seed: int

    def passes(self, strip: int) -> Iterator[tuple[list[Pass], npt.NDArray[np.int64]]]:
        """Yield (one pass per conversion, inputs) of the driven vectors, for every bit of the inputs."""
        for bit, plane, _ in self.engine.planes(self.vectors[:, self.engine.tiling.inputs_of(strip)]):
            x = plane[np.asarray(plane.any(axis=1))]
            if len(x):
                stretch = self.engine.stretch_at(self.t_s, len(x))
                yield list(self.engine.passes(strip, bit, x, stretch, driven=np.ones(len(x), bool))), x

    def profile(self, strip: int) -> list[TileProfile]:
        """Return the currents without fresh noise that each tile's ADCs see."""
        tiling = self.engine.tiling
        seen: list[list[Float64Array]] = [[] for _ in tiling.mapping.conversions]
        for jobs, _ in self.passes(strip):
            for number, job in enumerate(jobs):
                seen[number].append(job.currents())
        tiles = []
        full_scale = float(self.engine.amplitude * tiling.inputs_per_tile)
        for number, conversion in enumerate(tiling.mapping.conversions):
            currents = np.concatenate(seen[number]) if seen[number] else np.zeros((1, tiling.channels))
            for column_tile in range(tiling.column_tiles):
                samples = currents[:, tiling.channels_of(column_tile)].ravel()
                where = (self.engine.index, strip, column_tile, number, conversion.signed)
                tiles.append(TileProfile(*where, full_scale, samples))
        return tiles

    def ranges(self, tiles: list[TileProfile]) -> Ranges:
        """Return the range of each (strip, column tile, conversion)."""
        return {(t.strip, t.column_tile, t.conversion): self._range(t, tiles) for t in tiles}

    def _range(self, tile: TileProfile, tiles: list[TileProfile]) -> tuple[float, float]:
        config = self.engine.config
        levels = config.adc.levels(signed=tile.signed)
        if levels == 0:
            return 0.0, 0.0
        peers = [t for t in tiles if t.conversion == tile.conversion] if config.range_per == "layer" else [tile]
        return range_of(
            config.range,
            np.concatenate([peer.samples for peer in peers]),
            signed=tile.signed,
            full_scale=tile.full_scale,
            levels=levels,
            percentile=config.percentile,
            sigmas=config.sigmas,
        )

    def stages(self, strip: int, ranges: Ranges) -> list[Stage]:
        """Return the ADCs of a strip, one bank per conversion, with nothing corrected yet."""
        tiling = self.engine.tiling
        rng = stream(self.seed, "crossbar", "layer", self.engine.index, "adc", strip)
        stages = []
        for number, conversion in enumerate(tiling.mapping.conversions):
            low, high = np.empty(tiling.channels), np.empty(tiling.channels)
            for column_tile in range(tiling.column_tiles):
                columns = tiling.channels_of(column_tile)
                low[columns], high[columns] = ranges[strip, column_tile, number]
            adc = self.engine.config.adc.bank(low, high, signed=conversion.signed, rng=rng)
            stages.append(Stage(adc, np.tile([1.0, 0.0], (tiling.channels, 1))))
        return stages

    def fit(self, strip: int) -> None:
        """Fit each column's gain and offset to what perfect cells would have given."""
        exact, mapping = self._exact(strip), self.engine.tiling.mapping
        said: list[list[Float64Array]] = [[] for _ in exact]
        wanted: list[list[Float64Array]] = [[] for _ in exact]
        for jobs, x in self.passes(strip):
            for number, job in enumerate(jobs):
                lines = drive_lines(mapping.conversions[number].drive, x, amplitude=self.engine.amplitude)
                said[number].append(_measured(job) / job.weight)
                wanted[number].append(lines @ exact[number])
        for number, stage in enumerate(self.engine.stages[strip]):
            if said[number]:
                stage.correction = column_fit(np.concatenate(said[number]), np.concatenate(wanted[number]))

    def _exact(self, strip: int) -> list[Float64Array]:
        """Return what each conversion of a strip would be with perfect cells, (lines, channels)."""
        tiling = self.engine.tiling
        planes = tiling.mapping.planes(self.engine.arrays.layer.weight[:, tiling.inputs_of(strip)].T)
        return [
            np.sum([factor * plane for factor, plane in zip(conversion.planes, planes, strict=True)], axis=0)
            for conversion in tiling.mapping.conversions
        ]


def _measured(job: Pass) -> Float64Array:
    """Return what the ADCs say in a pass, fresh noise included."""
    compute = NumpyCompute()
    sums = compute.sums(*job.before.currents(job.volts).shape)
    compute.run(job, sums)
    return sums


def calibrate(engine: LayerEngine, vectors: Int8Array, *, seed: int, t_s: float) -> list[TileProfile]:
    """Set ranges and column corrections of a layer.

    Args:
        engine: The programmed layer.
        vectors: (n, fan_in) int8 to calibrate on.
        seed: What the errors of the converters follow from.
        t_s: Seconds since programming at which it happens.

    Returns:
        What each tile's ADCs saw.
    """
    calibration = _Calibration(engine, vectors, t_s, seed)
    strips = range(engine.tiling.strips)
    nothing = dict.fromkeys(
        ((s, k, c) for s in strips for k in range(engine.tiling.column_tiles) for c in range(8)), (0.0, 1.0)
    )
    engine.stages = [calibration.stages(strip, nothing) for strip in strips]
    tiles = [tile for strip in strips for tile in calibration.profile(strip)]
    ranges = calibration.ranges(tiles)
    engine.stages = [calibration.stages(strip, ranges) for strip in strips]
    if engine.config.column_fit:
        for strip in strips:
            calibration.fit(strip)
    return tiles
