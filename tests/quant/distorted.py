"""A target that is wrong in a known way, for tests of what fits networks to their target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from hil.closing import Closing
from hil.network import TernaryNetwork
from hil.ports import Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.types import Inference, Int8Array, Int64Array, LayerTrace, Telemetry

Distortion = Callable[[np.ndarray, int], np.ndarray]


class Distorted(Closing):
    """A target whose accumulators are a function of the exact ones: the simplest wrong substrate."""

    name = "distorted"
    capabilities = Capabilities(exact=False)

    def __init__(self, distort: Distortion, *, traces: bool = True) -> None:
        self.distort, self.traces = distort, traces
        self.network: TernaryNetwork | None = None

    def program(self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress) -> Self:
        self.network = network
        return self

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        assert self.network is not None
        activation, layers = features, []
        for i, layer in enumerate(self.network.layers):
            exact = layer.unfold(activation).astype(np.int64) @ layer.weight.T.astype(np.int64)
            sums = np.rint(self.distort(exact, i)).astype(np.int32)
            biased = sums + layer.bias
            step = layer.requantisation
            activation = layer.fold(biased if step is None else step.apply(biased))
            layers.append(LayerTrace(layer.fold(sums), activation))
        outputs = self.network.embed(activation)
        return Inference(outputs, Telemetry("wall", 0.0), tuple(layers) if self.traces else ())

    def close(self) -> None:
        """Nothing to release."""
