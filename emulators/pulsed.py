"""An array written by pulses: what a voltage on a line does to a cell, so that a strategy can be tried before the chip.

A pulse moves a cell by a step that shrinks towards a bound (soft bounds, Fusi and Abbott 2007, with the step, spreads
and noise of a device preset). Published figures hold for one amplitude; here the SET bound follows the gate voltage,
because the transistor's compliance sets the filament (Milo et al., IRPS 2021), the RESET bound follows the line
voltage, and the step follows the overdrive exponentially and the width as a power law. Those slopes are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emulators.devices.device import Device
from hil.errors import InvalidValueError
from hil.registry import load
from hil.rng import stream
from hil.types import BoolArray, Float64Array

__all__ = ["PulseResponse", "PulsedArray", "emulated"]


@dataclass(frozen=True, slots=True)
class PulseResponse:
    """How amplitude and width change what a pulse does; all assumed, see the module's text.

    Attributes:
        reference_line_volt: Line voltage at which the preset's step holds.
        reference_gate_volt: Gate voltage at which the preset's upper bound holds.
        reference_width_s: Width at which the preset's step holds.
        line_volt_per_e: Overdrive that multiplies the step by e.
        width_power: Exponent of the width.
        level_per_gate_volt: How far the SET bound moves with the gate, in half ranges.
        level_per_line_volt: How far the RESET bound moves with the line, in half ranges.
        threshold_volt: Below this line voltage nothing moves.
        forming_volt: Lowest line voltage that forms a fresh cell.
    """

    reference_line_volt: float = 1.2
    reference_gate_volt: float = 1.4
    reference_width_s: float = 1e-6
    line_volt_per_e: float = 0.35
    width_power: float = 0.3
    level_per_gate_volt: float = 2.0
    level_per_line_volt: float = 2.0
    threshold_volt: float = 0.5
    forming_volt: float = 2.0


class PulsedArray:
    """One array of 1T1R cells; satisfies ``boards.array.Cells``.

    Args:
        device: A preset with a write-verify loop, whose pulse statistics are used.
        rows: Word lines.
        columns: Bit lines.
        seed: Of every device and pulse.
        response: What amplitudes and widths do.
        formed: Whether the cells were formed before.
    """

    def __init__(
        self,
        device: Device,
        rows: int,
        columns: int,
        *,
        seed: int,
        response: PulseResponse | None = None,
        formed: bool = True,
    ) -> None:
        if device.verify is None:
            raise InvalidValueError(f"device {device.name!r} says nothing about pulses; choose hfo2_gong2022")
        self.device, self.rows, self.columns = device, rows, columns
        self._response = response or PulseResponse()
        self._pulse = device.verify.pulse
        self._rng = stream(seed, "pulsed array")
        shape = (rows, columns)
        draw = self._rng.standard_normal
        self._step = self._pulse.step * np.exp(self._pulse.step_spread * draw(shape))
        self._upper = 1.0 + self._pulse.upper_spread * draw(shape)
        self._lower = -1.0 + self._pulse.lower_spread * draw(shape)
        self._held = self._rng.uniform(-1.0, 1.0, shape)
        self._seen = self._held.copy()
        self._formed = np.full(shape, formed)
        self._gain = 1.0 + 0.005 * draw(columns)
        self._offset_ampere = 20e-9 * draw(columns)

    @property
    def formed(self) -> BoolArray:
        """(rows, columns) which cells have a filament."""
        return self._formed.copy()

    def _siemens(self, level: Float64Array) -> Float64Array:
        low, high = self.device.g_min_siemens, self.device.g_max_siemens
        g_siemens = 0.5 * (high + low) + 0.5 * (high - low) * level
        return np.where(self._formed, np.maximum(g_siemens, 0.0), 0.0)

    def conductance(self) -> Float64Array:
        """Return the (rows, columns) conductances without read noise, in siemens."""
        return self._siemens(self._seen)

    def form(self, chosen: BoolArray, *, line_volt: float, gate_volt: float, width_s: float) -> None:
        """Form the chosen cells, where the voltage reaches the forming voltage."""
        if line_volt >= self._response.forming_volt:
            self._formed |= chosen

    def set(self, chosen: BoolArray, *, line_volt: float, gate_volt: float, width_s: float) -> None:
        """Raise the chosen cells towards a bound that follows the gate voltage."""
        bound = self._upper + self._response.level_per_gate_volt * (gate_volt - self._response.reference_gate_volt)
        self._move(chosen & (self._held < bound), bound, line_volt, width_s)

    def reset(self, chosen: BoolArray, *, line_volt: float, gate_volt: float, width_s: float) -> None:
        """Lower the chosen cells towards a bound that follows the line voltage."""
        bound = self._lower - self._response.level_per_line_volt * (line_volt - self._response.reference_line_volt)
        self._move(chosen & (self._held > bound), bound, line_volt, width_s)

    def _move(self, chosen: BoolArray, bound: Float64Array, line_volt: float, width_s: float) -> None:
        response = self._response
        if line_volt < response.threshold_volt or width_s <= 0:
            return
        strength = np.exp((line_volt - response.reference_line_volt) / response.line_volt_per_e)
        strength *= (width_s / response.reference_width_s) ** response.width_power
        chosen = chosen & self._formed
        held, step = self._held[chosen], self._step[chosen]
        noise = 1.0 + self._pulse.step_noise * self._rng.standard_normal(held.shape)
        share = -np.expm1(-step * strength * np.maximum(noise, 0.0))
        moved = held + share * (bound[chosen] - held)
        self._held[chosen] = moved
        wander = self._pulse.write_noise * self._pulse.step * share * self._rng.standard_normal(held.shape)
        self._seen[chosen] = moved + wander

    def read(self, *, volt: float) -> Float64Array:
        """Return (rows, columns) siemens as one read finds them, read noise included."""
        g_siemens = self.conductance()
        noise = self.device.read_noise
        if noise is None:
            return g_siemens
        sigma = noise.amount.sigma_siemens(g_siemens, g_siemens, 0.0)
        return np.maximum(g_siemens + sigma * self._rng.standard_normal(g_siemens.shape), 0.0)

    def currents(self, volts: Float64Array) -> Float64Array:
        """Return (n, columns) amperes that the sense circuits report for (n, rows) volts, before calibration."""
        return (volts @ self.read(volt=float(np.abs(volts).max(initial=0.0)))) * self._gain + self._offset_ampere

    def sense(self, reference_ampere: float) -> Float64Array:
        """Return what each column's sense circuit reports for a known reference current, (columns,) amperes."""
        return reference_ampere * self._gain + self._offset_ampere


class _EmulatedArrays:
    """Arrays of a published device, written by pulses."""

    about = "arrays of a published device, written by pulses (array:emulated?preset=hfo2_gong2022)"

    def __call__(self, *, preset: str, rows: int, columns: int, seed: int, index: int) -> PulsedArray:
        device: Any = load("presets", preset)
        return PulsedArray(device, rows, columns, seed=seed * 65536 + index)


emulated = _EmulatedArrays()
