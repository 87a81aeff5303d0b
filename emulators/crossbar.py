"""The crossbar backend: a ternary network on tiles of memristors, from DAC to ADC."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulators.batches import check_windows, provenance
from emulators.calibrating import calibrate
from emulators.calibration import Profile, TileProfile
from emulators.config import CrossbarConfig
from emulators.cost import Cost, CostModel
from emulators.devices.device import Device
from emulators.devices.foreign import ForeignDevice
from emulators.devices.laws import MICRO
from emulators.engine import LayerEngine, Tally
from emulators.representative import layer_inputs, representative_windows
from emulators.wires.many import one_blas_thread
from hil.closing import Closing
from hil.errors import FormatError, InvalidValueError
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.registry import load, names
from hil.rng import stream
from hil.types import Float64Array, Inference, Int8Array, Int64Array, LayerTrace, Telemetry, read_only

__all__ = ["CrossbarBackend", "CrossbarFactory", "CrossbarSession", "crossbar"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FRESH_S = 1.0  # the default age, good for a table of measurements that ends earlier


@dataclass(slots=True)
class CrossbarSession(Closing):
    """A programmed and calibrated crossbar.

    Attributes:
        network: What it runs.
        name: The target, for provenance.
        config: How it is built.
        engines: One per layer.
        profile: What its ADCs saw during calibration.
        seed: What every draw follows from.
        cost_model: Inputs of the energy, latency and area figures.
    """

    network: TernaryNetwork
    name: str
    config: CrossbarConfig
    engines: list[LayerEngine]
    profile: Profile
    seed: int
    cost_model: CostModel = field(default_factory=CostModel)
    _total: Tally = field(default_factory=Tally, init=False)
    _inferences: int = field(default=0, init=False)
    _start_us: int | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        """Run windows through the network.

        Noise is a function of the seed, the cell's place and the window (its time and its content), never of the
        order or the batch in which windows arrive.

        Args:
            features: (n, d_in) int8.
            t_us: (n,) int64, never decreasing; the first window a session sees is ``age_s`` after programming.
            trace: Whether to return what each layer computed.

        Raises:
            InvalidValueError: The windows do not fit the network, or the session is closed.
        """
        if self._closed:
            raise InvalidValueError(f"session of {self.name!r} must be open to infer, but it was closed")
        check_windows(features, t_us, d_in=self.network.d_in)
        started = time.perf_counter()
        age_s, keys = self._ages(t_us), self._keys(features, t_us)
        values: npt.NDArray[Any] = features
        tally, layers = Tally(), []
        with one_blas_thread():
            for layer, engine in zip(self.network.layers, self.engines, strict=True):
                step, counted = _run(layer, engine, values, keys, age_s)
                values = step.activation
                tally.add(counted)
                if trace:
                    layers.append(step)
        outputs = self.network.embed(values)
        return Inference(outputs, self._telemetry(time.perf_counter() - started, tally, len(features)), tuple(layers))

    def rehearse(self) -> None:
        """Do once what else the first windows would wait for: compile. No answer changes by it."""
        self._keys(read_only(np.zeros((2, self.network.d_in)), np.int8), read_only(np.zeros(2), np.int64))
        for engine in self.engines:
            engine.rehearse(t_s=self.config.age_s)

    def _ages(self, t_us: Int64Array) -> Float64Array:
        """Return (n,) seconds since programming; a stream that starts over finds the array as it was then."""
        if self._start_us is None and len(t_us):
            self._start_us = int(t_us[0])
        ages: Float64Array = np.maximum(self.config.age_s + (t_us - (self._start_us or 0)) * 1e-6, 0.0)
        return ages

    def _keys(self, features: Int8Array, t_us: Int64Array) -> npt.NDArray[np.uint64]:
        from emulators.kernels import row_hash

        seed = stream(self.seed, "crossbar", "windows").integers(2**64, dtype=np.uint64)
        rows = np.ascontiguousarray(features).view(np.uint8)
        keys: npt.NDArray[np.uint64] = row_hash(rows, np.ascontiguousarray(t_us), seed)
        return keys

    def _telemetry(self, elapsed_s: float, tally: Tally, n: int) -> Telemetry:
        rate = tally.clipped / tally.conversions if tally.conversions else 0.0
        cost = self.cost_model.of(tally, self.engines, self.config, inferences=n)
        self._total.add(tally)
        self._inferences += n
        counters = {
            "adc_conversions": float(tally.conversions),
            "adc_clip_rate": rate,
            "arrays_total": float(sum(engine.tiling.arrays for engine in self.engines)),
            "cells_total": float(sum(engine.tiling.cells for engine in self.engines)),
            "cells_rewritten_total": float(sum(engine.wear.rewrites for engine in self.engines)),
            "programming_pulses_total": float(sum(engine.arrays.pulses for engine in self.engines)),
        }
        source = provenance(self.network, substrate=self.name, seed=str(self.seed))
        if not self.config.costed:
            return Telemetry("wall", elapsed_s, counters=counters, provenance=source)
        counters.update(cost.counters())
        return Telemetry("wall", elapsed_s, "model", cost.total_joule, counters, source)

    def cost(self) -> Cost:
        """Return what every inference of this session cost together, with the inputs of the model."""
        return self.cost_model.of(self._total, self.engines, self.config, inferences=self._inferences)

    def placement(self) -> list[dict[str, Any]]:
        """Return where each layer lies, JSON-ready."""
        return [engine.as_document() for engine in self.engines]

    def close(self) -> None:
        """Refuse further windows; may be called twice."""
        self._closed = True


def _run(
    layer: TernaryLayer, engine: LayerEngine, values: Int8Array, keys: npt.NDArray[np.uint64], age_s: Float64Array
) -> tuple[LayerTrace, Tally]:
    """Run one layer on (n, d_in) values; each position of a convolution is a read of its own."""
    vectors = layer.unfold(values)
    n, positions = vectors.shape[:2]
    with np.errstate(over="ignore"):
        own = np.add(keys[:, None], GOLDEN * np.arange(1, positions + 1, dtype=np.uint64), dtype=np.uint64)
    sums, tally = engine.accumulate(
        vectors.reshape(n * positions, layer.fan_in), keys=own.ravel(), t_s=np.repeat(age_s, positions)
    )
    sums = sums.reshape(n, positions, layer.channels)
    biased = sums + layer.bias
    following = biased if layer.requantisation is None else layer.requantisation.apply(biased)
    return LayerTrace(layer.fold(sums), layer.fold(following)), tally


def _part_of(on_progress: OnProgress, before: int, total: int) -> OnProgress:
    """Return a listener to a part of the work that starts once ``before`` of ``total`` are done."""
    return lambda done, _: on_progress(before + done, total)


@dataclass(frozen=True, slots=True)
class CrossbarBackend:
    """Tiles of one memristor with one set of converters.

    Attributes:
        device: What the cells are.
        config: How the array around them is built.
    """

    device: Device
    config: CrossbarConfig

    @property
    def name(self) -> str:
        """The target it stands for."""
        return f"crossbar:{self.device.name}"

    @property
    def capabilities(self) -> Capabilities:
        """Analog, any size: layers larger than a tile are cut."""
        return Capabilities(exact=False, energy_source="model" if self.config.costed else "none")

    def program(
        self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress
    ) -> CrossbarSession:
        """Program every layer's cells, solve its wires and calibrate its converters.

        Args:
            network: What to program.
            seed: What every draw follows from.
            on_progress: Told how many arrays are solved and calibrated, each counted twice.

        Raises:
            InvalidValueError: The calibration windows do not fit the network.
        """
        with one_blas_thread():
            engines = self._written(network, seed)
            profile = self._calibrated(network, engines, seed, on_progress)
            session = CrossbarSession(network, self.name, self.config, engines, profile, seed)
            session.rehearse()
        return session

    def _written(self, network: TernaryNetwork, seed: int) -> list[LayerEngine]:
        device = self.config.device.applied_to(self.device)
        return [
            LayerEngine.program(layer, device, self.config, seed=seed, index=index)
            for index, layer in enumerate(network.layers)
        ]

    def _calibrated(
        self, network: TernaryNetwork, engines: list[LayerEngine], seed: int, on_progress: OnProgress
    ) -> Profile:
        """Solve the wires of every layer and set its converters; returns what their ADCs saw."""
        before, total = 0, 2 * sum(engine.tiling.arrays for engine in engines)
        tiles: list[TileProfile] = []
        for engine, vectors in zip(engines, layer_inputs(network, self._windows(network)), strict=True):
            engine.arrays.solve_wires(_part_of(on_progress, before, total))
            tiles += calibrate(engine, vectors, seed=seed, t_s=self.config.age_s)
            before += 2 * engine.tiling.arrays
            on_progress(before, total)
        return Profile(tuple(tiles))

    def _windows(self, network: TernaryNetwork) -> Int8Array:
        if not self.config.calibration:
            return representative_windows(network, self.config.calibration_windows)
        path = Path(self.config.calibration)
        try:
            windows: Int8Array = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise FormatError(f"calibration must be a .npy file of int8 windows, but {path} is not: {error}") from error
        check_windows(windows, np.zeros(len(windows), np.int64), d_in=network.d_in)
        return windows[: self.config.calibration_windows]


@dataclass(frozen=True, slots=True)
class CrossbarFactory:
    """Makes ``crossbar:PRESET?option=value&...``.

    Attributes:
        about: What it is, in one line.
    """

    about: str

    def __call__(self, argument: str, options: Mapping[str, str]) -> CrossbarBackend:
        """Return a backend with the preset, or the ``.csv`` table of measurements, and the options of a target.

        Raises:
            InvalidValueError: There is no preset, or an option cannot have its value.
            UnknownNameError: The preset or an option is unknown.
        """
        if not argument:
            known = ", ".join(names("presets"))
            raise InvalidValueError(f"crossbar needs a preset, as in crossbar:rram_wan2022; known: {known}")
        config = CrossbarConfig.parse(options)
        device = Device.from_csv(argument) if _is_table(argument) else _device(load("presets", argument), config)
        changed = config.device.applied_to(device)  # what is impossible is refused here, not when a network arrives
        if changed.ages and config.age_s > max(device.characterised_s, FRESH_S):
            raise InvalidValueError(
                f"age_s of {device.name!r} must be at most {device.characterised_s:g}, as long as it was measured, "
                f"but is {config.age_s:g}"
            )
        return CrossbarBackend(device, config)

    def missing(self) -> str | None:
        """Need nothing."""
        return None


def _is_table(argument: str) -> bool:
    """Return whether a table of measurements is meant, and refuse a file that is not called like one."""
    if argument.lower().endswith(".csv"):
        return True
    if Path(argument).is_file():
        raise InvalidValueError(f"crossbar takes a preset or a table of measured cells in a .csv, but got {argument}")
    return False


def _device(preset: Any, config: CrossbarConfig) -> Device:
    """Return one of our devices as it is, and anybody else's between the levels that the options give."""
    if isinstance(preset, Device):
        return preset
    off, on = config.device.off or 0.0, config.device.on or 0.0
    return ForeignDevice.around(preset, off_siemens=off * MICRO, on_siemens=on * MICRO)


crossbar = CrossbarFactory("memristor arrays with converters; crossbar:PRESET?tile=128&adc_bits=8&dac_bits=8&...")
