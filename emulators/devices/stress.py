"""What reading and warmth do to a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from emulators.devices.laws import SECONDS, check_limits
from hil.types import Float64Array

__all__ = ["BOLTZMANN_EV_PER_KELVIN", "ReadDisturb", "Temperature"]

BOLTZMANN_EV_PER_KELVIN: Final = 8.617333262e-5
LEAST_TRANSITION_S: Final = 1e-9
KELVIN: Final = (150.0, 500.0)


@dataclass(frozen=True, slots=True)
class ReadDisturb:
    """Low-resistance cells lose conductance once reads have stressed them long enough.

    ``G = G0 (t / tt)^-p`` after a stress of tt, with ``p = c1 exp(a |V| / kT)`` and
    ``tt = t0 (f (1 - k n^m))^(1/p)`` after n SET-RESET cycles: the model and constants of analog-cim-sim
    (arXiv:2505.14303, source at 68e3bdc). Every low-resistance cell of an array counts every read of it.

    Attributes:
        t_read_s: Duration of one read.
        read_volt: Its voltage, in the reset direction; the sign does not matter.
        kelvin: Temperature.
    """

    t_read_s: float = 1e-6
    read_volt: float = 0.2
    kelvin: float = 300.0

    C1: Final = 0.0068
    A_EV_PER_VOLT: Final = 0.11
    T0_S: Final = 15.5e-9
    F: Final = 1.43339
    K: Final = 0.003
    M: Final = 0.41

    def __post_init__(self) -> None:
        """Refuse what the model says nothing about: it was fitted to a few tenths of a volt."""
        check_limits(self, t_read_s=SECONDS, read_volt=(1e-6, 5.0), kelvin=KELVIN)

    @property
    def power(self) -> float:
        """The exponent p."""
        return self.C1 * float(np.exp(self.A_EV_PER_VOLT * self.read_volt / (BOLTZMANN_EV_PER_KELVIN * self.kelvin)))

    def transition_s(self, cycles: npt.NDArray[np.int64] | int) -> Float64Array:
        """Return the stress time after which cells of so many SET-RESET cycles begin to lose conductance."""
        fresh = np.maximum(self.F * (1.0 - self.K * np.asarray(cycles, np.float64) ** self.M), 1e-3)
        transition: Float64Array = np.maximum(self.T0_S * fresh ** (1.0 / self.power), LEAST_TRANSITION_S)
        return transition

    def factor(self, reads: npt.NDArray[np.int64] | int, cycles: npt.NDArray[np.int64] | int) -> Float64Array:
        """Return what is left of the conductance after so many reads since the last write."""
        stress = np.asarray(reads, np.float64) * self.t_read_s / self.transition_s(cycles)
        factor: Float64Array = np.maximum(stress, 1.0) ** -self.power
        return factor


@dataclass(frozen=True, slots=True)
class Temperature:
    """Thermally activated conduction, ``exp(-Ea / k (1 / T - 1 / T_ref))``.

    The activation energy runs linearly from the off to the on level. Its defaults are assumed: filaments conduct
    almost like a metal, gaps and amorphous regions are activated; measure your own device.

    Attributes:
        kelvin: Temperature of the array.
        off_ev: Activation energy of an off cell.
        on_ev: Activation energy of an on cell.
        reference_kelvin: Where the device was characterised.
    """

    kelvin: float = 300.0
    off_ev: float = 0.1
    on_ev: float = 0.01
    reference_kelvin: float = 300.0

    def __post_init__(self) -> None:
        """Refuse temperatures at which the model means nothing."""
        check_limits(self, kelvin=KELVIN, reference_kelvin=KELVIN, off_ev=(-5.0, 5.0), on_ev=(-5.0, 5.0))

    def factor(self, target_siemens: Float64Array, *, off_siemens: float, on_siemens: float) -> Float64Array:
        """Return what conductances of those targets are multiplied by."""
        part = np.clip((target_siemens - off_siemens) / (on_siemens - off_siemens), 0.0, 1.0)
        energy_ev = self.off_ev + part * (self.on_ev - self.off_ev)
        inverse = (1.0 / self.kelvin - 1.0 / self.reference_kelvin) / BOLTZMANN_EV_PER_KELVIN
        factor: Float64Array = np.exp(-energy_ev * inverse)
        return factor
