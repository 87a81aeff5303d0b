"""ngspice computes the integer contract on resistors, and loses some of it to wires."""

import numpy as np
import pytest

from boards.spice import SpiceBackend, netlist, spice
from hil import Patches, stream
from hil.errors import InputError, InvalidValueError
from hil.testing import BackendTests, random_features, random_network, reference_layers


@pytest.mark.tool("ngspice")
@pytest.mark.slow
class TestSpice(BackendTests):
    windows = 2

    def backend(self):
        return SpiceBackend()

    def networks(self):
        rng = stream(1, "spice")
        patches = Patches(in_channels=1, height=4, width=4, kernel=3)
        return {
            "dense": random_network((12, 6, 4), rng=rng),
            "convolution": random_network((0, 3), rng=rng, patches=patches, channels=2),
        }


@pytest.mark.tool("ngspice")
def test_wires_shrink_the_sums():
    network = random_network((16, 8), rng=stream(2, "spice"))
    features = random_features(network, 3, rng=stream(3, "spice"), active=1.0)
    wanted = reference_layers(network, features)[0].accumulator
    with SpiceBackend(wire_ohm=20.0).program(network, seed=0) as session:
        found = session.infer(features, t_us=np.arange(3), trace=True).layers[0].accumulator
    gain = (found * wanted).sum() / (wanted * wanted).sum()
    assert 0.8 < gain < 0.999


def test_deck_leaves_out_absent_devices():
    deck = netlist(np.array([[1e-6, 0.0]]), np.array([[0.1]]))
    assert "rc0_0 in0 out0 1000000.0" in deck
    assert "rc0_1" not in deck


def test_layer_too_large_for_a_tile_is_refused_with_its_size():
    network = random_network((300, 4), rng=stream(4, "spice"))
    with pytest.raises(InvalidValueError, match="300x8"):
        SpiceBackend().program(network, seed=0)


@pytest.mark.parametrize("options", [{"wire_ohm": "-1"}, {"wire_ohm": "x"}, {"g_on_siemens": "0"}, {"bogus": "1"}])
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError):
        spice("ngspice", options)
