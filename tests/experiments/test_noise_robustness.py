"""Noise is measured on the device that was asked for, in shares of its own conductance."""

from __future__ import annotations

import pytest

from experiments.noise_robustness import Config, array_of
from hil.errors import FormatError, UnknownNameError

TABLE = "g_uS,t_s,mean_uS,std_uS\n2,1,2,0.6\n20,1,20,0.8\n"


@pytest.mark.parametrize("options", ["", "adc_bits=lossless"])
def test_own_device_is_spread_by_a_share_of_its_own_on_level(tmp_path, options):
    table = tmp_path / "mine.csv"
    table.write_text(TABLE, encoding="utf-8")
    backend = array_of(Config("none", device=str(table), options=options), 0.1)
    assert backend.device.on_siemens == pytest.approx(20e-6)
    assert backend.config.device.spread_on == backend.config.device.spread_off == pytest.approx(2.0)


def test_usual_device_is_the_ideal_one():
    backend = array_of(Config("none"), 0.3)
    assert backend.name == "crossbar:ideal"
    assert backend.config.device.spread_on == pytest.approx(30.0)


def test_device_that_is_none_is_refused(tmp_path):
    table = tmp_path / "bad.csv"
    table.write_text(TABLE.replace("0.8", ""), encoding="utf-8")
    with pytest.raises(FormatError, match="line 3: std must be a number"):
        array_of(Config("none", device=str(table)), 0.1)
    with pytest.raises(UnknownNameError, match="rram_wan2022"):
        array_of(Config("none", device="nope"), 0.1)
