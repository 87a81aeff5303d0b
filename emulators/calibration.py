"""What the ADCs are set to: a profile of the currents they will see, ranges from it, and a straight line per column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from hil.errors import InvalidValueError
from hil.types import Float64Array

__all__ = ["Profile", "RangeMethod", "TileProfile", "column_fit", "range_of"]

RangeMethod: TypeAlias = Literal["max", "sigma", "minmax", "percentile", "mse"]
METHODS: Final = get_args(RangeMethod)
FINEST_STEP: Final = 0.5  # weight units times input steps; sums are whole numbers, so finer steps only clip sooner
CANDIDATES: Final = np.geomspace(0.02, 1.0, 60)


@dataclass(frozen=True, slots=True, eq=False)
class TileProfile:
    """Currents that the ADCs of one tile saw.

    Attributes:
        layer: Index of the layer.
        strip: Row of tiles.
        column_tile: Column of tiles.
        conversion: Which pass through the ADCs.
        signed: Whether the current can be negative.
        full_scale: Largest current the tile could give, in weight units times input steps.
        samples: (n,) currents in the same unit.
    """

    layer: int
    strip: int
    column_tile: int
    conversion: int
    signed: bool
    full_scale: float
    samples: Float64Array

    def summary(self) -> dict[str, Any]:
        """Return mean, spread and extremes, JSON-ready."""
        where = {name: getattr(self, name) for name in ("layer", "strip", "column_tile", "conversion")}
        statistics = {name: float(getattr(self.samples, name)()) for name in ("mean", "std", "min", "max")}
        return {**where, **statistics, "n": len(self.samples), "full_scale": self.full_scale}


@dataclass(frozen=True, slots=True)
class Profile:
    """Currents that every ADC saw during calibration.

    Attributes:
        tiles: One profile per tile and conversion.
    """

    tiles: tuple[TileProfile, ...]

    def of_layer(self, layer: int) -> Float64Array:
        """Return every sample of one layer."""
        return np.concatenate([tile.samples for tile in self.tiles if tile.layer == layer])

    def summary(self) -> list[dict[str, Any]]:
        """Return one JSON-ready entry per tile and conversion."""
        return [tile.summary() for tile in self.tiles]

    def plot(self, path: Path) -> None:
        """Write a picture of the histogram of each layer's ADC inputs, its format by the suffix of ``path``."""
        from matplotlib.figure import Figure

        layers = sorted({tile.layer for tile in self.tiles})
        figure = Figure(figsize=(6.0, 2.2 * len(layers)), layout="constrained")
        for axes, layer in zip(figure.subplots(len(layers), squeeze=False)[:, 0], layers, strict=True):
            axes.hist(self.of_layer(layer), bins=101, log=True, color="#33658a")
            axes.set_ylabel(f"layer {layer}")
        axes.set_xlabel("ADC input (weight units x input steps)")
        figure.savefig(path)


def _error(samples: Float64Array, low: float, high: float, levels: int) -> float:
    step = (high - low) / (levels - 1)
    quantised = np.clip(np.rint(samples / step), np.rint(low / step), np.rint(low / step) + levels - 1) * step
    return float(np.mean((quantised - samples) ** 2))


def _mse(samples: Float64Array, *, signed: bool, levels: int) -> tuple[float, float]:
    reach = float(np.abs(samples).max(initial=0.0)) or 1.0
    ends = [(-reach * c if signed else 0.0, reach * c) for c in CANDIDATES]
    return min(ends, key=lambda end: _error(samples, end[0], end[1], levels))


def range_of(
    method: RangeMethod,
    samples: Float64Array,
    *,
    signed: bool,
    full_scale: float,
    levels: int,
    percentile: float = 99.9,
    sigmas: float = 4.0,
) -> tuple[float, float]:
    """Return the lower and upper end that an ADC should have.

    Args:
        method: ``max`` takes what the tile could give at most; ``minmax`` what it gave; ``sigma`` the mean and so many
            standard deviations; ``percentile`` that share of magnitudes; ``mse`` what loses least to clipping and
            rounding together.
        samples: (n,) currents of the profile.
        signed: Whether the current can be negative.
        full_scale: Largest current the tile could give.
        levels: Codes of the ADC.
        percentile: For ``percentile``.
        sigmas: For ``sigma``.

    Raises:
        InvalidValueError: No such method, or nothing to calibrate on.
    """
    if method not in METHODS:
        raise InvalidValueError(f"ADC range must be one of {', '.join(METHODS)}, but is {method!r}")
    if method != "max" and len(samples) == 0:
        raise InvalidValueError(f"ADC range {method!r} needs at least one sample, but the profile is empty")
    low, high = _ends(method, samples, signed, full_scale, levels, percentile, sigmas)
    least = FINEST_STEP * (levels - 1)
    short = max(least - (high - low), 0.0)
    return (low - short / 2, high + short / 2) if signed else (0.0, max(high, least))


def _ends(
    method: RangeMethod,
    samples: Float64Array,
    signed: bool,  # noqa: FBT001  (private, and always passed on)
    full_scale: float,
    levels: int,
    percentile: float,
    sigmas: float,
) -> tuple[float, float]:
    match method:
        case "max":
            return (-full_scale, full_scale)
        case "minmax":
            return (float(samples.min()), float(samples.max()))
        case "sigma":
            centre, width = float(samples.mean()), sigmas * float(samples.std())
            return (centre - width, centre + width)
        case "percentile":
            reach = float(np.percentile(np.abs(samples), percentile))
            return (-reach, reach)
        case "mse":
            return _mse(samples, signed=signed, levels=levels)


def column_fit(measured: Float64Array, wanted: Float64Array, *, strength: float = 1.0) -> Float64Array:
    """Return (columns, 2) gain and offset that bring each column's conversions closest to the exact sums.

    Least squares drawn towards gain 1 and offset 0, so that a column with little signal is left as it is.

    Args:
        measured: (n, columns) what the ADCs said.
        wanted: (n, columns) the exact sums.
        strength: Weight of the pull, in units of one sample of one weight unit.
    """
    n = len(measured)
    error = wanted - measured
    s1, s2 = measured.sum(axis=0), (measured**2).sum(axis=0) + strength
    e0, e1 = error.sum(axis=0), (error * measured).sum(axis=0)
    determinant = (n + strength) * s2 - s1**2
    gain = 1.0 + ((n + strength) * e1 - s1 * e0) / determinant
    offset = (s2 * e0 - s1 * e1) / determinant
    return np.stack([gain, offset], axis=1)
