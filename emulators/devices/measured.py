"""A device from a table of your own measurements: mean and spread of conductances by target and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from emulators.devices.laws import MICRO, interpolate_in_log_time
from emulators.devices.table import Unit, read_table
from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = ["MeasuredShift", "MeasuredSpread", "Measurements"]

FIT_ORDER: Final = 2
FIT_DIGITS: Final = 9
"""Significant digits of a fit report, and how far below its table a figure is dust of the arithmetic."""
PICTURES: Final = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """What was measured, one slice per time.

    Attributes:
        times_s: Ascending, positive.
        target_siemens: Per time, (levels,) ascending targets.
        mean_siemens: Per time, (levels,) means over cells.
        std_siemens: Per time, (levels,) standard deviations over cells.
    """

    times_s: tuple[float, ...]
    target_siemens: tuple[Float64Array, ...]
    mean_siemens: tuple[Float64Array, ...]
    std_siemens: tuple[Float64Array, ...]

    @classmethod
    def read(cls, path: str | Path, *, unit: Unit = "siemens") -> Self:
        """Return the table of a CSV file with the columns g, t, mean and std, or g, t and read.

        Args:
            path: The file; ``emulators.devices.table.read_table`` says which separators and units it may have.
            unit: Of the conductance columns that do not say.

        Raises:
            FormatError: A column is missing or a field is not a number; the message has the line.
            InvalidValueError: The numbers cannot be conductances, or there are too few.
        """
        rows = read_table(Path(path), unit)
        try:
            return cls.of(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3])
        except InvalidValueError as error:
            raise InvalidValueError(f"{path}: {error}") from error

    @classmethod
    def of(cls, g_siemens: Float64Array, t_s: Float64Array, mean: Float64Array, std: Float64Array) -> Self:
        """Return the table of four (n,) columns, conductances in siemens.

        Raises:
            InvalidValueError: A number is not finite or negative, a time has fewer than two levels or one level twice.
        """
        columns = np.stack([g_siemens, t_s, mean, std])
        if not np.isfinite(columns).all() or (columns < 0).any():
            raise InvalidValueError("measured g, t, mean and std must be finite and zero or positive")
        times = np.unique(t_s)
        if not len(times) or times[0] <= 0:
            first = f"the first is {times[0]:g} s" if len(times) else "there are none"
            raise InvalidValueError(f"measured times must be above zero, after programming, but {first}")
        slices = [cls._slice(columns, at) for at in times]
        targets, means, deviations = zip(*slices, strict=True)
        return cls(tuple(float(at) for at in times), targets, means, deviations)

    @staticmethod
    def _slice(columns: Float64Array, at: float) -> tuple[Float64Array, Float64Array, Float64Array]:
        chosen = columns[:, columns[1] == at]
        chosen = chosen[:, np.argsort(chosen[0])]
        if len(np.unique(chosen[0])) != chosen.shape[1] or chosen.shape[1] < 2:
            levels = ", ".join(f"{level / MICRO:g}" for level in chosen[0])
            raise InvalidValueError(
                f"every time needs at least two different levels, each once, but {at:g} s has {levels} uS; single "
                "readings of a level belong in a column called read"
            )
        return chosen[0], chosen[2], chosen[3]

    @property
    def g_min_siemens(self) -> float:
        """Lowest target measured at every time."""
        return max(float(targets[0]) for targets in self.target_siemens)

    @property
    def g_max_siemens(self) -> float:
        """Highest target measured at every time."""
        return min(float(targets[-1]) for targets in self.target_siemens)

    def fit_report(self) -> dict[str, Any]:
        """Return how well simple laws describe the table, JSON-ready.

        The device itself interpolates the table; the fits say whether the data look like a polynomial spread and a
        power-law drift, and where they do not.
        """
        return {
            "levels": [len(targets) for targets in self.target_siemens],
            "g_range_siemens": [_told(g, g) for g in (self.g_min_siemens, self.g_max_siemens)],
            "spread": [self._spread_fit(k) for k in range(len(self.times_s))],
            "drift": self._drift_fit(),
        }

    def _spread_fit(self, k: int) -> dict[str, Any]:
        target, std = self.target_siemens[k] / MICRO, self.std_siemens[k] / MICRO
        order = min(FIT_ORDER, len(target) - 1)
        fit = np.polynomial.polynomial.polyfit(target, std, order)
        residual = std - np.polynomial.polynomial.polyval(target, fit)
        total = float(((std - std.mean()) ** 2).sum())
        largest = float(std.max())
        varies = total > (largest * 10.0**-FIT_DIGITS) ** 2 * len(std)
        weights = target.max() ** np.arange(order + 1)
        return {
            "t_s": self.times_s[k],
            "coefficients_microsiemens": [_told(c, largest / w) for c, w in zip(fit, weights, strict=True)],
            "rms_residual_microsiemens": _told(np.sqrt(np.mean(residual**2)), largest),
            "worst_residual_microsiemens": _told(np.abs(residual).max(), largest),
            "r_squared": _told(1.0 - float((residual**2).sum()) / total if varies else 1.0, 1.0),
        }

    def _drift_fit(self) -> list[dict[str, float]]:
        """Return, per level of the first time, the exponent of ``mean ~ t^-nu`` and its largest relative residual."""
        if len(self.times_s) < 2:
            return []
        entries = []
        logs = np.log(self.times_s)
        for level in self.target_siemens[0]:
            means = [np.interp(level, g, m) for g, m in zip(self.target_siemens, self.mean_siemens, strict=True)]
            values = np.log(np.maximum(means, 1e-300))
            slope, offset = np.polynomial.polynomial.polyfit(logs, values, 1)[::-1]
            residual = float(np.abs(np.expm1(values - (offset + slope * logs))).max())
            entries.append(
                {
                    "g_siemens": _told(level, level),
                    "nu": _told(-slope, 1.0),
                    "worst_relative_residual": _told(residual, 1.0),
                }
            )
        return entries

    def plot(self, path: str | Path) -> None:
        """Write a picture of means, spreads and the fits, its format by the suffix of ``path``.

        Raises:
            InvalidValueError: No picture has that suffix.
        """
        from matplotlib.figure import Figure

        if Path(path).suffix.lower() not in PICTURES:
            raise InvalidValueError(f"a picture must end in {', '.join(PICTURES)}, but is called {path}")
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, fit in enumerate(self.fit_report()["spread"]):
            target = self.target_siemens[k] / MICRO
            label = f"{self.times_s[k]:g} s"
            left.plot(target, self.mean_siemens[k] / MICRO, "o-", markersize=3, label=label)
            (points,) = right.plot(target, self.std_siemens[k] / MICRO, "o", markersize=3, label=label)
            fine = np.linspace(target[0], target[-1], 100)
            curve = np.polynomial.polynomial.polyval(fine, fit["coefficients_microsiemens"])
            right.plot(fine, curve, color=points.get_color(), linewidth=1)
        left.set(xlabel="target (uS)", ylabel="mean (uS)")
        right.set(xlabel="target (uS)", ylabel="deviation (uS), line: quadratic fit")
        left.legend(frameon=False)
        figure.savefig(path)


def _told(value: Any, scale: float) -> float:
    """Return a figure with nine significant digits, and 0 where it is nothing beside ``scale``."""
    return 0.0 if abs(value) < abs(scale) * 10.0**-FIT_DIGITS else float(f"{value:.{FIT_DIGITS}g}")


def _at_time(table: Measurements, t_s: float, at: Callable[[int], Float64Array]) -> Float64Array:
    """Return what ``at`` says of the two slices around a time, linear in the time's logarithm."""
    low, high, part = interpolate_in_log_time(table.times_s, t_s)
    return (1.0 - part) * at(low) + part * at(high)


@dataclass(frozen=True, slots=True)
class MeasuredShift:
    """Means of a table, linear in the target and in the logarithm of time.

    Attributes:
        table: The measurements.
    """

    table: Measurements

    def mean_siemens(self, target_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the mean of cells of that target."""
        targets, means = self.table.target_siemens, self.table.mean_siemens
        return _at_time(self.table, t_s, lambda k: np.interp(target_siemens, targets[k], means[k]))


@dataclass(frozen=True, slots=True)
class MeasuredSpread:
    """Spreads of a table, linear in the mean and in the logarithm of time.

    Attributes:
        table: The measurements.
    """

    table: Measurements

    def sigma_siemens(self, mean_siemens: Float64Array, t_s: float) -> Float64Array:
        """Return the standard deviation of cells of that mean."""
        return _at_time(self.table, t_s, lambda k: self._at(k, mean_siemens))

    def _at(self, k: int, mean_siemens: Float64Array) -> Float64Array:
        order = np.argsort(self.table.mean_siemens[k])
        sigma: Float64Array = np.interp(
            mean_siemens, self.table.mean_siemens[k][order], self.table.std_siemens[k][order]
        )
        return sigma
