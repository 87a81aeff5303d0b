"""What a target such as ``crossbar:rram_wan2022?tile=64&adc_bits=6`` asks for, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from emulators.calibration import METHODS, RangeMethod
from emulators.converters import Adc, Dac, Nonideality
from emulators.mapping import mapping_named
from emulators.tiles import TileSize
from hil.errors import InvalidValueError
from hil.registry import refuse_unknown_options

__all__ = ["CrossbarConfig"]

InputScheme: TypeAlias = Literal["parallel", "bit_serial"]


@dataclass(frozen=True, slots=True)
class CrossbarConfig:
    """Everything about a crossbar but its device.

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
        age_s: Seconds between programming and the first window.
        programming: Whether programming error and relaxation are on.
        drift: Whether drift is on.
        read_noise: Whether read noise is on.
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
    range_per: Literal["tile", "layer"] = "tile"
    percentile: float = 99.9
    sigmas: float = 4.0
    column_fit: bool = True
    calibration: str = ""
    calibration_windows: int = 128
    age_s: float = 1.0
    programming: bool = True
    drift: bool = True
    read_noise: bool = True

    def __post_init__(self) -> None:
        """Refuse what no crossbar could be."""
        mapping_named(self.mapping)
        _one_of("inputs", self.inputs, ("parallel", "bit_serial"))
        _one_of("range", self.range, METHODS)
        _one_of("range_per", self.range_per, ("tile", "layer"))
        for name, low, high in (("age_s", 0.0, 1e12), ("percentile", 50.0, 100.0), ("sigmas", 0.1, 100.0)):
            _between(name, getattr(self, name), low, high)
        _between("calibration_windows", self.calibration_windows, 1, 100_000)
        self.adc, self.dac  # noqa: B018  (they check themselves)

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> Self:
        """Return the configuration that text options ask for.

        Raises:
            UnknownNameError: There is no such option.
            InvalidValueError: An option cannot have that value.
        """
        refuse_unknown_options(options, [each.name for each in fields(cls)], of="crossbar")
        types = {each.name: str(each.type) for each in fields(cls)}
        return cls(**{name: _parsed(name, types[name], text) for name, text in options.items()})

    @property
    def adc(self) -> Adc:
        """What reads the bit lines."""
        return Adc(self.adc_bits, self._errors("adc"))

    @property
    def dac(self) -> Dac:
        """What drives the word lines."""
        return Dac(self.dac_bits, self._errors("dac"))

    def _errors(self, which: str) -> Nonideality:
        inl, dnl, gain, offset, noise = (
            getattr(self, f"{which}_{part}") for part in ("inl", "dnl", "gain", "offset", "noise")
        )
        return Nonideality(inl, dnl, gain, offset, noise)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidValueError(f"{name} must be one of {', '.join(known)}, but is {value!r}")


def _between(name: str, value: float, low: float, high: float) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        raise InvalidValueError(f"{name} must be between {low:g} and {high:g}, but is {value}")


def _parsed(name: str, kind: str, text: str) -> Any:
    if kind == "TileSize":
        return TileSize.parse(text)
    if kind == "bool":
        return _switch(name, text)
    if kind == "int | None" and text == "lossless":
        return None
    if kind in ("int", "int | None", "float"):
        return _number(name, text, whole=kind != "float")
    return text


def _switch(name: str, text: str) -> bool:
    switches = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
    if text.lower() not in switches:
        raise InvalidValueError(f"{name} must be on or off, but is {text!r}")
    return switches[text.lower()]


def _number(name: str, text: str, *, whole: bool) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        lossless = " or lossless" if name.endswith("_bits") else ""
        raise InvalidValueError(f"{name} must be {kind}{lossless}, but is {text!r}") from error
