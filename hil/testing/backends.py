"""What every backend must do, exact or analog."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import pytest

from hil.network import Patches, TernaryNetwork
from hil.ports import Backend
from hil.rng import stream
from hil.testing.networks import random_features, random_network, reference_layers, rounding_network
from hil.types import Int64Array

__all__ = ["BackendTests"]


def _times(n: int) -> Int64Array:
    return np.arange(n, dtype=np.int64) * 100_000


class BackendTests(ABC):
    """Subclass and return your backend; exact ones are held to the integer contract bit for bit."""

    windows: ClassVar[int] = 8
    """How many windows each test infers; lower it for slow targets."""

    @abstractmethod
    def backend(self) -> Backend:
        """Return a fresh backend."""

    def networks(self) -> dict[str, TernaryNetwork]:
        """Return the networks to run; override where the target holds only small ones."""
        rng = stream(1, "conformance", "network")
        networks = {
            "dense": random_network((40, 24, 16), rng=rng),
            "rounding": rounding_network(rng=stream(1, "conformance", "rounding")),
        }
        if self.backend().capabilities.convolution:
            patches = Patches(in_channels=2, height=7, width=6, kernel=3, stride=2, padding=1)
            networks["convolution"] = random_network((0, 12), rng=rng, patches=patches)
        return networks

    def _infer(self, network: TernaryNetwork, *, seed: int = 7, trace: bool = False) -> Any:
        features = random_features(network, self.windows, rng=stream(2, "conformance", "features"))
        with self.backend().program(network, seed=seed) as session:
            return features, session.infer(features, t_us=_times(self.windows), trace=trace)

    def test_outputs_have_one_row_per_window(self) -> None:
        """The answer has a float32 embedding for every window."""
        for network in self.networks().values():
            _, inference = self._infer(network)
            assert inference.outputs.shape == (self.windows, network.d_out)
            assert inference.outputs.dtype == np.float32

    def test_exact_backend_matches_every_layer_bit_for_bit(self) -> None:
        """An exact backend follows the integer contract in every accumulator and activation."""
        if not self.backend().capabilities.exact:
            pytest.skip("the backend is analog")
        for network in self.networks().values():
            features, inference = self._infer(network, trace=True)
            expected = reference_layers(network, features)
            for layer, wanted in zip(inference.layers, expected, strict=True):
                np.testing.assert_array_equal(layer.accumulator, wanted.accumulator)
                np.testing.assert_array_equal(layer.activation, wanted.activation)
            np.testing.assert_array_equal(inference.outputs, network.embed(expected[-1].activation))

    def test_trace_is_returned_only_on_request(self) -> None:
        """Layers are traced when asked for, one entry per layer, and otherwise absent."""
        for network in self.networks().values():
            assert self._infer(network)[1].layers == ()
            layers = self._infer(network, trace=True)[1].layers
            assert [trace.activation.shape for trace in layers] == [(self.windows, x.d_out) for x in network.layers]

    def test_same_seed_gives_same_outputs(self) -> None:
        """Programming and inferring twice with one seed gives one answer."""
        for network in self.networks().values():
            first, second = (self._infer(network)[1].outputs for _ in range(2))
            np.testing.assert_array_equal(first, second)

    def test_windows_in_two_calls_equal_one_call(self) -> None:
        """What a session answers does not depend on how the stream is cut into calls."""
        for network in self.networks().values():
            features, whole = self._infer(network)
            half, times = self.windows // 2, _times(self.windows)
            with self.backend().program(network, seed=7) as session:
                first = session.infer(features[:half], t_us=times[:half]).outputs
                second = session.infer(features[half:], t_us=times[half:]).outputs
            np.testing.assert_array_equal(np.concatenate([first, second]), whole.outputs)

    def test_no_windows_give_no_outputs(self) -> None:
        """An empty batch is answered by an empty one."""
        network = self.networks()["dense"]
        with self.backend().program(network, seed=7) as session:
            inference = session.infer(np.empty((0, network.d_in), np.int8), t_us=np.empty(0, np.int64))
        assert inference.outputs.shape == (0, network.d_out)

    def test_telemetry_names_its_sources(self) -> None:
        """Time and energy come from where the capabilities say."""
        capabilities = self.backend().capabilities
        telemetry = self._infer(self.networks()["dense"])[1].telemetry
        assert telemetry.time_source == capabilities.time_source
        assert telemetry.energy_source == capabilities.energy_source
        assert telemetry.time >= 0

    def test_programming_takes_a_listener_and_counts_up_to_a_total(self) -> None:
        """Whoever waits is told (done, total), never backwards and never beyond; saying nothing is fine."""
        heard: list[tuple[int, int]] = []
        network = self.networks()["dense"]
        with self.backend().program(network, seed=7, on_progress=lambda *where: heard.append(where)):
            assert [done for done, _ in heard] == sorted(done for done, _ in heard)
            assert all(0 <= done <= total for done, total in heard)

    def test_session_closes_twice(self) -> None:
        """Closing is idempotent."""
        session = self.backend().program(self.networks()["dense"], seed=7)
        session.close()
        session.close()
