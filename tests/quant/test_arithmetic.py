"""The second statement of the integer contract gives what the first one gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hil import Patches, stream
from hil.testing import random_features, random_network, reference_layers
from quant.formats.arithmetic import ReadLayer, runner


def as_read(network):
    layers = []
    for layer in network.layers:
        step, p = layer.requantisation, layer.patches
        described = {
            "relu": None if step is None else step.relu,
            "patches": None if p is None else {name: getattr(p, name) for name in Patches.__slots__},
        }
        beside = {"bias": layer.bias} | ({} if step is None else {"multiplier": step.multiplier, "shift": step.shift})
        layers.append(ReadLayer.of(layer.weight, beside, described))
    return runner(layers)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(3, 8))
def test_network_of_a_convolution_and_dense_layers_gives_the_contract(seed, kernel, stride, padding, side):
    rng = stream(seed, "arithmetic")
    patches = Patches(2, side, side + 1, kernel=kernel, stride=stride, padding=padding)
    network = random_network((0, 7, 5), rng=rng, patches=patches)
    features = random_features(network, 3, rng=rng, active=0.7)
    np.testing.assert_array_equal(as_read(network)(features), reference_layers(network, features)[-1].activation)
