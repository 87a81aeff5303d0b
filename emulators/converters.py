"""Digital to analog and back: ideal steps first, then what real converters do to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = ["Adc", "AdcBank", "Dac", "DacBank", "Nonideality"]

INPUT_BITS: Final = 8
GRID_BITS: Final = 10
"""Word-line voltages of a real DAC are kept on a grid of 2**-10 input steps, so that products with them are exact."""
LARGEST_BITS: Final = 16


@dataclass(frozen=True, slots=True)
class Nonideality:
    """How a bank of converters departs from a straight line, each figure one standard deviation over the bank.

    Attributes:
        inl_lsb: Bow of the transfer curve in steps.
        dnl_lsb: Error of each step's width in steps.
        gain: Relative error of the slope.
        offset_lsb: Offset in steps.
        noise_lsb: Noise of each conversion in steps.
    """

    inl_lsb: float = 0.0
    dnl_lsb: float = 0.0
    gain: float = 0.0
    offset_lsb: float = 0.0
    noise_lsb: float = 0.0

    def __post_init__(self) -> None:
        """Refuse figures that are negative or not finite."""
        for name in ("inl_lsb", "dnl_lsb", "gain", "offset_lsb", "noise_lsb"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise InvalidValueError(f"converter {name} must be zero or positive, but is {value}")

    @property
    def static(self) -> bool:
        """Whether the transfer curve itself is not a straight line through zero."""
        return any((self.inl_lsb, self.dnl_lsb, self.gain, self.offset_lsb))

    def curves(self, converters: int, codes: int, *, rng: np.random.Generator) -> Float64Array:
        """Return (converters, codes) integral nonlinearity in steps: a random bow plus a random walk tied at its ends.

        Args:
            converters: How many.
            codes: Codes of each.
            rng: Source of the errors; the same numbers are drawn whatever their size.
        """
        bow = np.sin(np.pi * np.linspace(0.0, 1.0, codes)) * rng.standard_normal((converters, 1))
        walk = np.cumsum(rng.standard_normal((converters, codes)), axis=1)
        ramp = np.linspace(0.0, 1.0, codes)
        tied = walk - walk[:, :1] * (1.0 - ramp) - walk[:, -1:] * ramp
        return self.inl_lsb * bow + self.dnl_lsb * tied


def _check_bits(bits: int | None, what: str) -> None:
    if bits is not None and not 1 <= bits <= LARGEST_BITS:
        raise InvalidValueError(f"{what} must have 1 to {LARGEST_BITS} bits, or be lossless, but has {bits}")


@dataclass(frozen=True, slots=True)
class Dac:
    """What drives the word lines.

    Attributes:
        bits: Its ``2**bits`` steps span the int8 range, both ends included; None for one without steps.
        errors: How it departs from a straight line.
    """

    bits: int | None = 8
    errors: Nonideality = Nonideality()

    def __post_init__(self) -> None:
        """Refuse a resolution nobody builds."""
        _check_bits(self.bits, "DAC")

    @property
    def step(self) -> float:
        """Input steps per DAC step, at least 1: a finer DAC than the input adds nothing."""
        return 1.0 if self.bits is None else 2.0 ** max(INPUT_BITS - self.bits, 0)

    def bank(self, lines: int, *, rng: np.random.Generator) -> DacBank:
        """Return one DAC per word line."""
        codes = 2 * int(128 / self.step) + 1
        curves = self.errors.curves(lines, codes, rng=rng)
        gain = 1.0 + self.errors.gain * rng.standard_normal((lines, 1))
        offset = self.errors.offset_lsb * rng.standard_normal((lines, 1))
        levels = (np.arange(codes) - codes // 2) * gain + offset + curves
        scale = self.step * 2.0**GRID_BITS
        return DacBank(self, np.rint(levels * scale) / 2.0**GRID_BITS if self.errors.static else None)


@dataclass(frozen=True, slots=True, eq=False)
class DacBank:
    """The DACs of one array.

    Attributes:
        spec: What they are.
        levels: (lines, codes) what each gives for each code, in input steps; None where all are ideal.
    """

    spec: Dac
    levels: Float64Array | None

    @property
    def grid_bits(self) -> int:
        """Bits after the binary point of what it gives."""
        return 0 if self.levels is None and not self.spec.errors.noise_lsb else GRID_BITS

    def drive(self, amplitude: npt.NDArray[np.int64], noise: Float64Array | None) -> Float64Array:
        """Return (n, lines) line voltages in input steps.

        Args:
            amplitude: (n, lines) what to drive, between -128 and 128.
            noise: (n, lines) standard normal draws, or None for a quiet DAC.
        """
        step = self.spec.step
        codes = np.rint(amplitude / step)
        if self.levels is None:
            driven = codes * step
        else:
            index = codes.astype(np.int64) + self.levels.shape[1] // 2
            driven = self.levels[np.arange(len(self.levels)), index]
        if noise is None or not self.spec.errors.noise_lsb:
            return driven
        grid = 2.0**GRID_BITS
        noisy: Float64Array = np.rint((driven + noise * self.spec.errors.noise_lsb * step) * grid) / grid
        return noisy


@dataclass(frozen=True, slots=True)
class Adc:
    """What reads the bit lines.

    Attributes:
        bits: A signed one has ``2**bits - 1`` levels of which one is zero, a positive one ``2**bits``; None for a
            lossless one.
        errors: How it departs from a straight line.
    """

    bits: int | None = 8
    errors: Nonideality = Nonideality()

    def __post_init__(self) -> None:
        """Refuse a resolution nobody builds."""
        _check_bits(self.bits, "ADC")
        if self.bits == 1:
            raise InvalidValueError(
                "ADC must have at least 2 bits, because a signed one of 1 bit has no level but zero"
            )

    def levels(self, *, signed: bool) -> int:
        """Return how many codes it has; 0 for a lossless one."""
        return 0 if self.bits is None else 2**self.bits - (1 if signed else 0)

    def bank(self, low: Float64Array, high: Float64Array, *, signed: bool, rng: np.random.Generator) -> AdcBank:
        """Return one ADC per bit line.

        Args:
            low: (columns,) lower end of each range, in weight units times input steps.
            high: (columns,) upper end.
            signed: Whether zero is a level in the middle.
            rng: Source of the errors.
        """
        columns, levels = len(low), self.levels(signed=signed)
        if levels == 0:
            return AdcBank(np.tile([1.0, 0.0, 0.0, 0.0, 0.0], (columns, 1)), np.empty((columns, 0)), 0.0)
        step = (high - low) / (levels - 1)
        bottom = np.rint(low / step)
        gain = 1.0 + self.errors.gain * rng.standard_normal(columns)
        offset = self.errors.offset_lsb * step * rng.standard_normal(columns)
        limits = np.stack([gain, offset, bottom, bottom + levels - 1, step], axis=1)
        curves = self.errors.curves(columns, levels, rng=rng)
        bent = self.errors.inl_lsb > 0 or self.errors.dnl_lsb > 0
        return AdcBank(limits, curves if bent else np.empty((columns, 0)), self.errors.noise_lsb)


@dataclass(frozen=True, slots=True, eq=False)
class AdcBank:
    """The ADCs of one strip of tiles.

    Attributes:
        limits: (columns, 5) gain, offset, lowest code, highest code and step of each; step 0 is lossless.
        nonlinearity: (columns, codes) integral nonlinearity in steps, or (columns, 0).
        noise_lsb: Noise of a conversion in steps.
    """

    limits: Float64Array
    nonlinearity: Float64Array
    noise_lsb: float

    @property
    def noise_variance(self) -> Float64Array:
        """(columns,) variance that the ADC itself adds before it quantises."""
        variance: Float64Array = (self.noise_lsb * self.limits[:, 4]) ** 2
        return variance
