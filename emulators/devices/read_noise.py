"""How a cell differs from one read to the next: how much, and for how long it remembers.

Fluctuations are sums of renewal processes: at the events of a Poisson process of rate 1/tau a cell redraws its state.
Each has an exactly exponential correlation, so its spectrum is a Lorentzian; a ladder of them, one per decade, is 1/f
(McWhorter, 1957), and one with two states is random telegraph noise. Every state is a hash of the cell's key and the
number of the event, so that the noise at any moment of the stream's clock can be looked up without simulating up to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from emulators.devices.laws import SECONDS, SHARE, SIEMENS, SIEMENS_OR_NONE, Branches, LevelSpread, check_limits
from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = [
    "AccumulatedNoise",
    "CellNoise",
    "Fluctuation",
    "Ladder",
    "LevelNoise",
    "ReadNoise",
    "RelativeNoise",
    "SaturatingNoise",
    "Telegraph",
    "White",
]

LEAST_RELATIVE: Final = 1e-3
DECADE: Final = float(np.log(10.0))


class ReadNoise(Protocol):
    """How much a cell fluctuates."""

    def trait(self, programmed_siemens: Float64Array) -> Float64Array:
        """Return what of it depends only on where a cell was programmed; worked out once."""
        ...

    def sigma_siemens(self, now_siemens: Float64Array, trait: Float64Array, t_s: float) -> Float64Array:
        """Return the standard deviation of one read of each cell, ``t_s`` seconds after programming."""
        ...


class Fluctuation(Protocol):
    """For how long a cell remembers."""

    def split(
        self, key: int, shape: tuple[int, ...], *, t_s: float, horizon_s: float
    ) -> tuple[Float64Array | float, Float64Array | None]:
        """Return what is new at every read, and what is remembered.

        Args:
            key: What the cells' states belong to.
            shape: Of the array of cells.
            t_s: Moment on the clock of the cells.
            horizon_s: Memory shorter than this counts as none.

        Returns:
            The share of the variance that is fresh, 0 to 1, and the (shape) remembered part at that moment in units
            of the total standard deviation, or None where nothing is remembered.
        """
        ...


@dataclass(frozen=True, slots=True)
class RelativeNoise:
    """Read noise in proportion to the conductance.

    Attributes:
        fraction: Standard deviation over conductance.
    """

    fraction: float

    def __post_init__(self) -> None:
        """Refuse a negative fraction."""
        check_limits(self, fraction=SHARE)

    def trait(self, programmed_siemens: Float64Array) -> Float64Array:
        """Return nothing: all of it follows from the conductance of the moment."""
        return np.zeros(())

    def sigma_siemens(self, now_siemens: Float64Array, trait: Float64Array, t_s: float) -> Float64Array:
        """Return the fraction of the conductance."""
        return self.fraction * now_siemens


@dataclass(frozen=True, slots=True)
class LevelNoise:
    """Cycle-to-cycle noise given at the two levels of a binary cell.

    Attributes:
        levels: The two levels and their deviations.
    """

    levels: LevelSpread

    def trait(self, programmed_siemens: Float64Array) -> Float64Array:
        """Return the deviation at the programmed level."""
        return self.levels.sigma_siemens(programmed_siemens, 0.0)

    def sigma_siemens(self, now_siemens: Float64Array, trait: Float64Array, t_s: float) -> Float64Array:
        """Return the deviation at the programmed level."""
        return trait


@dataclass(frozen=True, slots=True)
class SaturatingNoise:
    """``A (1 - exp(-I / B))`` of the cell current.

    Attributes:
        limit_siemens: A, as a conductance.
        scale_siemens: B, as a conductance.
    """

    limit_siemens: float
    scale_siemens: float

    def __post_init__(self) -> None:
        """Refuse a negative deviation and a scale that nothing can be divided by."""
        check_limits(self, limit_siemens=SIEMENS_OR_NONE, scale_siemens=SIEMENS)

    def trait(self, programmed_siemens: Float64Array) -> Float64Array:
        """Return nothing: all of it follows from the conductance of the moment."""
        return np.zeros(())

    def sigma_siemens(self, now_siemens: Float64Array, trait: Float64Array, t_s: float) -> Float64Array:
        """Return the saturating deviation."""
        sigma: Float64Array = -self.limit_siemens * np.expm1(-now_siemens / self.scale_siemens)
        return sigma


@dataclass(frozen=True, slots=True)
class AccumulatedNoise:
    """1/f noise integrated from the time since programming down to the read: ``G Q(g) sqrt(ln((t + t_r) / 2 t_r))``.

    Attributes:
        quality: Q as a function of the programmed conductance relative to ``g_max_siemens``.
        g_max_siemens: What conductances are divided by.
        t_read_s: Duration of one read.
        t0_s: Added to the time since programming.
    """

    quality: Branches | PowerQuality
    g_max_siemens: float
    t_read_s: float
    t0_s: float

    def __post_init__(self) -> None:
        """Refuse a conductance or a time that nothing can be divided by."""
        check_limits(self, g_max_siemens=SIEMENS, t_read_s=SECONDS, t0_s=(0.0, SECONDS[1]))

    def trait(self, programmed_siemens: Float64Array) -> Float64Array:
        """Return Q of the programmed conductance."""
        return self.quality(programmed_siemens / self.g_max_siemens)

    def sigma_siemens(self, now_siemens: Float64Array, trait: Float64Array, t_s: float) -> Float64Array:
        """Return the standard deviation of the integrated noise."""
        span = np.log((t_s + self.t0_s + self.t_read_s) / (2.0 * self.t_read_s))
        sigma: Float64Array = now_siemens * trait * np.sqrt(max(span, 0.0))
        return sigma


@dataclass(frozen=True, slots=True)
class PowerQuality:
    """``min(c / g^e, limit)`` of the relative conductance g.

    Attributes:
        factor: c.
        exponent: e.
        limit: Upper limit.
    """

    factor: float
    exponent: float
    limit: float

    def __post_init__(self) -> None:
        """Refuse numbers that no fit has."""
        check_limits(self, factor=SHARE, exponent=(0.0, 100.0), limit=SHARE)

    def __call__(self, relative: Float64Array) -> Float64Array:
        """Return the value for relative conductances."""
        quality: Float64Array = np.minimum(
            self.factor / np.maximum(relative**self.exponent, LEAST_RELATIVE), self.limit
        )
        return quality


@dataclass(frozen=True, slots=True)
class White:
    """Nothing is remembered."""

    def split(
        self, key: int, shape: tuple[int, ...], *, t_s: float, horizon_s: float
    ) -> tuple[Float64Array | float, Float64Array | None]:
        """Return that everything is fresh."""
        return 1.0, None


@dataclass(frozen=True, slots=True)
class Ladder:
    """1/f noise between two times: one Lorentzian per decade, of equal power.

    Attributes:
        shortest_s: Fastest memory.
        longest_s: Slowest memory; where it is infinite the time since the clock started takes its place, because a
            slower fluctuation has not been met yet.
    """

    shortest_s: float
    longest_s: float = float("inf")

    def __post_init__(self) -> None:
        """Refuse times that are out of order."""
        check_limits(self, shortest_s=SECONDS)
        if not 0 < self.shortest_s < self.longest_s:
            got = f"{self.shortest_s} and {self.longest_s} s"
            raise InvalidValueError(f"1/f noise needs 0 < shortest < longest memory, but got {got}")

    def bands(self, t_s: float) -> list[tuple[float, float]]:
        """Return (memory in seconds, share of the variance) of each decade."""
        longest = min(self.longest_s, max(t_s, 10.0 * self.shortest_s))
        decades = float(np.log(longest / self.shortest_s)) / DECADE
        parts = [min(1.0, decades - k) for k in range(int(np.ceil(decades)))]
        return [(self.shortest_s * 10.0 ** (k + 0.5), part / decades) for k, part in enumerate(parts)]

    def split(
        self, key: int, shape: tuple[int, ...], *, t_s: float, horizon_s: float
    ) -> tuple[Float64Array | float, Float64Array | None]:
        """Return the share of the decades below the horizon as fresh, the sum of the others as remembered."""
        from emulators.kernels import normal_table, renewal_normals

        bands = self.bands(t_s)
        slow = [(index, tau, share) for index, (tau, share) in enumerate(bands) if tau > horizon_s]
        if not slow:
            return 1.0, None
        remembered = np.zeros(shape)
        for index, tau, share in slow:
            renewal_normals(np.uint64(key), index, t_s / tau, share**0.5, remembered.reshape(-1), normal_table())
        return max(1.0 - sum(share for _, _, share in slow), 0.0), remembered


@dataclass(frozen=True, slots=True)
class Telegraph:
    """Random telegraph noise: each cell sits in one of two states and remembers it for a time of its own.

    Attributes:
        shortest_s: Fastest cell.
        longest_s: Slowest cell; the memories of cells are spread evenly in the logarithm in between.
        occupancy: Share of the time in the upper state.
    """

    shortest_s: float = 1e-4
    longest_s: float = 1e4
    occupancy: float = 0.5

    def __post_init__(self) -> None:
        """Refuse times out of order and states that are never or always taken."""
        check_limits(self, shortest_s=SECONDS, longest_s=SECONDS)
        if not (0 < self.shortest_s < self.longest_s < float("inf") and 0 < self.occupancy < 1):
            got = f"{self.shortest_s} s, {self.longest_s} s, {self.occupancy}"
            raise InvalidValueError(
                f"telegraph noise needs 0 < shortest < longest memory and 0 < occupancy < 1, but got {got}"
            )

    def split(
        self, key: int, shape: tuple[int, ...], *, t_s: float, horizon_s: float
    ) -> tuple[Float64Array | float, Float64Array | None]:
        """Return which cells are fresh at every read, and the states of the others."""
        from emulators.kernels import renewal_levels

        fresh, remembered = np.zeros(shape), np.zeros(shape)
        spread = (float(np.log(self.shortest_s)), float(np.log(self.longest_s / self.shortest_s)))
        renewal_levels(
            np.uint64(key), t_s, horizon_s, spread, self.occupancy, fresh.reshape(-1), remembered.reshape(-1)
        )
        return fresh, remembered


@dataclass(frozen=True, slots=True)
class CellNoise:
    """Read noise of a device: how much, and for how long it is remembered.

    Attributes:
        amount: How much.
        memory: For how long.
    """

    amount: ReadNoise
    memory: Fluctuation = White()
