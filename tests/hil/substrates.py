"""Small networks, streams and substrates that go wrong on purpose."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np

from hil import CaptionSet, FeatureBatch, FeatureSpec, Inference, LayerTrace, Telemetry, TernaryNetwork, stream
from hil.ports import Capabilities
from hil.progress import ignore_progress
from hil.sep.vectors import unit
from hil.testing import random_features, random_network, reference_layers

SPEC = FeatureSpec(width=4, height=5, time_bins=1, window_us=100_000)


def small_network(seed=0, *, sizes=(40, 24, 16), captions=True, spec=SPEC):
    """Return a random network with captions that lie where its embeddings do."""
    network = random_network(sizes, rng=stream(seed, "network"))
    vectors = None
    if captions:
        outputs = network.embed(reference_layers(network, some_windows(network, 6, seed=99).features)[-1].activation)
        vectors = CaptionSet(("one", "two", "three", "<b>four</b>", "five", "six"), unit(outputs), "test", "0" * 64)
    return TernaryNetwork(
        name="small",
        layers=network.layers,
        output_scale=network.output_scale,
        features=spec if spec is not None and spec.d_in == network.d_in else None,
        captions=vectors,
        gate_threshold=0.35,
    )


def some_windows(network, n, *, seed=1):
    """Return n windows that each last three, so that a gate has something to keep quiet about."""
    rng = stream(seed, "windows")
    features = np.abs(np.repeat(random_features(network, -(-n // 3), rng=rng), 3, axis=0)[:n].astype(np.int16))
    jitter = rng.integers(0, 4, features.shape)
    features = np.minimum(features + jitter, 127).astype(np.int8)
    starts = np.arange(n, dtype=np.int64) * 100_000
    return FeatureBatch(features, starts, starts + 100_000, features.sum(axis=1, dtype=np.int64))


def unchanged(layers, outputs):
    return layers, outputs


@dataclass(frozen=True)
class FakeBackend:
    """The integer contract, then whatever a test does to it."""

    change: Callable = unchanged
    name: str = "fake"
    capabilities: Capabilities = Capabilities(exact=True, time_source="cycles")  # noqa: RUF009
    counters: dict = field(default_factory=dict)

    def program(self, network, *, seed, on_progress=ignore_progress):
        return nullcontext(_FakeSession(self, network))


@dataclass(frozen=True)
class _FakeSession:
    backend: FakeBackend
    network: TernaryNetwork

    def infer(self, features, *, t_us, trace=False):
        layers = reference_layers(self.network, features)
        layers, outputs = self.backend.change(layers, self.network.embed(layers[-1].activation))
        telemetry = Telemetry(
            self.backend.capabilities.time_source, 1000.0 * len(features), counters=self.backend.counters
        )
        return Inference(outputs, telemetry, layers)


def noisy(sigma, seed=0, **settings):
    """Return an analog substrate whose outputs carry noise relative to their size; it traces no layers."""

    def change(layers, outputs):
        noise = stream(seed, "noise").normal(size=outputs.shape)
        return (), (outputs + sigma * np.abs(outputs).mean() * noise).astype(np.float32)

    capabilities = Capabilities(exact=False, time_source="wall")
    return FakeBackend(change, capabilities=capabilities, **{"name": "noisy", **settings})


def flipped(layer, window, row, *, stage="accumulator", by=1):
    """Return an exact substrate with one integer wrong."""

    def change(layers, outputs):
        values = {name: np.array(getattr(layers[layer], name)) for name in ("accumulator", "activation")}
        values[stage][window, row] += by
        wrong = LayerTrace(values["accumulator"], values["activation"])
        return (*layers[:layer], wrong, *layers[layer + 1 :]), outputs

    return FakeBackend(change, name="flipped")


def analog(backend):
    """Return the same substrate without the promise to be exact."""
    return replace(backend, capabilities=replace(backend.capabilities, exact=False))
