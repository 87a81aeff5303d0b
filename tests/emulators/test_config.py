"""Options are parsed once, refused with what is valid, and written down."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from emulators.config import CrossbarConfig
from emulators.device_options import DeviceOptions
from emulators.mapping import MAPPINGS
from hil.errors import InvalidValueError
from hil.registry import load

DOCUMENT = Path(__file__).parents[2] / "docs" / "crossbar.md"
OPTIONS = [each.name for kind in (CrossbarConfig, DeviceOptions) for each in fields(kind) if each.name != "device"]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_documented(option):
    assert f"`{option}`" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(MAPPINGS))
def test_the_document_tells_what_each_mapping_costs(name):
    mapping = MAPPINGS[name]
    row = f"| `{name}` | {mapping.cells_per_weight} | {mapping.conversions_per_output} |"
    assert row in DOCUMENT.read_text(encoding="utf-8")


def test_options_of_the_device_stand_beside_those_of_the_array():
    config = CrossbarConfig.parse({"tile": "64x32", "adc_bits": "lossless", "stuck_on": "0.1", "drift": "off"})
    assert (config.tile.word_lines, config.tile.bit_lines, config.adc_bits) == (64, 32, None)
    assert (config.device.stuck_on, config.device.drift) == (0.1, False)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("on", "500"),
        ("off", "39"),
        ("stuck_on", "1.5"),
        ("stuck_off", "-0.1"),
        ("temperature_k", "5"),
        ("read_volt", "-1"),
        ("spread_on", "nan"),
        ("noise", "nan"),
        ("disturb", "sometimes"),
        ("programming", "badly"),
        ("nonlinearity", "on"),
        ("sinh_volt", "0.01"),
        ("t_read_s", "0"),
        ("activation_on_ev", "inf"),
        ("verify_tolerance", "0"),
    ],
)
def test_impossible_devices_are_refused_when_the_target_is_named(option, value):
    extra = {"t_read_s": {"disturb": "none"}, "verify_tolerance": {"programming": "verify"}}
    extra["activation_on_ev"] = {"temperature_k": "310"}
    with pytest.raises(InvalidValueError):
        load("backends", "crossbar")("rram_wan2022", {option: value, **extra.get(option, {})})


def test_levels_change_the_on_off_ratio():
    device = DeviceOptions(on=20.0, off=2.0).applied_to(load("presets", "rram_wan2022"))
    assert device.on_siemens / device.off_siemens == pytest.approx(10.0)


def test_defaults_change_nothing_but_conduction():
    device = load("presets", "rram_wan2022")
    assert DeviceOptions().applied_to(device) == device
