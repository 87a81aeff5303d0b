"""The suites themselves: the plainest correct backend passes, and broken ones fail."""

import numpy as np
import pytest

from hil.ports import Capabilities
from hil.progress import ignore_progress
from hil.testing import BackendTests, reference_layers
from hil.types import Inference, LayerTrace, Telemetry


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

    def program(self, network, *, seed, on_progress=ignore_progress):
        return PlainSession(network)


class OffByOneSession(PlainSession):
    def infer(self, features, *, t_us, trace=False):
        sound = super().infer(features, t_us=t_us, trace=trace)
        return Inference(np.nextafter(sound.outputs, np.float32(np.inf)), sound.telemetry, sound.layers)


class OffByOneBackend(PlainBackend):
    def program(self, network, *, seed, on_progress=ignore_progress):
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


def _requantised(biased, step, *, rounding):
    """Requantise as somebody who got one thing wrong."""
    shift = step.shift.astype(np.int64)
    half = np.int64(1) << (shift - 1)
    product = biased.astype(np.int64) * step.multiplier
    with np.errstate(over="ignore"):
        scaled = {
            "none": product >> shift,
            "half down": (product + half - 1) >> shift,
            "half away from zero": np.sign(product) * ((np.abs(product) + half) >> shift),
            "toward zero": np.sign(product + half) * (np.abs(product + half) >> shift),
            "32-bit product": (product.astype(np.int32) + half) >> shift,
            "one shift for all": (product + half[0]) >> shift[0],
            "31 shifts": (product + half) >> np.minimum(shift, 31),
        }[rounding]
    return np.clip(scaled, 0 if step.relu else -128, 127).astype(np.int8)


class WrongSession(PlainSession):
    def __init__(self, network, rounding):
        super().__init__(network)
        self.rounding = rounding

    def infer(self, features, *, t_us, trace=False):
        layers, activation = [], features
        for layer in self.network.layers:
            product = layer.unfold(activation).astype(np.int64) @ layer.weight.T.astype(np.int64)
            step, biased = layer.requantisation, (product + layer.bias).astype(np.int32)
            activation = layer.fold(biased if step is None else _requantised(biased, step, rounding=self.rounding))
            layers.append(LayerTrace(layer.fold(product.astype(np.int32)), activation))
        return Inference(self.network.embed(activation), Telemetry("wall", 0.0), tuple(layers) if trace else ())


class WrongBackend(PlainBackend):
    def __init__(self, rounding):
        self.rounding = rounding

    def program(self, network, *, seed, on_progress=ignore_progress):
        return WrongSession(network, self.rounding)


@pytest.mark.parametrize(
    "rounding",
    ["none", "half down", "half away from zero", "toward zero", "32-bit product", "one shift for all", "31 shifts"],
)
def test_suite_catches_arithmetic_that_is_right_on_easy_numbers(rounding):
    class Suite(BackendTests):
        def backend(self):
            return WrongBackend(rounding)

    with pytest.raises(AssertionError):
        Suite().test_exact_backend_matches_every_layer_bit_for_bit()


class CallCountingSession(PlainSession):
    calls = 0

    def infer(self, features, *, t_us, trace=False):
        sound = super().infer(features, t_us=t_us, trace=trace)
        self.calls += 1
        return Inference(sound.outputs * np.float32(self.calls), sound.telemetry, sound.layers)


def test_suite_catches_an_answer_that_depends_on_the_cut():
    class CallCountingBackend(PlainBackend):
        def program(self, network, *, seed, on_progress=ignore_progress):
            return CallCountingSession(network)

    class Suite(BackendTests):
        def backend(self):
            return CallCountingBackend()

    with pytest.raises(AssertionError):
        Suite().test_windows_in_two_calls_equal_one_call()
