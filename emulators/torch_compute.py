"""The same passes on torch, on a GPU where there is one, bit for bit as the processor does them.

Products are exact by construction (see ``on_grid``); everything else is additions, multiplications, divisions and
square roots in float64, one operation at a time, and 64-bit integer arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

import numpy as np

from emulators.compute import Pass
from emulators.kernels import CELLS, GOLDEN, LEVELS, normal_table
from emulators.operators import LinearChange, LinearOperator, Operator
from hil.errors import MissingDependencyError
from hil.types import Float64Array

__all__ = ["TorchCompute"]

TWO_64: Final = 1 << 64


def _signed(value: int) -> int:
    """Return a 64-bit pattern as the signed integer that torch holds it in."""
    return value - TWO_64 if value >= 1 << 63 else value


@dataclass(frozen=True, eq=False)
class TorchCompute:
    """A torch device.

    Attributes:
        torch: The package.
        device: Its device.
    """

    torch: Any
    device: Any
    _matrices: WeakKeyDictionary[LinearOperator | LinearChange, tuple[Any, Any]] = field(
        default_factory=WeakKeyDictionary
    )

    @classmethod
    def best(cls) -> Self:
        """Return the GPU, or the processor where there is none.

        Raises:
            MissingDependencyError: Torch is not installed.
        """
        try:
            import torch
        except ImportError as error:
            raise MissingDependencyError.of("torch", extra="train", purpose="compute=torch") from error
        return cls(torch, torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    def sums(self, n: int, columns: int) -> Any:
        """Return (n, columns) zeros on the device."""
        return self.torch.zeros((n, columns), dtype=self.torch.float64, device=self.device)

    def fetch(self, sums: Any) -> Float64Array:
        """Return the sums as an array."""
        values: Float64Array = sums.cpu().numpy()
        return values

    def run(self, job: Pass, sums: Any) -> int:
        """Add what the ADCs say to the sums; return how many conversions were clipped."""
        analog, variance = self._analog(job)
        if variance is not None:
            analog = analog + self.torch.sqrt(variance) * self._normals(job, analog.shape[1])
        value, clipped = self._quantised(job, analog)
        driven, correction = self._to(job.driven), self._to(job.correction)
        said = job.weight * (value * correction[:, 0] + correction[:, 1])
        sums += self.torch.where(driven[:, None], said, self.torch.zeros_like(said))
        return int((clipped & driven[:, None]).sum())

    def _to(self, array: Any) -> Any:
        return self.torch.tensor(np.ascontiguousarray(array), device=self.device)

    def _analog(self, job: Pass) -> tuple[Any, Any | None]:
        """Return the currents and the variance of their noise."""
        if not self._plain(job.before):
            noise = job.variance()
            return self._to(job.currents()), self._to(noise) if len(noise) else None
        volts = self._to(job.volts)
        matrix, spread = self._held(job.before)
        analog = volts @ matrix
        if isinstance(job.change, LinearChange):
            gained = self._held(job.change)[0]
            analog = analog + self._to(job.part)[:, None] * (volts.to(gained.dtype) @ gained).double()
        own = job.adc.noise_variance
        variance: Any = None if spread is None else (volts * volts) @ spread
        if own.any():
            extra = self._to(own).expand_as(analog)
            variance = extra if variance is None else variance + extra
        return analog, variance

    @staticmethod
    def _plain(operator: Operator) -> bool:
        return isinstance(operator, LinearOperator) and operator.bends is None

    def _held(self, operator: Any) -> tuple[Any, Any | None]:
        """Return an operator's matrices on the device; they stay there as long as it lives."""
        if operator not in self._matrices:
            spread = getattr(operator, "spread", None)
            self._matrices[operator] = (self._to(operator.matrix), None if spread is None else self._to(spread))
        return self._matrices[operator]

    def _quantised(self, job: Pass, value: Any) -> tuple[Any, Any]:
        """Return what the ADCs give, and where they clipped."""
        if not job.adc.limits[:, 4].any():
            return value, self.torch.zeros_like(value, dtype=self.torch.bool)
        gain, offset, low, high, step = (self._to(column) for column in job.adc.limits.T)
        level = (value * gain + offset) / step
        if job.adc.nonlinearity.shape[1]:
            near = self.torch.minimum(self.torch.maximum(self.torch.round(level), low), high)
            bend = self._to(job.adc.nonlinearity)
            columns = self.torch.arange(bend.shape[0], device=self.device)
            level = level + bend[columns, (near - low).long()]
        code = self.torch.round(level)
        kept = self.torch.minimum(self.torch.maximum(code, low), high)
        return kept * step, (code < low) | (code > high)

    @cached_property
    def _table(self) -> Any:
        return self._to(normal_table()).reshape(-1, 2)

    # --- noise: emulators.kernels once more, with torch's signed integers ------------------------------------------

    def _shift(self, bits: Any, by: int) -> Any:
        """Return a logical shift to the right."""
        return (bits >> by) & ((1 << (64 - by)) - 1)

    def _mix(self, state: Any) -> Any:
        state = (state ^ self._shift(state, 30)) * _signed(0xBF58476D1CE4E5B9)
        state = (state ^ self._shift(state, 27)) * _signed(0x94D049BB133111EB)
        return state ^ self._shift(state, 31)

    def _normals(self, job: Pass, columns: int) -> Any:
        """Return the (n, columns) standard normals that belong to the vectors' keys."""
        torch = self.torch
        keys = self._to(job.keys.view(np.int64))[:, None]
        index = torch.arange(job.first, job.first + columns, dtype=torch.int64, device=self.device)
        bits = self._mix(keys + _signed(GOLDEN) * ((index >> 1) + 1))
        half = torch.where((index & 1).bool(), self._shift(bits, 32), bits & 0xFFFFFFFF)
        r = half & 0x7FFFFFFF
        level, span = (r < 1 << LEVELS[1][0]).long() + (r < 1 << LEVELS[2][0]).long(), torch.zeros_like(r)
        for number, (_, bits_of_cell) in enumerate(LEVELS):
            span = torch.where(level == number, bits_of_cell, span)
        cell = r >> span
        knots = self._table[level * CELLS + cell]
        z = knots[..., 0] + (r - (cell << span)).double() * knots[..., 1]
        return z * (1 - ((half >> 30) & 2)).double()
