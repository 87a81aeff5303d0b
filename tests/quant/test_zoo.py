"""Every shipped network is what its card says, and every format holds it."""

import pytest

from hil.ports import VerifiableFormat
from hil.registry import load, load_network, names
from quant.verification import verify
from quant.zoo import FOLDER


@pytest.mark.parametrize("name", names("networks"))
def test_card_when_network_is_shipped_then_it_names_these_very_weights_and_what_made_them(name):
    network = load_network(name)
    card = (FOLDER / f"{name}.md").read_text("utf-8")
    assert network.name == name
    assert f"digest: `{network.digest}`" in card
    assert f"`hil train experiments/configs/{name}.toml`, seed {network.metadata['seed']}" in card
    assert "| `crossbar:rram_wan2022` |" in card
    assert network.captions is not None


@pytest.mark.tool("gcc", "iverilog", "vvp", "verilator")
@pytest.mark.slow
@pytest.mark.parametrize("name", names("networks"))
@pytest.mark.parametrize("form", names("formats"))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_shipped_network_is_verified_in_every_format_by_its_independent_reader(form, name):
    network, weight_format = load_network(name), load("formats", form)
    assert isinstance(weight_format, VerifiableFormat)
    found = verify(weight_format.encode(network), weight_format, network)
    assert found.problems == ()
    assert found.codes_compared == sum(layer.weight.size for layer in network.layers)
    assert found.outputs_compared == 16 * network.d_out
