"""What an inference on a crossbar costs in joules, seconds and square millimetres, each input with its source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from emulators.config import CrossbarConfig
from emulators.engine import LayerEngine, Tally

__all__ = ["Cost", "CostModel", "Figure"]

ADC_REFERENCE_BITS = 8


@dataclass(frozen=True, slots=True)
class Figure:
    """One input of the model.

    Attributes:
        value: In ``unit``.
        unit: Spelled out.
        source: A citation, or the word assumed and why.
    """

    value: float
    unit: str
    source: str

    @property
    def assumed(self) -> bool:
        """Whether nobody measured it."""
        return self.source.startswith("assumed")


KULL = "Kull et al., JSSC 48, 3049 (2013): 8 bit, 1.2 GS/s, 3.1 mW, 0.0015 mm2 in 32 nm"
HOROWITZ = "Horowitz, ISSCC 2014, 1.1: 45 nm, 0.9 V"
ISAAC = "Shafiee et al., ISCA 2016 (ISAAC), Table I: 8 x 128 one-bit drivers, 4 mW, 0.00017 mm2 in 32 nm"


@dataclass(frozen=True, slots=True)
class CostModel:
    """The inputs; replace any of them with your own.

    Energies of converters scale with ``2**bits`` from the cited resolution, as a converter of constant figure of
    merit does. The array's energy is not an input: it is voltage times solved row current times the read time.
    """

    adc_joule_per_step: Figure = field(
        default_factory=lambda: Figure(3.1e-3 / 1.2e9 / 2**8, "joule per conversion and level", KULL)
    )
    adc_rate_hz: Figure = field(default_factory=lambda: Figure(1.2e9, "conversions per second", KULL))
    adc_area_mm2: Figure = field(default_factory=lambda: Figure(0.0015, "square millimetre at 8 bits", KULL))
    columns_per_adc: Figure = field(
        default_factory=lambda: Figure(128.0, "columns", "assumed: one converter per 128 columns, as in ISAAC")
    )
    dac_joule_per_bit: Figure = field(
        default_factory=lambda: Figure(
            4e-3 / 1024 * 1e-7, "joule per driven line, pass and bit", f"{ISAAC}; a read of 100 ns, linear in bits"
        )
    )
    dac_area_mm2_per_bit: Figure = field(
        default_factory=lambda: Figure(0.00017 / 1024, "square millimetre per line and bit", ISAAC)
    )
    add_joule: Figure = field(default_factory=lambda: Figure(0.1e-12, "joule per 32-bit addition", HOROWITZ))
    multiply_joule: Figure = field(default_factory=lambda: Figure(3.1e-12, "joule per 32-bit product", HOROWITZ))
    byte_joule: Figure = field(
        default_factory=lambda: Figure(10e-12 / 8, "joule per byte moved", f"{HOROWITZ}; 8 KiB SRAM, 64 bits a read")
    )
    cell_area_um2: Figure = field(
        default_factory=lambda: Figure(0.05, "square micrometre", "assumed: 1T1R, about 30 F2 at 40 nm")
    )
    digital_area_mm2: Figure = field(
        default_factory=lambda: Figure(1e-4, "square millimetre per ADC", "assumed: shift, add and requantise")
    )

    def of(self, tally: Tally, engines: Iterable[LayerEngine], config: CrossbarConfig, *, inferences: int) -> Cost:
        """Return what so many inferences cost.

        Args:
            tally: What the arrays and converters did in them.
            engines: The layers.
            config: How they are built; its converters must have a resolution.
            inferences: How many.
        """
        layers = list(engines)
        return Cost(
            energy_joule=self._energy(tally, layers, config, inferences),
            latency_s=inferences * sum(self._latency(engine) for engine in layers),
            area_mm2=self._area(layers, config),
            inferences=inferences,
            model=self,
        )

    def _energy(
        self, tally: Tally, layers: list[LayerEngine], config: CrossbarConfig, inferences: int
    ) -> dict[str, float]:
        levels = 2.0 ** (config.adc_bits or 0)
        outputs = inferences * sum(e.arrays.layer.d_out for e in layers)
        moved = inferences * sum(e.arrays.layer.d_in + e.arrays.layer.d_out for e in layers)
        requantise = outputs * (self.multiply_joule.value + 2 * self.add_joule.value)
        return {
            "array": tally.array_joule,
            "adc": tally.conversions * self.adc_joule_per_step.value * levels,
            "dac": tally.drives * self.dac_joule_per_bit.value * self._drive_bits(config),
            "digital": tally.conversions * self.add_joule.value + requantise + moved * self.byte_joule.value,
        }

    @staticmethod
    def _drive_bits(config: CrossbarConfig) -> int:
        return 1 if config.inputs == "bit_serial" else config.dac_bits or 0

    def _latency(self, engine: LayerEngine) -> float:
        """Return seconds of one inference: strips and columns work side by side, positions and passes in turn."""
        share = min(self.columns_per_adc.value, engine.tiling.size.bit_lines)
        one_pass = engine.config.device.t_read_s + share / self.adc_rate_hz.value
        return engine.arrays.layer.positions * engine.reads_per_vector * one_pass

    def _area(self, layers: list[LayerEngine], config: CrossbarConfig) -> dict[str, float]:
        cells = sum(engine.tiling.cells for engine in layers)
        tiles = sum(engine.tiling.strips * engine.tiling.column_tiles for engine in layers)
        adcs = tiles * -(-config.tile.bit_lines // int(self.columns_per_adc.value))
        lines = tiles * config.tile.word_lines
        scale = 2.0 ** ((config.adc_bits or 0) - ADC_REFERENCE_BITS)
        return {
            "array": cells * self.cell_area_um2.value * 1e-6,
            "adc": adcs * self.adc_area_mm2.value * scale,
            "dac": lines * self.dac_area_mm2_per_bit.value * self._drive_bits(config),
            "digital": adcs * self.digital_area_mm2.value,
        }

    def inputs(self) -> list[dict[str, Any]]:
        """Return every input, JSON-ready, with its source."""
        figures = {each.name: getattr(self, each.name) for each in fields(self)}
        return [{"name": n, "value": f.value, "unit": f.unit, "source": f.source} for n, f in figures.items()]


@dataclass(frozen=True, slots=True)
class Cost:
    """What some inferences cost.

    Attributes:
        energy_joule: By part: array, adc, dac, digital.
        latency_s: Of all of them, one after the other.
        area_mm2: By part.
        inferences: How many.
        model: What it was reckoned with.
    """

    energy_joule: dict[str, float]
    latency_s: float
    area_mm2: dict[str, float]
    inferences: int
    model: CostModel

    @property
    def total_joule(self) -> float:
        """Energy of all parts."""
        return sum(self.energy_joule.values())

    def counters(self) -> dict[str, float]:
        """Return the figures under names that carry their unit."""
        return {
            **{f"energy_{part}_joule": value for part, value in self.energy_joule.items()},
            "latency_model_s": self.latency_s,
            "area_mm2": sum(self.area_mm2.values()),
        }

    def as_document(self) -> dict[str, Any]:
        """Return everything per inference, JSON-ready, with the inputs and their sources."""
        n = max(self.inferences, 1)
        return {
            "inferences": self.inferences,
            "energy_joule_per_inference": {part: value / n for part, value in self.energy_joule.items()},
            "latency_s_per_inference": self.latency_s / n,
            "area_mm2": dict(self.area_mm2),
            "inputs": self.model.inputs(),
        }
