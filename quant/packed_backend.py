"""``packed``: the integer contract on two-bit weights, the fastest exact software here for one window at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from hil.closing import Closing
from hil.errors import InvalidValueError
from hil.network import TernaryNetwork
from hil.ports import Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.registry import refuse_unknown_options
from hil.types import Inference, Int8Array, Int64Array, LayerTrace, Telemetry
from quant.packed_matrix import PackedMatrix

__all__ = ["PackedBackend", "packed"]


class PackedSession(Closing):
    """A network with packed weights."""

    def __init__(self, network: TernaryNetwork) -> None:
        self._network = network
        self._matrices: tuple[PackedMatrix, ...] | None = tuple(
            PackedMatrix.pack(layer.weight) for layer in network.layers
        )

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        """Run windows through the network; see ``hil.ports.Session``.

        Raises:
            InvalidValueError: The windows have another width, or the session is closed.
        """
        if self._matrices is None:
            raise InvalidValueError("session of 'packed' must be open to infer, but it was closed")
        if features.ndim != 2 or features.shape[1] != self._network.d_in:
            raise InvalidValueError(f"features must be (n, {self._network.d_in}), but are {features.shape}")
        started = time.perf_counter()
        layers = self._run(self._matrices, features)
        outputs = self._network.embed(layers[-1].activation)
        seconds = time.perf_counter() - started
        bytes_read = float(sum(matrix.nbytes for matrix in self._matrices))
        provenance = MappingProxyType({"substrate": "packed two-bit software", "network": self._network.digest})
        telemetry = Telemetry("wall", seconds, counters={"weight_bytes": bytes_read}, provenance=provenance)
        return Inference(outputs, telemetry, tuple(layers) if trace else ())

    def rehearse(self) -> None:
        """Multiply once by each matrix."""
        for matrix in self._matrices or ():
            matrix.rows_times(np.zeros((1, matrix.columns), np.int8))

    def _run(self, matrices: tuple[PackedMatrix, ...], values: Int8Array) -> list[LayerTrace]:
        layers = []
        for layer, matrix in zip(self._network.layers, matrices, strict=True):
            vectors = layer.unfold(values).reshape(-1, layer.fan_in)
            sums = matrix.rows_times(vectors).reshape(len(values), layer.positions, layer.channels)
            biased = sums + layer.bias
            following = biased if layer.requantisation is None else layer.requantisation.apply(biased)
            values = layer.fold(following)
            layers.append(LayerTrace(layer.fold(sums), values))
        return layers

    def close(self) -> None:
        """Release the weights; may be called twice."""
        self._matrices = None


@dataclass(frozen=True, slots=True)
class PackedBackend:
    """Exact software on packed weights."""

    name: str = "packed"

    @property
    def capabilities(self) -> Capabilities:
        """Exact; time is wall time."""
        return Capabilities(exact=True)

    def program(
        self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress
    ) -> PackedSession:
        """Pack a network's weights, and multiply once by each, so that what compiles is compiled."""
        session = PackedSession(network)
        session.rehearse()
        return session


class _PackedFactory:
    """The integer contract on two-bit packed weights."""

    about = "the integer contract on two-bit packed weights, in software"

    def __call__(self, argument: str, options: Mapping[str, str]) -> PackedBackend:
        refuse_unknown_options(options, [], of="packed")
        if argument:
            raise InvalidValueError(f"target packed takes no argument, but got {argument!r}")
        return PackedBackend()

    def missing(self) -> str | None:
        """Nothing is missing."""
        return None


packed = _PackedFactory()
