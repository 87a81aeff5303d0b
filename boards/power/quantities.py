"""Which quantities a budget reads and in which unit, so that a profile with a slip is refused instead of half read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["COMPUTE", "OPTIONAL_OF_A_RADIO", "SHARES", "known_units", "needed"]

NODE: Final = {
    "node.inferences_per_second": "1/s",
    "node.gate_pass_rate": "1",
    "node.payload_bytes": "byte",
    "sensor.watt": "W",
    "sensor.events_per_second": "1/s",
    "front_end.joule_per_event": "J",
    "supply.efficiency": "1",
}
COMPUTE: Final = {
    "array": {
        "array.input_bits": "1",
        "array.joule_per_cell_read": "J",
        "array.joule_per_conversion": "J",
        "array.joule_per_line_drive": "J",
        "digital.joule_per_operation": "J",
        "digital.standby_watt": "W",
    },
    "instructions": {
        "processor.instructions_per_synaptic_operation": "1",
        "processor.joule_per_instruction": "J",
        "processor.standby_watt": "W",
    },
    "cycles": {
        "logic.lanes": "1",
        "logic.joule_per_cycle": "J",
        "logic.standby_watt": "W",
    },
}
RADIO: Final = {
    "transmit_watt": "W",
    "second_per_packet": "s",
    "second_per_byte": "s",
    "joule_per_packet": "J",
    "idle_watt": "W",
    "usd": "USD",
}
OPTIONAL_OF_A_RADIO: Final = "allowed_on_air"
SHARES: Final = ("gate_pass_rate", "supply.efficiency", OPTIONAL_OF_A_RADIO)


def needed(compute: str, radios: Iterable[str]) -> dict[str, str]:
    """Return the unit of every quantity that a budget cannot do without, by its dotted name."""
    each_radio = {f"radio.{radio}.{name}": unit for radio in radios for name, unit in RADIO.items()}
    return {**NODE, **COMPUTE[compute], **each_radio}


def known_units(radios: Iterable[str], costs: Iterable[str]) -> dict[str, str]:
    """Return the unit of every quantity that some budget reads, whatever computes, by its dotted name."""
    named = list(radios)
    optional = {f"radio.{radio}.{OPTIONAL_OF_A_RADIO}": "1" for radio in named}
    every_kind = {name: unit for kind in COMPUTE for name, unit in needed(kind, named).items()}
    return {**every_kind, **optional, **{f"cost.{name}": "USD" for name in costs if name != "radio"}}
