"""Where the arithmetic of a pass through the ADCs runs; every place gives the same bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from emulators.converters import AdcBank
from emulators.operators import Change, Operator
from hil.types import BoolArray, Float64Array

__all__ = ["Compute", "ComputeName", "NumpyCompute", "Pass", "compute_named"]

ComputeName: TypeAlias = Literal["numpy", "torch"]


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One strip of tiles driven and converted once.

    Attributes:
        volts: (n, lines) line voltages in input steps.
        before: What the strip is at the anchor before the vectors' moments.
        change: What it gains until the anchor after, or None where it does not move.
        part: (n,) how far each vector lies between the two.
        adc: What reads the columns.
        correction: (columns, 2) digital gain and offset after conversion.
        keys: (n,) what the noise of each vector belongs to.
        first: Index of the first column's noise.
        driven: (n,) vectors that drive at least one line; the others are not converted.
        weight: Digital weight of the result.
    """

    volts: Float64Array
    before: Operator
    change: Change | None
    part: Float64Array
    adc: AdcBank
    correction: Float64Array
    keys: npt.NDArray[np.uint64]
    first: int
    driven: BoolArray
    weight: float

    def currents(self) -> Float64Array:
        """Return the (n, columns) currents without fresh noise, in weight units times input steps."""
        analog = self.before.currents(self.volts)
        if self.change is not None:
            analog += self.part[:, None] * self.change.currents(self.volts)
        return analog

    def variance(self) -> Float64Array:
        """Return the (n, columns) variance of everything before the quantiser, or (0, columns) without noise."""
        own, read = self.adc.noise_variance, self.before.variance(self.volts)
        if read is None:
            return np.broadcast_to(own, (len(self.volts), len(own))) if own.any() else np.empty((0, len(own)))
        return read + own if own.any() else read


class Compute(Protocol):
    """A place to run passes."""

    def sums(self, n: int, columns: int) -> Any:
        """Return (n, columns) zeros there."""
        ...

    def run(self, job: Pass, sums: Any) -> int:
        """Add what the ADCs say to the (n, columns) sums; return how many conversions were clipped."""
        ...

    def fetch(self, sums: Any) -> Float64Array:
        """Return the sums as an array here."""
        ...


@dataclass(frozen=True, slots=True)
class NumpyCompute:
    """This processor."""

    def sums(self, n: int, columns: int) -> Float64Array:
        """Return (n, columns) zeros."""
        return np.zeros((n, columns))

    def run(self, job: Pass, sums: Float64Array) -> int:
        """Add what the ADCs say to the sums; return how many conversions were clipped."""
        from emulators.kernels import convert, normal_table

        clipped: int = convert(
            job.currents(),
            job.variance(),
            job.keys,
            job.first,
            job.driven,
            job.adc.limits,
            job.correction,
            job.adc.nonlinearity,
            job.weight,
            sums,
            normal_table(),
        )
        return clipped

    def fetch(self, sums: Float64Array) -> Float64Array:
        """Return the sums."""
        return sums


def compute_named(name: ComputeName) -> Compute:
    """Return a place to run: ``torch`` is a GPU where there is one.

    Raises:
        MissingDependencyError: Torch is not installed.
    """
    if name == "numpy":
        return NumpyCompute()
    from emulators.torch_compute import TorchCompute

    return TorchCompute.best()
