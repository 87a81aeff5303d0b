"""The suites themselves: the plainest correct backend passes, and broken ones fail."""

import numpy as np
import pytest

from hil.ports import Capabilities
from hil.testing import BackendTests, reference_layers
from hil.types import Inference, Telemetry


class PlainSession:
    def __init__(self, network):
        self.network = network

    def infer(self, features, *, t_us, trace=False):
        layers = reference_layers(self.network, features)
        outputs = self.network.embed(layers[-1].activation)
        return Inference(outputs, Telemetry("wall", 0.0), layers if trace else ())

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.close()


class PlainBackend:
    name = "plain"
    capabilities = Capabilities(exact=True)

    def program(self, network, *, seed):
        return PlainSession(network)


class OffByOneSession(PlainSession):
    def infer(self, features, *, t_us, trace=False):
        sound = super().infer(features, t_us=t_us, trace=trace)
        return Inference(np.nextafter(sound.outputs, np.float32(np.inf)), sound.telemetry, sound.layers)


class OffByOneBackend(PlainBackend):
    def program(self, network, *, seed):
        return OffByOneSession(network)


class TestPlainBackend(BackendTests):
    def backend(self):
        return PlainBackend()


def test_suite_catches_a_backend_that_is_off_by_the_smallest_amount():
    class Suite(BackendTests):
        def backend(self):
            return OffByOneBackend()

    with pytest.raises(AssertionError):
        Suite().test_exact_backend_matches_every_layer_bit_for_bit()
