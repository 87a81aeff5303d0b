"""The budget adds up, carries its uncertainty, and owes every figure to a source."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.power.budget import Settings, budget
from boards.power.plot import plot_budget
from boards.power.profile import load_profile, profile_names
from boards.power.workload import workload
from hil import Patches, stream
from hil.cli import main
from hil.errors import ConfigError, UnknownNameError
from hil.testing import random_network

NETWORK = random_network((300, 20, 8), rng=stream(1, "power"))
LOAD = workload(NETWORK)

PLAIN = """
about = "one"
compute = "cycles"
[a]
watt = { value = 1, low = 1, high = 1, unit = "W", source = "assumed" }
"""


@pytest.mark.parametrize("name", profile_names())
def test_every_figure_has_a_source_or_the_word_assumed(name):
    found = budget(load_profile(name), LOAD, Settings())
    assert len(found.inputs) > 15
    assert all(quantity.source.strip() for quantity in found.inputs.values())


@pytest.mark.parametrize("name", profile_names())
def test_every_quantity_of_a_profile_enters_some_budget(name):
    profile = load_profile(name)
    used = {key for radio in profile.radios for key in budget(profile, LOAD, Settings(radio=radio)).inputs}
    assert used == set(profile.quantities)


def test_workload_counts_what_a_layer_needs():
    first, last = NETWORK.layers
    assert LOAD.cells == 2 * (300 * 20 + 20 * 8)
    assert LOAD.adc_conversions == 20 * 3 + 8  # 300 rows are three tiles of 128
    assert LOAD.synaptic_operations == np.count_nonzero(first.weight) + np.count_nonzero(last.weight)


def test_convolution_works_once_per_position():
    patches = Patches(in_channels=1, height=4, width=4, kernel=3)
    network = random_network((0, 2), rng=stream(1, "power", "conv"), patches=patches, channels=2)
    assert workload(network).cells == 2 * (9 * 2 * 4 + 8 * 2)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_power_never_falls_when_the_gate_passes_more(one, other):
    profile = load_profile("memristor_90nm")
    low, high = sorted([one, other])
    totals = [
        budget(profile, LOAD, Settings(gate_pass_rate=rate, samples=200)).watt["total"].mid for rate in (low, high)
    ]
    assert totals[0] <= totals[1]


def test_same_seed_gives_same_budget():
    profile = load_profile("cortex_m4")
    assert budget(profile, LOAD, Settings(seed=3)).watt == budget(profile, LOAD, Settings(seed=3)).watt


def test_certain_inputs_give_a_certain_sum(tmp_path):
    lines = (line for line in _certain(load_profile("fpga_ice40")))
    path = tmp_path / "certain.toml"
    path.write_text("\n".join(lines))
    found = budget(load_profile(path), LOAD, Settings(samples=50))
    assert found.watt["total"].low == pytest.approx(found.watt["total"].high)
    blocks = sum(each.mid for name, each in found.watt.items() if name != "total")
    assert found.watt["total"].mid == pytest.approx(blocks)


def _certain(profile):
    yield 'about = "certain"'
    yield f'compute = "{profile.compute}"'
    for name, q in profile.quantities.items():
        yield f'[{name}]\nvalue={q.value}\nlow={q.value}\nhigh={q.value}\nunit="{q.unit}"\nsource="assumed"'


def test_verdicts_follow_the_share_of_draws_that_keep_the_claim():
    for claim in budget(load_profile("memristor_90nm"), LOAD, Settings()).claims:
        wanted = "holds" if claim.share >= 0.95 else "fails" if claim.share <= 0.05 else "undecided"
        assert claim.verdict == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("compute = 3 =", "not TOML"),
        (PLAIN.replace("cycles", "magic"), "compute must be one of"),
        (PLAIN.replace("low = 1", "low = 2"), "a.watt: expected 0 < low"),
        (PLAIN.replace('source = "assumed"', 'source = " "'), "a.watt: a figure of 1.0 W needs a source"),
        (PLAIN.replace(', unit = "W"', ""), "a.watt needs exactly"),
        (PLAIN + "b = 3", "a.b must be a table"),
    ],
)
def test_bad_profile_is_refused_with_the_quantity(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_profile(path)


def test_profile_that_lacks_a_quantity_is_refused_with_its_name(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(PLAIN.replace("[a]", "[radio.ble]"))
    with pytest.raises(ConfigError, match=r"lacks node\.inferences_per_second"):
        budget(load_profile(path), LOAD, Settings())


def test_unknown_radio_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="ble, lora"):
        budget(load_profile("memristor_90nm"), LOAD, Settings(radio="pigeon"))


def test_radio_never_draws_more_than_sending_all_the_time():
    profile = load_profile("memristor_90nm")
    busy, calm = (budget(profile, LOAD, Settings(radio="lora", gate_pass_rate=rate, samples=500)) for rate in (1, 1e-3))
    assert busy.on_air is not None
    assert busy.on_air.low > 1.0
    assert busy.watt["radio"].high == pytest.approx(0.096, rel=1e-3)
    assert calm.on_air is not None
    assert calm.on_air.mid == pytest.approx(calm.watt["radio"].mid / 0.096, rel=0.01)


def test_gate_rate_beyond_one_is_refused():
    with pytest.raises(ConfigError, match="between 0 and 1"):
        budget(load_profile("memristor_90nm"), LOAD, Settings(gate_pass_rate=1.5))


def test_plot_is_written(tmp_path):
    profile = load_profile("memristor_90nm")
    path = tmp_path / "budget.png"
    plot_budget(profile, LOAD, Settings(), budget(profile, LOAD, Settings(samples=500)), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_command_with_an_unknown_profile_is_exit_code_2_and_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["power", "bogus"])
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert "cortex_m4, fpga_ice40, memristor_90nm" in captured.err


def test_command_prints_one_json_document(capsys, monkeypatch):
    monkeypatch.setattr("hil.registry.load_network", lambda _: NETWORK)
    with pytest.raises(SystemExit) as stopped:
        main(["power", "memristor_90nm", "--json", "--radio", "lora", "--gate-rate", "0.01"])
    document = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 0
    assert {"profile", "network", "watt", "usd", "on_air", "claims", "inputs"} == set(document)
