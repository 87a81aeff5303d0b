"""Chip profiles: named quantities with a unit, a range and a source, read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from hil.errors import ConfigError, UnknownNameError

__all__ = ["Profile", "Quantity", "load_profile", "profile_names"]

COMPUTE_KINDS = ("array", "instructions", "cycles")
SHIPPED = files("boards.power") / "profiles"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One input of the budget.

    Attributes:
        value: Most likely value.
        low: Smallest plausible value, above zero.
        high: Largest plausible value.
        unit: SI unit, or a count.
        source: Where the figure comes from; starts with ``assumed`` where nobody published it.
    """

    value: float
    low: float
    high: float
    unit: str
    source: str

    def __post_init__(self) -> None:
        """Refuse a range that is not one, and a figure without a source."""
        if not 0 < self.low <= self.value <= self.high:
            raise ConfigError(f"expected 0 < low <= value <= high, but got {self.low}, {self.value}, {self.high}")
        if not self.source.strip():
            raise ConfigError(f"a figure of {self.value} {self.unit} needs a source, or the word assumed")

    @property
    def assumed(self) -> bool:
        """Whether the figure is a guess of ours."""
        return self.source.startswith("assumed")


@dataclass(frozen=True, slots=True)
class Profile:
    """A node: its compute substrate and every quantity of its budget.

    Attributes:
        name: File name without its suffix.
        about: One line.
        compute: ``array`` counts conversions and cells, ``instructions`` and ``cycles`` count those.
        quantities: By dotted name, for example ``radio.ble.joule_per_byte``.
    """

    name: str
    about: str
    compute: str
    quantities: Mapping[str, Quantity]

    def __post_init__(self) -> None:
        """Refuse a compute kind nobody models."""
        if self.compute not in COMPUTE_KINDS:
            raise ConfigError(f"compute must be one of {', '.join(COMPUTE_KINDS)}, but is {self.compute!r}")

    @property
    def radios(self) -> list[str]:
        """Names of the radios the profile describes."""
        return sorted({name.split(".")[1] for name in self.quantities if name.startswith("radio.")})

    def under(self, prefix: str) -> dict[str, Quantity]:
        """Return the quantities below a dotted prefix, by the rest of their name."""
        return {k.removeprefix(prefix + "."): q for k, q in self.quantities.items() if k.startswith(prefix + ".")}


def profile_names() -> list[str]:
    """Return the names of the shipped profiles."""
    return sorted(entry.name.removesuffix(".toml") for entry in SHIPPED.iterdir() if entry.name.endswith(".toml"))


def load_profile(name_or_path: str | Path) -> Profile:
    """Read a shipped profile by name, or one from a TOML file.

    Raises:
        UnknownNameError: Neither shipped nor a file.
        ConfigError: Not TOML, or a quantity is malformed; the message names it.
    """
    name = str(name_or_path)
    if name in profile_names():
        text = (SHIPPED / f"{name}.toml").read_text("utf-8")
    elif Path(name).is_file():
        text = Path(name).read_text("utf-8")
    else:
        raise UnknownNameError.of("power profile", name, profile_names())
    return _parse(Path(name).stem, text)


def _parse(name: str, text: str) -> Profile:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"power profile {name!r} is not TOML: {error}") from error
    about, compute = str(tables.pop("about", "")), str(tables.pop("compute", ""))
    quantities = dict(_flatten(tables, prefix="", profile=name))
    return Profile(name, about, compute, quantities)


def _flatten(tables: Mapping[str, Any], *, prefix: str, profile: str) -> list[tuple[str, Quantity]]:
    found = []
    for key, value in tables.items():
        name = f"{prefix}{key}"
        if not isinstance(value, dict):
            raise ConfigError(f"{profile}: {name} must be a table with value, low, high, unit, source; got {value!r}")
        if "value" in value:
            found.append((name, _quantity(value, name=name, profile=profile)))
        else:
            found.extend(_flatten(value, prefix=f"{name}.", profile=profile))
    return found


def _quantity(table: Mapping[str, Any], *, name: str, profile: str) -> Quantity:
    known = {"value", "low", "high", "unit", "source"}
    if set(table) != known:
        raise ConfigError(f"{profile}: {name} needs exactly {sorted(known)}, but has {sorted(table)}")
    try:
        value, low, high = (float(table[key]) for key in ("value", "low", "high"))
        return Quantity(value, low, high, unit=str(table["unit"]), source=str(table["source"]))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{profile}: {name}: {error}") from error
