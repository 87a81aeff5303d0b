"""A memristor is a composition of cited laws; this is the one class that composes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from emulators.devices.conduction import Conduction
from emulators.devices.laws import MICRO, VOLT, Drift, Shift, Spread, check_limits
from emulators.devices.measured import MeasuredShift, MeasuredSpread, Measurements
from emulators.devices.moments import rectified_parameters
from emulators.devices.programming import WriteVerify
from emulators.devices.read_noise import CellNoise
from emulators.devices.stress import ReadDisturb, Temperature
from emulators.devices.table import Unit
from hil.errors import InvalidValueError
from hil.types import BoolArray, Float64Array, Int64Array

__all__ = ["Cells", "Device", "Faults"]

READ_HORIZON_S = 1e-3
MOST_SIEMENS = 1e3
LEAST_SPAN_SIEMENS = 1e-15


@dataclass(frozen=True, slots=True)
class Faults:
    """Cells that cannot be programmed.

    Attributes:
        stuck_off: Share of cells that stay at the off level.
        stuck_on: Share of cells that stay at the on level.
        stuck_between: Share of cells that stay somewhere in between.
    """

    stuck_off: float = 0.0
    stuck_on: float = 0.0
    stuck_between: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that are negative or more than everything."""
        shares = (self.stuck_off, self.stuck_on, self.stuck_between)
        if not (min(shares) >= 0 and sum(shares) <= 1):
            raise InvalidValueError(f"stuck cells must be shares of all cells, together at most 1, but are {shares}")

    @property
    def yields(self) -> float:
        """Share of cells that work."""
        return 1.0 - self.stuck_off - self.stuck_on - self.stuck_between

    def stuck(self, lot: Float64Array, *, off_siemens: float, on_siemens: float) -> tuple[BoolArray, Float64Array]:
        """Return which cells are stuck, and where, from a uniform number per cell."""
        off, on = lot < self.stuck_off, lot >= 1.0 - self.stuck_on
        between = (lot >= self.stuck_off) & (lot < self.stuck_off + self.stuck_between)
        part = (lot - self.stuck_off) / max(self.stuck_between, 1e-300)
        level = np.where(on, 1.0, np.where(between, np.clip(part, 0.0, 1.0), 0.0))
        mask: BoolArray = off | on | between
        return mask, off_siemens + level * (on_siemens - off_siemens)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What was drawn for an array of cells when it was written; nothing in it changes afterwards.

    Attributes:
        levels_siemens: (levels,) the different conductances they were told to hold.
        level: (rows, columns) which of them each was told.
        landing: (rows, columns) standard normal score of where each cell landed.
        wandering: (rows, columns) standard normal score of where each cell relaxes to.
        exponent: (rows, columns) drift exponent of each cell.
        lot: (rows, columns) uniform number that decides which cells are stuck, and where.
        key: What the states of remembered read noise belong to.
        landed_siemens: (rows, columns) where a write-verify loop left them, or None where a spread says it.
        pulses: (rows, columns) pulses that loop took, or None.
        written_s: When each cell was last written, on the clock of the first programming: a number or (rows, columns).
        cycles: SET-RESET cycles of each cell before: a number or (rows, columns).
        noisiness: What of the read noise follows from where each cell landed.
        state: What a foreign device model keeps.
    """

    levels_siemens: Float64Array
    level: npt.NDArray[np.intp]
    landing: Float64Array
    wandering: Float64Array
    exponent: Float64Array
    lot: Float64Array
    key: int
    landed_siemens: Float64Array | None = None
    pulses: Int64Array | None = None
    written_s: Float64Array | float = 0.0
    cycles: Int64Array | int = 0
    noisiness: Float64Array = field(default_factory=lambda: np.zeros(()))
    state: Any = None

    @property
    def target_siemens(self) -> Float64Array:
        """(rows, columns) what they were told to hold."""
        return self.levels_siemens[self.level]


@dataclass(frozen=True, slots=True)
class Device:
    """A published memristor.

    Attributes:
        name: As targets spell it.
        about: What it is, in one line.
        citation: Where its numbers come from, and which of them are assumed.
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
        verify: The loop that writes cells, in place of the spread; None where fitted statistics do.
        disturb: What reading does to low-resistance cells.
        temperature: What warmth does.
        conduction: How currents depart from Ohm's law.
        faults: Cells that cannot be programmed.
        read_volt: Voltage at the largest input.
        characterised_s: Until when the publication measured. Later, power laws go on and tables hold their last
            figures; a target that asks for such an age from the start is refused.
        still: Whether cells stay as they were when written: no drift, no relaxation, no movement of the mean.
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
    read_noise: CellNoise | None = None
    noise_is_measured_in: bool = False
    verify: WriteVerify | None = None
    disturb: ReadDisturb | None = None
    temperature: Temperature | None = None
    conduction: Conduction | None = None
    faults: Faults = field(default_factory=Faults)
    read_volt: float = 0.2
    characterised_s: float = float("inf")
    still: bool = False

    def __post_init__(self) -> None:
        """Refuse levels that are out of order or outside the range."""
        low, off, on, high = self.g_min_siemens, self.off_siemens, self.on_siemens, self.g_max_siemens
        if not 0 <= low <= off < on <= high <= MOST_SIEMENS or on - off < LEAST_SPAN_SIEMENS:
            raise InvalidValueError(
                f"device {self.name!r} needs off and on in its range, apart by {LEAST_SPAN_SIEMENS:g} S or more, and "
                f"that within 0 to {MOST_SIEMENS:g} S, but off is {off / MICRO:g} uS, on {on / MICRO:g} uS and the "
                f"range {low / MICRO:g} to {high / MICRO:g} uS"
            )
        check_limits(self, read_volt=VOLT, characterised_s=(0.0, float("inf")))

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        *,
        unit: Unit = "siemens",
        name: str | None = None,
        off_siemens: float | None = None,
        on_siemens: float | None = None,
    ) -> Self:
        """Return a device that follows a table of your own measurements.

        ``Measurements.read(path).fit_report()`` says how the table compares with simple laws, ``.plot()`` shows it.

        Args:
            path: CSV file with the columns g, t, mean and std; see ``Measurements.read``.
            unit: Of its conductances.
            name: Of the device; the file's name where left out.
            off_siemens: Level of a cell that holds nothing; the lowest measured one where left out.
            on_siemens: Level of a cell that holds a weight; the highest measured one where left out.

        Raises:
            FormatError: The file is not such a table.
            InvalidValueError: Its numbers, or the levels, are impossible.
        """
        table = Measurements.read(path, unit=unit)
        return cls(
            name=name or Path(path).stem,
            about=f"measured at {len(table.times_s)} times, up to {max(map(len, table.target_siemens))} levels",
            citation=f"your measurements in {Path(path).name}",
            g_min_siemens=table.g_min_siemens,
            g_max_siemens=table.g_max_siemens,
            off_siemens=table.g_min_siemens if off_siemens is None else off_siemens,
            on_siemens=table.g_max_siemens if on_siemens is None else on_siemens,
            spread=MeasuredSpread(table),
            shift=MeasuredShift(table),
            characterised_s=table.times_s[-1],
        )

    @property
    def ages(self) -> bool:
        """Whether the conductance depends on the time since programming."""
        return not self.still and any(law is not None for law in (self.spread, self.shift, self.drift))

    @property
    def span_siemens(self) -> float:
        """What one weight unit is worth: on minus off."""
        return self.on_siemens - self.off_siemens

    def having(self, **parts: Any) -> Self:
        """Return the same device with some parts replaced."""
        return replace(self, **parts)

    # --- writing -----------------------------------------------------------------------------------------------

    def program(self, target_siemens: Float64Array, *, rng: np.random.Generator) -> Cells:
        """Write cells towards their targets.

        Every score is drawn whether or not a law uses it, so that switching one effect never changes another.

        Args:
            target_siemens: (rows, columns) desired conductances, within the device's range.
            rng: Source of the scores.

        Raises:
            InvalidValueError: A target is not a finite number or outside the range.
        """
        target = self._checked(target_siemens)
        levels, level = np.unique(target, return_inverse=True)
        landing, wandering, exponent_score = (rng.standard_normal(target.shape) for _ in range(3))
        lot, key = rng.random(target.shape), int(rng.integers(2**63))
        exponent = np.zeros_like(target) if self.drift is None else self.drift.exponents(target, exponent_score)
        cells = Cells(levels, level.reshape(target.shape), landing, wandering, exponent, lot, key)
        if self.verify is not None:
            verified = self.verify.run(target, rng=rng)
            cells = replace(cells, landed_siemens=verified.landed_siemens, pulses=verified.pulses)
        return self._with_noisiness(cells)

    def _with_noisiness(self, cells: Cells) -> Cells:
        """Return the cells with what of their read noise follows from where they landed."""
        if self.read_noise is None:
            return cells
        return replace(cells, noisiness=self.read_noise.amount.trait(self._landed(cells, 0.0)))

    def _checked(self, target_siemens: npt.ArrayLike) -> Float64Array:
        try:
            target = np.asarray(target_siemens, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidValueError(f"conductances of {self.name!r} must be an array of numbers: {error}") from error
        slack = 1e-9 * self.g_max_siemens
        bad = ~((target >= self.g_min_siemens - slack) & (target <= self.g_max_siemens + slack))
        if bad.any():
            raise InvalidValueError(
                f"conductances of {self.name!r} must lie between {self.g_min_siemens:g} and {self.g_max_siemens:g} "
                f"siemens, but got {target[bad].flat[0]:g}"
            )
        return target

    def rewrite(self, cells: Cells, chosen: BoolArray, *, t_s: float, rng: np.random.Generator) -> Cells:
        """Return the cells with some of them written again to their targets.

        A cell keeps its drift exponent, its faults and the states of its read noise; where it lands is new.

        Args:
            cells: As they were.
            chosen: (rows, columns) which to write.
            t_s: When, on the clock of the first programming.
            rng: Source of the new landings.
        """
        fresh = self.program(cells.target_siemens, rng=rng)
        landed = cells.landed_siemens
        if landed is not None and fresh.landed_siemens is not None:
            landed = np.where(chosen, fresh.landed_siemens, landed)
        rewritten = replace(
            cells,
            landing=np.where(chosen, fresh.landing, cells.landing),
            wandering=np.where(chosen, fresh.wandering, cells.wandering),
            landed_siemens=landed,
            written_s=np.where(chosen, t_s, cells.written_s),
            cycles=np.asarray(cells.cycles, np.int64) + chosen,
        )
        return self._with_noisiness(rewritten)

    # --- reading -----------------------------------------------------------------------------------------------

    def conductance(self, cells: Cells, *, t_s: float, reads: npt.NDArray[np.int64] | int = 0) -> Float64Array:
        """Return (rows, columns) siemens without read noise.

        Args:
            cells: What was written.
            t_s: Seconds since the first programming.
            reads: Reads of the array since each cell was written: a number or (rows, columns).

        Raises:
            InvalidValueError: The time is negative or not finite.
        """
        if not (np.isfinite(t_s) and t_s >= 0):
            raise InvalidValueError(f"time since programming must be finite and not negative, but is {t_s} s")
        if np.shape(reads) not in ((), cells.level.shape) or np.min(reads, initial=0) < 0:
            raise InvalidValueError(
                f"reads must be one number or {cells.level.shape}, zero or positive, but are {np.shape(reads)} "
                f"down to {np.min(reads, initial=0)}"
            )
        g_siemens = self._landed(cells, t_s)
        if self.drift is not None and not self.still:
            g_siemens = g_siemens * self.drift.factor(cells.exponent, np.maximum(t_s - cells.written_s, 0.0))
        return self._afflicted(cells, g_siemens, reads)

    def _afflicted(self, cells: Cells, g_siemens: Float64Array, reads: npt.NDArray[np.int64] | int) -> Float64Array:
        """Return conductances after reading, warmth and faults have had their say."""
        g_siemens = self._stressed(cells, g_siemens, reads)
        if self.faults.yields == 1.0:
            return g_siemens
        stuck, level = self.faults.stuck(cells.lot, off_siemens=self.off_siemens, on_siemens=self.on_siemens)
        return np.where(stuck, level, g_siemens)

    def _stressed(self, cells: Cells, g_siemens: Float64Array, reads: npt.NDArray[np.int64] | int) -> Float64Array:
        if self.disturb is not None:
            left = self.disturb.factor(reads, cells.cycles)
            g_siemens = g_siemens * np.where(self.low_resistance(cells), left, 1.0)
        if self.temperature is not None:
            ends = {"off_siemens": self.off_siemens, "on_siemens": self.on_siemens}
            g_siemens = g_siemens * self.temperature.factor(cells.levels_siemens, **ends)[cells.level]
        return g_siemens

    def low_resistance(self, cells: Cells) -> BoolArray:
        """Return which cells are told to be nearer to on than to off."""
        low: BoolArray = (cells.levels_siemens > 0.5 * (self.on_siemens + self.off_siemens))[cells.level]
        return low

    def _landed(self, cells: Cells, t_s: float) -> Float64Array:
        """Return where cells are before they drift: spread, relaxation and the movement of the mean."""
        if self.still:
            return self._settled(cells, 0.0)
        moments = np.unique(cells.written_s)
        if len(moments) == 1:
            return self._settled(cells, max(t_s - float(moments[0]), 0.0))
        landed = np.empty(cells.level.shape)
        for written_s in moments:
            chosen = np.equal(cells.written_s, written_s)
            landed[chosen] = self._settled(cells, max(t_s - float(written_s), 0.0))[chosen]
        return landed

    def _settled(self, cells: Cells, age_s: float) -> Float64Array:
        """Return where cells are, all of them so many seconds after they were written.

        Everything that depends only on the level is worked out once per level.
        """
        mean = cells.levels_siemens
        if self.shift is not None:
            mean = self.shift.mean_siemens(mean, age_s)
        if cells.landed_siemens is not None:
            return np.maximum(cells.landed_siemens + (mean - cells.levels_siemens)[cells.level], 0.0)
        if self.spread is None:
            return mean[cells.level]
        first, now = (self._lasting(self.spread.sigma_siemens(mean, t), mean, t) for t in (0.0, age_s))
        centre, width = rectified_parameters(mean, now)
        landed = width * np.minimum(first, now) / np.maximum(now, 1e-30)
        wandered = width * np.sqrt(np.maximum(now**2 - first**2, 0.0)) / np.maximum(now, 1e-30)
        settled = centre[cells.level] + landed[cells.level] * cells.landing
        if wandered.any():
            settled += wandered[cells.level] * cells.wandering
        return np.maximum(settled, 0.0, out=settled)

    def _lasting(self, sigma: Float64Array, mean: Float64Array, t_s: float) -> Float64Array:
        """Take the read noise out of a spread that was measured with it."""
        if self.read_noise is None or not self.noise_is_measured_in:
            return sigma
        amount = self.read_noise.amount
        noise = amount.sigma_siemens(mean, amount.trait(mean), t_s)
        return np.sqrt(np.maximum(sigma**2 - noise**2, 0.0))

    def fluctuating(
        self, cells: Cells, now_siemens: Float64Array, *, t_s: float, horizon_s: float
    ) -> tuple[Float64Array, Float64Array | None]:
        """Return the conductances with what they remember of their noise, and the deviation of what is fresh.

        Args:
            cells: What was written.
            now_siemens: (rows, columns) conductances without read noise.
            t_s: Seconds since the first programming.
            horizon_s: Memory shorter than this counts as none.
        """
        if self.read_noise is None:
            return now_siemens, None
        sigma = self.read_noise.amount.sigma_siemens(now_siemens, cells.noisiness, t_s)
        if self.faults.yields < 1.0:
            stuck, _ = self.faults.stuck(cells.lot, off_siemens=self.off_siemens, on_siemens=self.on_siemens)
            sigma = np.where(stuck, 0.0, sigma)
        fresh, remembered = self.read_noise.memory.split(cells.key, sigma.shape, t_s=t_s, horizon_s=horizon_s)
        if remembered is not None:
            now_siemens = np.maximum(now_siemens + sigma * remembered, 0.0)
        return now_siemens, sigma * np.sqrt(fresh)

    def read(
        self, state: Cells, *, t_s: float, rng: np.random.Generator, reads: npt.NDArray[np.int64] | int = 0
    ) -> Float64Array:
        """Return (rows, columns) siemens of one read, ``t_s`` seconds after programming, never negative."""
        now = self.conductance(state, t_s=t_s, reads=reads)
        now, sigma = self.fluctuating(state, now, t_s=t_s, horizon_s=READ_HORIZON_S)
        if sigma is None:
            return now
        return np.maximum(now + sigma * rng.standard_normal(now.shape), 0.0)
