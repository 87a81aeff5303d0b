"""The budget adds up, carries its uncertainty, and owes every figure to a source."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.power.budget import Range, Settings, budget
from boards.power.plot import plot_budget
from boards.power.profile import load_profile, profile_names
from boards.power.text import in_prefixes
from boards.power.workload import workload
from hil import Patches, load_network, stream
from hil.cli import main
from hil.errors import ConfigError, UnknownNameError
from hil.testing import random_network

NETWORK = random_network((300, 20, 8), rng=stream(1, "power"))
LOAD = workload(NETWORK)

OWN = """
extends = "fpga_ice40"
[sensor]
watt = { value = 1, low = 1, high = 1, unit = "W", source = "assumed" }
"""


def _profile(tmp_path, text, name="own"):
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    return load_profile(path)


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
        (OWN + 'compute = "magic"', "compute"),
        ('compute = "magic"\n' + OWN, "compute must be one of"),
        (OWN.replace("low = 1", "low = 2"), "sensor.watt: expected 0 < low"),
        (OWN.replace("high = 1", "high = inf"), "sensor.watt: expected 0 < low"),
        (OWN.replace("value = 1", "value = nan"), "sensor.watt: expected 0 < low"),
        (OWN.replace("value = 1", "value = true"), "sensor.watt: value, low and high must be numbers"),
        (OWN.replace('source = "assumed"', 'source = " "'), "sensor.watt: a figure of 1.0 W needs a source"),
        (OWN.replace(', unit = "W"', ""), "sensor.watt needs value, unit and source"),
        (OWN.replace("low = 1, ", ""), "low and high unless the value is certain"),
        (OWN.replace('"W"', '"mW"'), "sensor.watt must be in 'W', but is in 'mW'"),
        (OWN.replace("watt", "wat"), "unknown quantity of power profile 'own': 'sensor.wat'"),
        (OWN + "b = 3", "sensor.b must be a table"),
        (OWN + '[cost]\nradio = { value = 1, unit = "USD", source = "mine" }', "'cost.radio'"),
        (OWN + '[supply]\nefficiency = { value = 88, unit = "1", source = "mine" }', "share of at most 1"),
        (OWN.replace("fpga_ice40", "own.toml"), "does not lead back here"),
        (OWN.replace("fpga_ice40", "nowhere"), "cortex_m4, fpga_ice40, memristor_90nm"),
        (OWN.replace('"fpga_ice40"', "3"), "extends must name another profile"),
        ('compute = "cycles"', "lacks front_end.joule_per_event, .*extends"),
        ('extends = "shared/node"', "compute must be one of array, instructions, cycles"),
        (OWN + '[radio.pigeon]\nusd = { value = 1, unit = "USD", source = "mine" }', "radio.pigeon.idle_watt"),
    ],
)
def test_bad_profile_is_refused_with_the_quantity(tmp_path, text, message):
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        _profile(tmp_path, text)


def test_profile_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "picture.toml"
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(ConfigError, match="must be UTF-8 text"):
        load_profile(path)


def test_own_profile_needs_only_what_differs(tmp_path):
    shipped, own = load_profile("fpga_ice40"), _profile(tmp_path, OWN)
    assert own.compute == shipped.compute
    changed = {name for name, quantity in own.quantities.items() if quantity != shipped.quantities[name]}
    assert changed == {"sensor.watt"}


def test_figure_without_a_range_is_certain(tmp_path):
    own = _profile(tmp_path, OWN.replace("low = 1, high = 1, ", ""))
    assert budget(own, LOAD, Settings(samples=50)).watt["sensor"] == Range(1.0, 1.0, 1.0)


def test_own_profile_may_extend_a_file_beside_it(tmp_path):
    _profile(tmp_path, OWN)
    second = _profile(tmp_path, OWN.replace("fpga_ice40", "own.toml").replace("value = 1, ", "value = 1.0, "), "second")
    assert second.quantities["sensor.watt"].source == "assumed"
    assert "logic.lanes" in second.quantities


def test_every_radio_has_a_price_of_its_own():
    profile = load_profile("cortex_m4")
    ble, lora = (budget(profile, LOAD, Settings(radio=radio)) for radio in ("ble", "lora"))
    assert ble.usd["radio"].mid < lora.usd["radio"].mid
    assert {name for name in lora.inputs if name.startswith("radio.")} == {
        name for name in profile.quantities if name.startswith("radio.lora.")
    }


def test_lora_times_are_those_of_the_data_sheets_formula():
    radio = load_profile("cortex_m4").under("radio.lora")
    packet, byte = radio["second_per_packet"], radio["second_per_byte"]
    assert packet.value == pytest.approx(_lora_s(0, spreading=7), rel=0.01)
    assert packet.high == pytest.approx(_lora_s(0, spreading=9), rel=0.01)
    assert byte.value == pytest.approx((_lora_s(207, spreading=7) - _lora_s(7, spreading=7)) / 200, rel=0.03)
    assert byte.high == pytest.approx((_lora_s(209, spreading=9) - _lora_s(9, spreading=9)) / 200, rel=0.03)


def _lora_s(n_bytes, *, spreading, bandwidth_hz=125e3):
    """Return the time on air: SX1276 datasheet, explicit header, CRC, coding rate 4/5, 8 symbols of preamble."""
    blocks = np.ceil((8 * n_bytes - 4 * spreading + 28 + 16) / (4 * spreading)) if n_bytes else 0
    return (12.25 + 8 + 5 * max(blocks, 0)) * 2**spreading / bandwidth_hz


def test_formula_of_the_test_gives_a_published_example():
    assert _lora_s(12, spreading=9) == pytest.approx(
        0.144384, abs=1e-9
    )  # the example of the crate lora-modulation 0.1.4


def test_unknown_radio_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="ble, lora"):
        budget(load_profile("memristor_90nm"), LOAD, Settings(radio="pigeon"))


def test_radio_never_draws_more_than_sending_all_the_time(tmp_path):
    text = (
        'extends = "memristor_90nm"\n[radio.lora]\n'
        'transmit_watt = { value = 0.1, unit = "W", source = "x" }\n'
        'joule_per_packet = { value = 1e-12, unit = "J", source = "x" }\n'
    )
    profile = _profile(tmp_path, text)
    busy, calm = (budget(profile, LOAD, Settings(radio="lora", gate_pass_rate=rate, samples=500)) for rate in (1, 1e-3))
    assert busy.on_air.low > 1.0
    assert busy.watt["radio"].high == pytest.approx(0.1, rel=1e-3)
    assert calm.on_air.mid == pytest.approx(calm.watt["radio"].mid / 0.1, rel=0.01)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5e-12, "J", "2.5 pJ"),
        (999.9e-6, "W", "1 mW"),
        (0.1 + 0.2, "W", "300 mW"),
        (1e-3, "s", "1 ms"),
        (1.0, "W", "1 W"),
        (0.1 + 0.2, "1", "0.3"),
        (1e5, "1/s", "100,000 / s"),
        (130.0, "byte", "130 byte"),
        (42.907746, "USD", "$ 42.9"),
        (2.0, "USD", "$ 2.00"),
        (0.0, "W", "0 W"),
    ],
)
def test_figures_are_written_with_a_prefix_and_three_digits(value, unit, text):
    assert in_prefixes(value, unit) == text


@given(st.floats(1e-14, 1e9))
def test_written_figure_is_the_figure_to_three_digits(value):
    number, unit = in_prefixes(value, "W").split(" ")
    factor = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "W": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}[unit[0]]
    assert float(number.replace(",", "")) * factor == pytest.approx(value, rel=0.006)
    assert len(number.replace(".", "").lstrip("0")) <= 4


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
    numbers = [*document["on_air"].values(), *(v for each in document["watt"].values() for v in each.values())]
    assert all(value == float(f"{value:.6g}") for value in numbers)


def test_text_names_every_input_whole_and_no_dust(capsys, monkeypatch):
    monkeypatch.setattr("hil.registry.load_network", lambda _: NETWORK)
    with pytest.raises(SystemExit):
        main(["power", "memristor_90nm", "--radio", "lora", "--gate-rate", "0.3"])
    text = capsys.readouterr().out
    found = budget(load_profile("memristor_90nm"), LOAD, Settings(radio="lora"))
    assert all(f"  {name}: " in text for name in found.inputs)
    assert not re.search(r"\d\.\d{4}|e[+-]\d", text)
    assert "above the 1 % it may (ETSI EN 300 220" in " ".join(text.split()) or "more than there is time for" in text


PAGE = Path(__file__).parents[2] / "docs" / "power.md"


def test_profile_of_the_page_is_read_and_priced(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    found = budget(_profile(tmp_path, text), LOAD, Settings(radio="thread", samples=500))
    assert found.watt["sensor"].mid == pytest.approx(4.1e-3, rel=0.1)
    assert found.usd["gnss"].mid == pytest.approx(3.0)


def test_output_of_the_page_is_what_the_command_prints(capsys):
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    with pytest.raises(SystemExit):
        main(["power", "memristor_90nm", "--radio", "lora", "--gate-rate", "0.001"])
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed[: len(shown.splitlines())] == shown.splitlines()


@pytest.mark.parametrize("name", profile_names())
def test_page_has_the_verdicts_that_we_find(name):
    loads = workload(load_network("digits"))
    for radio in ("ble", "lora"):
        claims = budget(load_profile(name), loads, Settings(radio=radio)).claims
        row = f"| `{name}` | {radio} | " + " | ".join(_found(claim) for claim in claims) + " |"
        assert row in PAGE.read_text("utf-8")


def _found(claim):
    unit = "W" if "mW" in claim.claim else "USD"
    low, mid, high = (in_prefixes(each, unit) for each in (claim.found.low, claim.found.mid, claim.found.high))
    return f"{mid} ({low} to {high}): {claim.verdict}"


@pytest.mark.parametrize("name", profile_names())
def test_page_lists_every_figure_with_its_source(name):
    page = PAGE.read_text("utf-8")
    for key, quantity in load_profile(name).quantities.items():
        row = f"| `{key}` | {in_prefixes(quantity.value, quantity.unit)} | "
        assert any(line.startswith(row) and line.endswith(f"| {quantity.source} |") for line in page.splitlines()), key
