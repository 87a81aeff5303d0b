"""Writing a cell until it reads right: pulse by pulse, with every pulse counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from emulators.devices.laws import MICRO, SIEMENS, SIEMENS_OR_NONE, PolynomialSpread, check_limits
from hil.errors import InvalidValueError
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = ["SoftBounds", "Verified", "WriteVerify"]

LEAST_BOUND: Final = 1e-3  # in half ranges; a device that cannot move at all would divide by zero


@dataclass(frozen=True, slots=True)
class SoftBounds:
    """What one pulse does: a step that shrinks towards the bound it moves to.

    All figures are in units of half the conductance range, with the middle of the range at zero (the soft-bounds
    model of Fusi and Abbott, 2007, as aihwkit parameterises it).

    Attributes:
        step: Mean step at the middle.
        step_spread: Device-to-device deviation of the logarithm of the step.
        step_noise: Pulse-to-pulse deviation of a step, relative to it.
        upper_spread: Device-to-device deviation of the upper bound around +1.
        lower_spread: Device-to-device deviation of the lower bound around -1.
        write_noise: Deviation of where a cell settles after a pulse, in mean steps.
    """

    step: float
    step_spread: float = 0.0
    step_noise: float = 0.0
    upper_spread: float = 0.0
    lower_spread: float = 0.0
    write_noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a step that goes nowhere and negative deviations."""
        deviations = ("step_spread", "step_noise", "upper_spread", "lower_spread", "write_noise")
        check_limits(self, step=(1e-6, 1.0), **dict.fromkeys(deviations, (0.0, 10.0)))

    def mean_step(self, level: Float64Array, *, up: bool) -> Float64Array:
        """Return the mean step of a typical device at (...) levels between -1 and 1."""
        return self.step * (1.0 - level) if up else -self.step * (1.0 + level)


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """What a write-verify loop left.

    Attributes:
        landed_siemens: (rows, columns) conductances after the last pulse.
        pulses: (rows, columns) pulses each cell took.
        converged: (rows, columns) whether the last read was within the tolerance.
    """

    landed_siemens: Float64Array
    pulses: Int64Array
    converged: BoolArray


@dataclass(frozen=True, slots=True)
class WriteVerify:
    """Pulse, read, and pulse again until the read lies within a tolerance; a cell that was accepted is left alone.

    Attributes:
        pulse: What a pulse does.
        g_min_siemens: Lower end of the range that the pulse's -1 stands for.
        g_max_siemens: Upper end.
        tolerance_siemens: Accepted distance from the target.
        most_pulses: After so many a cell is given up and stays where it is.
        read_sigma_siemens: Standard deviation of the verifying read.
    """

    pulse: SoftBounds
    g_min_siemens: float
    g_max_siemens: float
    tolerance_siemens: float
    most_pulses: int = 100
    read_sigma_siemens: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a loop that cannot end."""
        check_limits(
            self,
            g_min_siemens=SIEMENS_OR_NONE,
            g_max_siemens=SIEMENS,
            tolerance_siemens=SIEMENS,
            most_pulses=(1, 1_000_000),
            read_sigma_siemens=SIEMENS_OR_NONE,
        )
        if not self.g_min_siemens < self.g_max_siemens:
            raise InvalidValueError(
                f"write-verify needs g_min below g_max, but got {self.g_min_siemens:g} and {self.g_max_siemens:g} S"
            )

    def run(self, target_siemens: Float64Array, *, rng: np.random.Generator) -> Verified:
        """Write (rows, columns) cells, each from a random point of its range.

        Args:
            target_siemens: Where they should end.
            rng: Source of every step, read and device.
        """
        half = 0.5 * (self.g_max_siemens - self.g_min_siemens)
        middle = 0.5 * (self.g_max_siemens + self.g_min_siemens)
        wanted, slack = (target_siemens.ravel() - middle) / half, self.tolerance_siemens / half
        devices = self._devices(wanted.size, rng)
        held = np.clip(rng.uniform(-1.0, 1.0, wanted.size), devices[2], devices[1])
        seen = held.copy()
        pulses, busy = np.zeros(wanted.size, np.int64), np.arange(wanted.size)
        for _ in range(self.most_pulses):
            read = seen[busy] + rng.standard_normal(busy.size) * self.read_sigma_siemens / half
            off = np.abs(read - wanted[busy]) > slack
            busy, up = busy[off], (read < wanted[busy])[off]
            if not busy.size:
                break
            step, upper, lower = (each[busy] for each in devices)
            held[busy], seen[busy] = self._pulse(up, held[busy], (step, upper, lower), rng)
            pulses[busy] += 1
        landed = np.maximum(middle + seen * half, 0.0)
        shape = target_siemens.shape
        return Verified(landed.reshape(shape), pulses.reshape(shape), (np.abs(seen - wanted) <= slack).reshape(shape))

    def _devices(self, count: int, rng: np.random.Generator) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return each device's step and bounds; a bound keeps its sign, as the cited simulator enforces."""
        step = self.pulse.step * np.exp(self.pulse.step_spread * rng.standard_normal(count))
        upper = np.abs(1.0 + self.pulse.upper_spread * rng.standard_normal(count))
        lower = -np.abs(-1.0 + self.pulse.lower_spread * rng.standard_normal(count))
        return step, np.maximum(upper, LEAST_BOUND), np.minimum(lower, -LEAST_BOUND)

    def _pulse(
        self,
        up: BoolArray,
        held: Float64Array,
        device: tuple[Float64Array, Float64Array, Float64Array],
        rng: np.random.Generator,
    ) -> tuple[Float64Array, Float64Array]:
        """Return what (n,) cells hold and show after one pulse in the direction of each."""
        step, upper, lower = device
        room = np.where(up, (upper - held) / upper, (held - lower) / lower)
        moved = held + step * room * (1.0 + self.pulse.step_noise * rng.standard_normal(held.shape))
        moved = np.clip(moved, lower, upper)
        return moved, moved + self.pulse.write_noise * self.pulse.step * rng.standard_normal(held.shape)

    def fitted_spread(
        self, levels_siemens: Float64Array, *, devices: int, rng: np.random.Generator, order: int = 2
    ) -> PolynomialSpread:
        """Return the loop's spread around its target as a polynomial of the target, without running the loop again.

        Args:
            levels_siemens: (n,) targets to run it at, more than ``order``.
            devices: How many cells at each.
            rng: Source of the runs.
            order: Of the polynomial.

        Raises:
            InvalidValueError: Fewer levels than coefficients.
        """
        if len(levels_siemens) <= order:
            raise InvalidValueError(
                f"a fit of order {order} needs more than {order} levels, but got {len(levels_siemens)}"
            )
        sigma = [
            np.sqrt(np.mean((self.run(np.full(devices, level), rng=rng).landed_siemens - level) ** 2))
            for level in levels_siemens
        ]
        fit = np.polynomial.polynomial.polyfit(levels_siemens / MICRO, np.array(sigma) / MICRO, order)
        return PolynomialSpread(tuple(float(coefficient) for coefficient in fit))
