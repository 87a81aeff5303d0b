"""What every device model must do: physical conductances, and noise that belongs to its generator."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from hil.ports import DeviceModel
from hil.rng import stream
from hil.types import Float64Array

__all__ = ["DeviceModelTests"]


class DeviceModelTests(ABC):
    """Subclass, return your device and targets inside its range."""

    @abstractmethod
    def device(self) -> DeviceModel:
        """Return the device under test."""

    @abstractmethod
    def targets_siemens(self) -> Float64Array:
        """Return (rows, columns) conductances inside the device's range."""

    def _read(self, *, seed: int, t_s: float) -> Float64Array:
        device, targets = self.device(), self.targets_siemens()
        state = device.program(targets, rng=stream(seed, "program"))
        return device.read(state, t_s=t_s, rng=stream(seed, "read"))

    def test_conductances_are_physical_at_any_time(self) -> None:
        """Finite, never negative, one per cell, from the instant of programming to a year."""
        for t_s in (0.0, 1e-6, 1.0, 3600.0, 86400.0, 3.15e7):
            g_siemens = self._read(seed=1, t_s=t_s)
            assert g_siemens.shape == self.targets_siemens().shape
            assert np.isfinite(g_siemens).all()
            assert (g_siemens >= 0).all()

    def test_same_generators_give_same_conductances(self) -> None:
        """Nothing is drawn from anywhere else."""
        np.testing.assert_array_equal(self._read(seed=2, t_s=10.0), self._read(seed=2, t_s=10.0))

    def test_programming_leaves_the_targets_alone(self) -> None:
        """The caller's array is not written to."""
        targets = self.targets_siemens()
        before = targets.copy()
        self.device().program(targets, rng=stream(3, "program"))
        np.testing.assert_array_equal(targets, before)
