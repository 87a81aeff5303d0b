"""Chip profiles: named quantities with a unit, a range and a source, read from TOML."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

from boards.power.quantities import COMPUTE, SHARES, known_units, needed
from hil.errors import ConfigError, UnknownNameError

__all__ = ["Profile", "Quantity", "load_profile", "profile_names"]

SHIPPED = files("boards.power") / "profiles"
FIELDS: Final = ("value", "low", "high", "unit", "source")
DEEPEST: Final = 8
"""Profiles that may extend each other: more is a circle."""


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
        if not 0 < self.low <= self.value <= self.high < math.inf:
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
        """Refuse a compute kind nobody models, a quantity nobody reads, one in another unit, one that is missing."""
        if self.compute not in COMPUTE:
            raise ConfigError(f"compute must be one of {', '.join(COMPUTE)}, but is {self.compute!r}")
        units = known_units(self.radios, self.under("cost"))
        for name, quantity in self.quantities.items():
            if name not in units:
                raise UnknownNameError.of(f"quantity of power profile {self.name!r}:", name, sorted(units))
            if quantity.unit != units[name]:
                raise ConfigError(f"{self.name}: {name} must be in {units[name]!r}, but is in {quantity.unit!r}")
            if name.endswith(SHARES) and quantity.high > 1.0:
                raise ConfigError(f"{self.name}: {name} is a share of at most 1, but reaches {quantity.high:g}")
        if missing := sorted(set(needed(self.compute, self.radios)) - set(self.quantities)):
            raise ConfigError(
                f"power profile {self.name!r} lacks {', '.join(missing)}; add them, or take what you do not change "
                'from a shipped one with extends = "NAME"'
            )
        if not self.radios:
            raise ConfigError(f"power profile {self.name!r} has no radio; describe one under [radio.NAME]")

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

    A file may say ``extends = "NAME"`` (a shipped profile, or a file beside it) and then needs only what differs.

    Raises:
        UnknownNameError: Neither shipped nor a file, or a quantity that no budget reads.
        ConfigError: Not TOML, or a quantity is malformed, in another unit or missing; the message names it.
    """
    tables = _Tables.read(str(name_or_path))
    about, compute = (str(tables.values.pop(key, "")) for key in ("about", "compute"))
    return Profile(tables.name, about, compute, dict(_flatten(tables.values, prefix="", profile=tables.name)))


@dataclass(frozen=True, slots=True)
class _Tables:
    """What a TOML file says, with what it extends beneath it."""

    name: str
    values: dict[str, Any]

    @classmethod
    def read(cls, name: str, *, beside: Path = Path(), depth: int = 0) -> Self:
        values = _parse(name, _text(name, beside))
        base = values.pop("extends", None)
        if base is None:
            return cls(Path(name).stem, values)
        if not isinstance(base, str) or depth >= DEEPEST:
            raise ConfigError(f"{name}: extends must name another profile that does not lead back here; got {base!r}")
        below = cls.read(base, beside=(beside / name).parent, depth=depth + 1)
        return cls(Path(name).stem, _merged(below.values, values))


def _text(name: str, beside: Path) -> str:
    shipped = SHIPPED.joinpath(f"{name}.toml")
    own = beside / name
    if shipped.is_file():
        return shipped.read_text("utf-8")
    if not own.is_file():
        shipped_names = ", ".join(profile_names())
        raise UnknownNameError(f"power profile {name!r} is neither a file nor shipped; shipped: {shipped_names}")
    try:
        return own.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"power profile {name} must be UTF-8 text, but is not: {error}") from error


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables with those above written over those below, a quantity as a whole."""
    merged = dict(below)
    for key, value in above.items():
        beneath = merged.get(key)
        deeper = isinstance(value, dict) and isinstance(beneath, dict) and not _is_quantity(value)
        merged[key] = _merged(beneath, value) if deeper and beneath is not None else value
    return merged


def _is_quantity(table: Mapping[str, Any]) -> bool:
    return any(field in table and not isinstance(table[field], dict) for field in FIELDS)


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"power profile {name!r} is not TOML: {error}") from error


def _flatten(tables: Mapping[str, Any], *, prefix: str, profile: str) -> list[tuple[str, Quantity]]:
    found = []
    for key, value in tables.items():
        name = f"{prefix}{key}"
        if not isinstance(value, dict):
            raise ConfigError(f"{profile}: {name} must be a table with value, low, high, unit, source; got {value!r}")
        if _is_quantity(value):
            found.append((name, _quantity(value, name=name, profile=profile)))
        else:
            found.extend(_flatten(value, prefix=f"{name}.", profile=profile))
    return found


def _quantity(table: Mapping[str, Any], *, name: str, profile: str) -> Quantity:
    if not {"value", "unit", "source"} <= set(table) <= set(FIELDS) or ("low" in table) != ("high" in table):
        raise ConfigError(
            f"{profile}: {name} needs value, unit and source, and low and high unless the value is certain, "
            f"but has {', '.join(sorted(table))}"
        )
    numbers = [table["value"], table.get("low", table["value"]), table.get("high", table["value"])]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise ConfigError(f"{profile}: {name}: value, low and high must be numbers; got {numbers}")
    try:
        value, low, high = map(float, numbers)
        return Quantity(value, low, high, unit=str(table["unit"]), source=str(table["source"]))
    except ConfigError as error:
        raise ConfigError(f"{profile}: {name}: {error}") from error
