"""What a target such as ``crossbar:rram_wan2022?tile=64&adc_bits=6`` asks for, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np

from emulators.calibration import RangeMethod
from emulators.compute import ComputeName
from emulators.converters import Adc, Dac, Nonideality
from emulators.device_options import DeviceOptions
from emulators.mapping import mapping_named
from emulators.tiles import TileSize
from emulators.wires.values import Topology, Wires
from hil.errors import InvalidValueError
from hil.registry import refuse_unknown_options

__all__ = ["CrossbarConfig", "InputScheme"]

InputScheme: TypeAlias = Literal["parallel", "bit_serial"]
RangeScope: TypeAlias = Literal["tile", "layer"]
SWITCHES = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class CrossbarConfig:
    """Everything about a crossbar.

    Attributes:
        tile: Word lines x bit lines of one array.
        mapping: How weights become cells; one of ``emulators.mapping.MAPPINGS``.
        inputs: ``parallel`` drives the whole amplitude at once, ``bit_serial`` one bit of the magnitude at a time.
        adc_bits: Resolution, or None (``lossless``).
        dac_bits: Resolution, or None (``lossless``).
        adc_inl, adc_dnl, adc_gain, adc_offset, adc_noise: Errors of the ADCs; see ``Nonideality``.
        dac_inl, dac_dnl, dac_gain, dac_offset, dac_noise: Errors of the DACs.
        range: How the ADC ranges follow from the profile.
        range_per: Whether each tile has a range of its own or all of a ``layer`` share one.
        percentile: For ``range=percentile``.
        sigmas: For ``range=sigma``.
        column_fit: Whether a gain and offset per column is fitted on the profile.
        calibration: Path of int8 windows to calibrate on (``.npy``); empty for representative ones.
        calibration_windows: How many of them.
        wires: Ohm of every wire segment between two cells; 0 for none.
        r_driver: Ohm of each word line's driver.
        r_sense: Ohm of each bit line's sense amplifier.
        topology: ``passive2d``, or ``gated1t1r`` where the input opens the row and word lines are ideal.
        resolve_change: Relative change of a layer's mean conductance after which its wires are solved again.
        age_s: Seconds between programming and the first window.
        epoch_s: How often remembered noise is looked up; memory shorter than that counts as none.
        refresh_every: Reads of an array between two looks at read disturb.
        refresh_after: For ``disturb=array``: stress at which an array is written again, in transition times.
        refresh_tolerance: For ``disturb=cell``: loss at which a cell is written again.
        energy: Whether currents are added up into an energy.
        compute: ``numpy``, or ``torch``: on a GPU where there is one, with the same results.
        device: Changes to the preset.
    """

    tile: TileSize = field(default_factory=lambda: TileSize(128, 128))
    mapping: str = "differential"
    inputs: InputScheme = "parallel"
    adc_bits: int | None = 8
    dac_bits: int | None = 8
    adc_inl: float = 0.0
    adc_dnl: float = 0.0
    adc_gain: float = 0.0
    adc_offset: float = 0.0
    adc_noise: float = 0.0
    dac_inl: float = 0.0
    dac_dnl: float = 0.0
    dac_gain: float = 0.0
    dac_offset: float = 0.0
    dac_noise: float = 0.0
    range: RangeMethod = "mse"
    range_per: RangeScope = "tile"
    percentile: float = 99.9
    sigmas: float = 4.0
    column_fit: bool = True
    calibration: str = ""
    calibration_windows: int = 128
    wires: float = 0.0
    r_driver: float = 0.0
    r_sense: float = 0.0
    topology: Topology = "passive2d"
    resolve_change: float = 0.2
    age_s: float = 1.0
    epoch_s: float = 1.0
    refresh_every: int = 1000
    refresh_after: float = 1.0
    refresh_tolerance: float = 0.05
    energy: bool = True
    compute: ComputeName = "numpy"
    device: DeviceOptions = field(default_factory=DeviceOptions)

    def __post_init__(self) -> None:
        """Refuse what no crossbar could be."""
        mapping_named(self.mapping)
        for name, kind in (
            ("inputs", InputScheme),
            ("range", RangeMethod),
            ("range_per", RangeScope),
            ("compute", ComputeName),
        ):
            _one_of(name, getattr(self, name), get_args(kind))
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not (np.isfinite(value) and low <= value <= high):
                raise InvalidValueError(f"{name} must be between {low:g} and {high:g}, but is {value}")
        if self.topology == "gated1t1r" and (self.device.sinh_volt is not None or self.device.nonlinearity):
            raise InvalidValueError("gated1t1r solves ohmic cells only; switch nonlinearity and sinh_volt off")
        self.adc, self.dac, self.array_wires  # noqa: B018  (they check themselves)

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> Self:
        """Return the configuration that text options ask for; those of the device stand beside those of the array.

        Raises:
            UnknownNameError: There is no such option.
            InvalidValueError: An option cannot have that value.
        """
        own = {each.name: str(each.type) for each in fields(cls) if each.name != "device"}
        of_device = {each.name: str(each.type) for each in fields(DeviceOptions)}
        refuse_unknown_options(options, [*own, *of_device], of="crossbar")
        values = {name: _parsed(name, own[name], text) for name, text in options.items() if name in own}
        changes = {name: _parsed(name, of_device[name], text) for name, text in options.items() if name in of_device}
        return cls(**values, device=DeviceOptions(**changes))

    @property
    def adc(self) -> Adc:
        """What reads the bit lines."""
        return Adc(self.adc_bits, self._errors("adc"))

    @property
    def dac(self) -> Dac:
        """What drives the word lines."""
        return Dac(self.dac_bits, self._errors("dac"))

    @property
    def array_wires(self) -> Wires:
        """The wires of one array."""
        along = 0.0 if self.topology == "gated1t1r" else self.wires
        return Wires(along, self.wires, self.r_driver, self.r_sense, self.topology)

    @property
    def costed(self) -> bool:
        """Whether there is a cost model: a lossless converter has no energy."""
        return self.energy and self.adc_bits is not None and self.dac_bits is not None

    def _errors(self, which: str) -> Nonideality:
        inl, dnl, gain, offset, noise = (
            getattr(self, f"{which}_{part}") for part in ("inl", "dnl", "gain", "offset", "noise")
        )
        return Nonideality(inl, dnl, gain, offset, noise)


_LIMITS = {
    "age_s": (0.0, 1e12),
    "resolve_change": (1e-3, 1.0),
    "epoch_s": (1e-3, 1e9),
    "percentile": (50.0, 100.0),
    "sigmas": (0.1, 100.0),
    "calibration_windows": (1, 100_000),
    "refresh_every": (1, 1e12),
    "refresh_after": (1.0, 1e12),
    "refresh_tolerance": (1e-6, 1.0),
}


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidValueError(f"{name} must be one of {', '.join(known)}, but is {value!r}")


def _parsed(name: str, kind: str, text: str) -> Any:
    if kind == "TileSize":
        return TileSize.parse(text)
    if kind == "bool":
        if text.lower() not in SWITCHES:
            raise InvalidValueError(f"{name} must be on or off, but is {text!r}")
        return SWITCHES[text.lower()]
    if kind == "int | None" and text == "lossless":
        return None
    if kind.split(" | ", maxsplit=1)[0] in ("int", "float"):
        return _number(name, text, whole=kind.startswith("int"))
    return text


def _number(name: str, text: str, *, whole: bool) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        lossless = " or lossless" if name.endswith("_bits") else ""
        raise InvalidValueError(f"{name} must be {kind}{lossless}, but is {text!r}") from error
