"""What a target changes about its device: levels, effects on and off, faults, warmth, reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from emulators.devices.conduction import SinhConduction
from emulators.devices.device import Device, Faults
from emulators.devices.laws import MICRO, SECONDS, LevelSpread, check_limits
from emulators.devices.programming import SoftBounds, WriteVerify
from emulators.devices.read_noise import CellNoise, Fluctuation, Ladder, LevelNoise, RelativeNoise, Telegraph, White
from emulators.devices.stress import ReadDisturb, Temperature
from hil.errors import InvalidValueError

__all__ = ["DeviceOptions", "NoiseMemory", "Refresh"]

NoiseMemory: TypeAlias = Literal["published", "off", "white", "flicker", "telegraph"]
Refresh: TypeAlias = Literal["off", "none", "array", "cell"]
Writing: TypeAlias = Literal["published", "verify", "off"]
MEMORIES: Final[dict[str, Fluctuation]] = {
    "white": White(),
    "flicker": Ladder(1e-6),
    "telegraph": Telegraph(),
}


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """Changes to a preset; the defaults change nothing.

    Attributes:
        on: Conductance of a cell that holds a weight, in microsiemens; None keeps the preset's.
        off: Conductance of a cell that holds nothing, in microsiemens; None keeps the preset's.
        programming: ``published`` uses the preset's statistics or loop, ``verify`` a generic write-verify loop with
            pulses counted, ``off`` puts every cell on its target and keeps it there.
        verify_tolerance: Accepted distance from the target in the generic loop, as a share of on minus off.
        drift: Whether cells drift, relax and move at all after they were written.
        read_noise: ``published``, ``off``, or the published amount with another memory.
        noise: Read noise as a share of the conductance, in place of the preset's amount; None keeps that.
        spread_on, spread_off: Device-to-device deviation at the two levels in microsiemens, in place of the preset's
            statistics; None for both keeps those, for one of them means 0.
        cycle_on, cycle_off: Deviation from one read to the next at the two levels in microsiemens, in place of the
            preset's read noise; None for both keeps that, for one of them means 0.
        stuck_on, stuck_off, stuck_between: Shares of cells that cannot be programmed.
        temperature_k: Temperature of the array.
        activation_on_ev, activation_off_ev: Activation energies of the two levels; assumed, see ``Temperature``.
        read_volt: Voltage at the largest input; None keeps the preset's.
        nonlinearity: Whether currents follow the preset's measured curves instead of Ohm's law.
        sinh_volt: Voltage scale of a sinh curve in place of the preset's; None for none.
        disturb: ``off``, or read disturb with no refresh (``none``), with refresh of the ``array`` or of each ``cell``.
        t_read_s: Duration of one read.
    """

    on: float | None = None
    off: float | None = None
    programming: Writing = "published"
    verify_tolerance: float = 0.05
    drift: bool = True
    read_noise: NoiseMemory = "published"
    noise: float | None = None
    spread_on: float | None = None
    spread_off: float | None = None
    cycle_on: float | None = None
    cycle_off: float | None = None
    stuck_on: float = 0.0
    stuck_off: float = 0.0
    stuck_between: float = 0.0
    temperature_k: float = 300.0
    activation_on_ev: float = 0.01
    activation_off_ev: float = 0.1
    read_volt: float | None = None
    nonlinearity: bool = False
    sinh_volt: float | None = None
    disturb: Refresh = "off"
    t_read_s: float = 1e-7

    def __post_init__(self) -> None:
        """Refuse words that mean nothing here, and numbers that some effect would stumble over once it is on."""
        energy = (-5.0, 5.0)
        check_limits(
            self, t_read_s=SECONDS, verify_tolerance=(1e-6, 1.0), activation_on_ev=energy, activation_off_ev=energy
        )
        for name, kind in (("programming", Writing), ("read_noise", NoiseMemory), ("disturb", Refresh)):
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise InvalidValueError(f"{name} must be one of {known}, but is {getattr(self, name)!r}")

    def applied_to(self, device: Device) -> Device:
        """Return the device with the changes.

        Raises:
            InvalidValueError: A change is impossible, or outside what the preset covers.
        """
        device = self._levels(device)
        device = device.having(**self._writing(device))
        parts: dict[str, Any] = {
            "read_noise": self._noise(device),
            "faults": self._faults(),
            "still": device.still or not self.drift,
        }
        if self.temperature_k != 300.0:
            parts["temperature"] = Temperature(self.temperature_k, self.activation_off_ev, self.activation_on_ev)
        if self.disturb != "off":
            parts["disturb"] = ReadDisturb(self.t_read_s, device.read_volt, self.temperature_k)
        parts["conduction"] = self._conduction(device)
        return device.having(**parts)

    def _levels(self, device: Device) -> Device:
        levels: dict[str, float] = {}
        if self.on is not None:
            levels["on_siemens"] = self.on * MICRO
        if self.off is not None:
            levels["off_siemens"] = self.off * MICRO
        if self.read_volt is not None:
            levels["read_volt"] = self.read_volt
        return device.having(**levels)

    def _writing(self, device: Device) -> dict[str, Any]:
        if self.programming == "off":
            return {"spread": None, "shift": None, "verify": None}
        spread = _levels(device, self.spread_off, self.spread_on)
        if spread is not None:
            return {"spread": spread, "verify": None}
        if self.programming == "verify" and device.verify is None:
            return {"verify": self._generic_loop(device)}
        return {}

    def _generic_loop(self, device: Device) -> WriteVerify:
        """Return a loop of assumed pulses: a twentieth of the range each, with 30 % noise."""
        return WriteVerify(
            SoftBounds(step=0.1, step_spread=0.2, step_noise=0.3, write_noise=0.1),
            device.off_siemens - min(0.1 * device.span_siemens, device.off_siemens),
            device.on_siemens + 0.1 * device.span_siemens,
            tolerance_siemens=self.verify_tolerance * device.span_siemens,
        )

    def _noise(self, device: Device) -> CellNoise | None:
        if self.read_noise == "off":
            return None
        noise = device.read_noise
        cycle = _levels(device, self.cycle_off, self.cycle_on)
        if cycle is not None:
            noise = CellNoise(LevelNoise(cycle))
        elif self.noise is not None:
            noise = CellNoise(RelativeNoise(self.noise))
        if self.read_noise == "published":
            return noise
        if noise is None:
            raise InvalidValueError(f"device {device.name!r} has no published read noise; give its amount with noise=")
        return CellNoise(noise.amount, MEMORIES[self.read_noise])

    def _faults(self) -> Faults:
        return Faults(self.stuck_off, self.stuck_on, self.stuck_between)

    def _conduction(self, device: Device) -> Any:
        if self.sinh_volt is not None:
            law: Any = SinhConduction(self.sinh_volt)
        elif not self.nonlinearity:
            return None
        elif device.conduction is None:
            raise InvalidValueError(
                f"device {device.name!r} has no measured curves; give a shape with sinh_volt=, or use rram_milo2021"
            )
        else:
            law = device.conduction
        if device.read_volt > law.most_volt:
            raise InvalidValueError(
                f"curves of {device.name!r} are known up to {law.most_volt:g} V, but it is read at "
                f"{device.read_volt:g} V; lower read_volt="
            )
        return law


def _levels(device: Device, off: float | None, on: float | None) -> LevelSpread | None:
    """Return deviations at the two levels, given in microsiemens; None where neither is."""
    if off is None and on is None:
        return None
    return LevelSpread(device.off_siemens, device.on_siemens, (off or 0.0) * MICRO, (on or 0.0) * MICRO)
