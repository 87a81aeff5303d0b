"""The budget itself: quantities drawn from their ranges, added up block by block, judged against the claims.

Each quantity is drawn from a triangular distribution on a logarithmic scale between its low and high, with its mode at
its value: prices and energies are uncertain by factors, not by differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from boards.power.profile import Profile, Quantity
from boards.power.quantities import OPTIONAL_OF_A_RADIO
from boards.power.workload import Workload
from hil.errors import ConfigError, UnknownNameError
from hil.rng import stream
from hil.types import Float64Array

__all__ = ["Budget", "Claim", "Range", "Settings", "budget"]

PUBLISHED_WATT = 0.100
PUBLISHED_USD = 10.0
"""The protocol's original description: under 100 mW, 5 to 10 dollars a node."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user varies.

    Attributes:
        radio: Name of one of the profile's radios.
        gate_pass_rate: Share of inferences that are sent, 0 to 1; None takes the profile's.
        inferences_per_second: None takes the profile's.
        payload_bytes: Bytes of one message, headers included; None takes the profile's.
        samples: Draws.
        seed: Of the draws.
    """

    radio: str = "ble"
    gate_pass_rate: float | None = None
    inferences_per_second: float | None = None
    payload_bytes: float | None = None
    samples: int = 20_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """The 5th, 50th and 95th percentile of a sum."""

    low: float
    mid: float
    high: float

    @classmethod
    def of(cls, draws: Float64Array) -> Range:
        """Return the percentiles of draws."""
        low, mid, high = np.percentile(draws, [5, 50, 95])
        return cls(float(low), float(mid), float(high))

    def as_document(self) -> dict[str, float]:
        """Return the range as JSON-ready values of six significant digits, more than the draws know."""
        return {name: float(f"{getattr(self, name):.6g}") for name in ("low", "mid", "high")}


@dataclass(frozen=True, slots=True)
class Claim:
    """A published figure beside ours.

    Attributes:
        claim: In words.
        verdict: ``holds`` when 95 % of the draws keep it, ``fails`` when 95 % break it, otherwise ``undecided``.
        share: Share of the draws that keep it.
        found: Ours.
    """

    claim: str
    verdict: str
    share: float
    found: Range


@dataclass(frozen=True, slots=True)
class Budget:
    """A node's power and cost.

    Attributes:
        watt: By block, and ``total``.
        usd: By part, and ``total``.
        on_air: Share of the time that the radio would have to send; above 1 messages are lost.
        allowed_on_air: The share it may send by law, None where nobody limits it.
        claims: Verdicts.
        inputs: Every quantity that entered, by name.
    """

    watt: Mapping[str, Range]
    usd: Mapping[str, Range]
    on_air: Range
    allowed_on_air: Quantity | None
    claims: tuple[Claim, ...]
    inputs: Mapping[str, Quantity]


class _Draws:
    """Draws quantities by name, each from its own stream, and remembers which were used."""

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self._profile, self._settings = profile, settings
        self._fixed = {
            "node.gate_pass_rate": settings.gate_pass_rate,
            "node.inferences_per_second": settings.inferences_per_second,
            "node.payload_bytes": settings.payload_bytes,
        }
        self.used: dict[str, Quantity] = {}

    def __call__(self, name: str) -> Float64Array:
        fixed = self._fixed.get(name)
        if fixed is not None:
            if fixed > 0:
                unit = self._profile.quantities[name].unit
                self.used[name] = Quantity(fixed, fixed, fixed, unit, "given on the command line")
            return np.full(self._settings.samples, float(fixed))
        quantity = self.used[name] = self._profile.quantities[name]
        rng = stream(self._settings.seed, "power", name)
        if quantity.low == quantity.high:
            return np.full(self._settings.samples, quantity.value)
        low, mode, high = np.log([quantity.low, quantity.value, quantity.high])
        return np.exp(rng.triangular(low, mode, high, self._settings.samples))


def _array(draw: _Draws, load: Workload, rate: Float64Array) -> dict[str, Float64Array]:
    serial = draw("array.input_bits")
    return {
        "array": rate * load.cells * serial * draw("array.joule_per_cell_read"),
        "adc": rate * load.adc_conversions * serial * draw("array.joule_per_conversion"),
        "dac": rate * load.dac_conversions * serial * draw("array.joule_per_line_drive"),
        "digital": rate * load.digital_operations * serial * draw("digital.joule_per_operation"),
        "standby": draw("digital.standby_watt"),
    }


def _instructions(draw: _Draws, load: Workload, rate: Float64Array) -> dict[str, Float64Array]:
    count = load.synaptic_operations * draw("processor.instructions_per_synaptic_operation")
    return {
        "digital": rate * count * draw("processor.joule_per_instruction"),
        "standby": draw("processor.standby_watt"),
    }


def _cycles(draw: _Draws, load: Workload, rate: Float64Array) -> dict[str, Float64Array]:
    count = load.cells / 2.0 / draw("logic.lanes")
    return {"digital": rate * count * draw("logic.joule_per_cycle"), "standby": draw("logic.standby_watt")}


_COMPUTE: Mapping[str, Callable[[_Draws, Workload, Float64Array], dict[str, Float64Array]]] = {
    "array": _array,
    "instructions": _instructions,
    "cycles": _cycles,
}


def _radio(draw: _Draws, radio: str) -> tuple[Float64Array, Float64Array]:
    """Return what the radio draws in watt and the share of the time it would have to send.

    What does not fit into the time is not sent and draws nothing.
    """
    of = f"radio.{radio}"
    packets = draw("node.inferences_per_second") * draw("node.gate_pass_rate")
    second = draw(f"{of}.second_per_packet") + draw(f"{of}.second_per_byte") * draw("node.payload_bytes")
    on_air = packets * second
    sent = packets / np.maximum(on_air, 1.0)
    per_packet = second * draw(f"{of}.transmit_watt") + draw(f"{of}.joule_per_packet")
    return sent * per_packet + draw(f"{of}.idle_watt"), on_air


def _watt(draw: _Draws, profile: Profile, load: Workload, radio_watt: Float64Array) -> dict[str, Float64Array]:
    rate = draw("node.inferences_per_second")
    blocks = {
        "sensor": draw("sensor.watt"),
        "front end": draw("sensor.events_per_second") * draw("front_end.joule_per_event"),
        **_COMPUTE[profile.compute](draw, load, rate),
        "radio": radio_watt,
    }
    delivered = sum(blocks.values())
    return {**blocks, "supply loss": delivered * (1.0 / draw("supply.efficiency") - 1.0)}


def _claim(words: str, draws: Float64Array, limit: float) -> Claim:
    share = float(np.mean(draws < limit))
    verdict = "holds" if share >= 0.95 else "fails" if share <= 0.05 else "undecided"
    return Claim(words, verdict, share, Range.of(draws))


def _check(profile: Profile, settings: Settings) -> None:
    if settings.radio not in profile.radios:
        raise UnknownNameError.of("radio", settings.radio, profile.radios)
    rate = settings.gate_pass_rate
    if rate is not None and not 0.0 <= rate <= 1.0:
        raise ConfigError(f"the gate passes a share between 0 and 1, but got {rate}")
    for name in ("inferences_per_second", "payload_bytes"):
        value = getattr(settings, name)
        if value is not None and not 0.0 < value < math.inf:
            raise ConfigError(f"{name} must be positive and finite, but is {value}")


def budget(profile: Profile, load: Workload, settings: Settings) -> Budget:
    """Return a node's power and cost with their uncertainty, and a verdict on each published claim.

    Raises:
        ConfigError: A setting is impossible.
        UnknownNameError: The profile has no such radio.
    """
    _check(profile, settings)
    draw = _Draws(profile, settings)
    radio_watt, on_air = _radio(draw, settings.radio)
    watt = _watt(draw, profile, load, radio_watt)
    usd = {"radio": draw(f"radio.{settings.radio}.usd"), **{n: draw(f"cost.{n}") for n in profile.under("cost")}}
    watt["total"], usd["total"] = _sum(watt), _sum(usd)
    claims = (
        _claim("a node draws less than 100 mW", watt["total"], PUBLISHED_WATT),
        _claim("a node costs 5 to 10 dollars (at most 10)", usd["total"], PUBLISHED_USD),
    )
    allowed = profile.under(f"radio.{settings.radio}").get(OPTIONAL_OF_A_RADIO)
    if allowed is not None:
        draw.used[f"radio.{settings.radio}.{OPTIONAL_OF_A_RADIO}"] = allowed
    return Budget(_ranges(watt), _ranges(usd), Range.of(on_air), allowed, claims, dict(sorted(draw.used.items())))


def _sum(parts: Mapping[str, Float64Array]) -> Float64Array:
    total: Float64Array = np.sum(list(parts.values()), axis=0)
    return total


def _ranges(parts: Mapping[str, Any]) -> dict[str, Range]:
    return {name: Range.of(draws) for name, draws in parts.items()}
