"""A memristor is a composition of cited laws; this is the one class that composes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from emulators.devices.laws import Drift, ReadNoise, Shift, Spread, rectified
from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = ["Cells", "Device"]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What was drawn for an array of cells when it was programmed; nothing in it changes afterwards.

    Attributes:
        target_siemens: (rows, columns) what they were told to hold.
        landing: (rows, columns) standard normal score of where each cell landed.
        wandering: (rows, columns) standard normal score of where each cell relaxes to.
        exponent: (rows, columns) drift exponent of each cell.
    """

    target_siemens: Float64Array
    landing: Float64Array
    wandering: Float64Array
    exponent: Float64Array


@dataclass(frozen=True, slots=True)
class Device:
    """A published memristor.

    Attributes:
        name: As targets spell it.
        about: What it is, in one line.
        citation: Where its numbers come from.
        g_min_siemens: Lowest conductance the publication covers.
        g_max_siemens: Highest conductance the publication covers.
        off_siemens: Conductance of a cell that holds nothing.
        on_siemens: Conductance of a cell that holds a weight.
        spread: How far cells land from their target, and how that grows.
        shift: How the mean of all cells moves.
        drift: How each cell moves.
        read_noise: How a cell differs from read to read.
        noise_is_measured_in: Whether the published spread already contains the read noise, which is then taken out
            of the lasting part so that a read has the published spread.
        read_volt: Voltage at the largest input.
        characterised_s: Until when the publication measured; later times hold the last figures.
    """

    name: str
    about: str
    citation: str
    g_min_siemens: float
    g_max_siemens: float
    off_siemens: float
    on_siemens: float
    spread: Spread | None = None
    shift: Shift | None = None
    drift: Drift | None = None
    read_noise: ReadNoise | None = None
    noise_is_measured_in: bool = False
    read_volt: float = 0.2
    characterised_s: float = float("inf")

    def __post_init__(self) -> None:
        """Refuse levels that are out of order or outside the range."""
        levels = (0.0, self.g_min_siemens, self.off_siemens, self.on_siemens, self.g_max_siemens)
        if not all(np.isfinite(levels)) or not (levels[1] >= 0 and levels[1] <= levels[2] < levels[3] <= levels[4]):
            message = (
                f"device {self.name!r} needs 0 <= g_min <= off < on <= g_max siemens, "
                f"but got {levels[1]:g}, {levels[2]:g}, {levels[3]:g}, {levels[4]:g}"
            )
            raise InvalidValueError(message)

    @property
    def ages(self) -> bool:
        """Whether the conductance depends on the time since programming."""
        return self.spread is not None or self.shift is not None or self.drift is not None

    def without(self, *parts: str) -> Self:
        """Return the same device with some of ``spread``, ``shift``, ``drift``, ``read_noise`` switched off."""
        changes: dict[str, None] = dict.fromkeys(parts)
        return replace(self, **changes)  # type: ignore[arg-type]

    def program(self, target_siemens: Float64Array, *, rng: np.random.Generator) -> Cells:
        """Program cells towards their targets.

        Every score is drawn whether or not a law uses it, so that switching one effect never changes another.

        Args:
            target_siemens: (rows, columns) desired conductances, within the device's range.
            rng: Source of the scores.

        Raises:
            InvalidValueError: A target is not finite or outside the range.
        """
        target = np.array(target_siemens, dtype=np.float64)
        self._check(target)
        landing, wandering, exponent_score = (rng.standard_normal(target.shape) for _ in range(3))
        exponent = np.zeros_like(target) if self.drift is None else self.drift.exponents(target, exponent_score)
        return Cells(target, landing, wandering, exponent)

    def _check(self, target: Float64Array) -> None:
        slack = 1e-9 * self.g_max_siemens
        bad = ~((target >= self.g_min_siemens - slack) & (target <= self.g_max_siemens + slack))
        if bad.any():
            message = (
                f"conductances of {self.name!r} must lie between {self.g_min_siemens:g} and {self.g_max_siemens:g} "
                f"siemens, but got {target[bad].flat[0]:g}"
            )
            raise InvalidValueError(message)

    def conductance(self, cells: Cells, *, t_s: float) -> Float64Array:
        """Return (rows, columns) siemens without read noise, ``t_s`` seconds after programming.

        Raises:
            InvalidValueError: The time is negative or not finite.
        """
        if not (np.isfinite(t_s) and t_s >= 0):
            raise InvalidValueError(f"time since programming must be finite and not negative, but is {t_s} s")
        landed = self._landed(cells, t_s)
        return landed if self.drift is None else landed * self.drift.factor(cells.exponent, t_s)

    def _landed(self, cells: Cells, t_s: float) -> Float64Array:
        mean = cells.target_siemens if self.shift is None else self.shift.mean_siemens(cells.target_siemens, t_s)
        if self.spread is None:
            return mean
        first, now = (self._lasting(self.spread.sigma_siemens(mean, t), mean, t) for t in (0.0, t_s))
        kept = np.minimum(first, now)
        wandered = np.sqrt(np.maximum(now**2 - first**2, 0.0))
        score = (kept * cells.landing + wandered * cells.wandering) / np.maximum(now, 1e-30)
        return rectified(mean, now, score)

    def _lasting(self, sigma: Float64Array, mean: Float64Array, t_s: float) -> Float64Array:
        """Take the read noise out of a spread that was measured with it."""
        if self.read_noise is None or not self.noise_is_measured_in:
            return sigma
        noise = self.read_noise.sigma_siemens(mean, mean, t_s)
        return np.sqrt(np.maximum(sigma**2 - noise**2, 0.0))

    def read_sigma(self, cells: Cells, now_siemens: Float64Array, *, t_s: float) -> Float64Array | None:
        """Return the (rows, columns) standard deviation of one read, or None for a device that does not flicker."""
        if self.read_noise is None:
            return None
        return self.read_noise.sigma_siemens(now_siemens, self._landed(cells, 0.0), t_s)

    def read(self, state: Cells, *, t_s: float, rng: np.random.Generator) -> Float64Array:
        """Return (rows, columns) siemens of one read, ``t_s`` seconds after programming, never negative."""
        now = self.conductance(state, t_s=t_s)
        sigma = self.read_sigma(state, now, t_s=t_s)
        if sigma is None:
            return now
        return np.maximum(now + sigma * rng.standard_normal(now.shape), 0.0)
