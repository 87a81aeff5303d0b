"""The two references every substrate is judged by: the integer contract itself, and the same network unrounded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from emulators.batches import check_windows, provenance
from hil.closing import Closing
from hil.errors import InvalidValueError
from hil.network import INT8_MAX, INT8_MIN, Requantisation, TernaryLayer, TernaryNetwork
from hil.ports import Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.registry import refuse_unknown_options
from hil.types import Float64Array, Inference, Int8Array, Int32Array, Int64Array, LayerTrace, Telemetry

__all__ = ["ReferenceBackend", "ReferenceFactory", "ReferenceSession", "exact_accumulators", "float_", "ternary"]

FLOAT32_EXACT: Final = 2**24  # every integer up to here is a float32, and so is every partial sum below it
BLOCK_WINDOWS: Final = 1024  # keeps the unfolded patches of a convolution in memory


class _Arithmetic(Protocol):
    """How one kind of reference runs a layer."""

    def accumulate(self, layer: TernaryLayer, vectors: npt.NDArray[Any], /) -> npt.NDArray[Any]:
        """Return (n, positions, channels) sums of (n, positions, fan_in) vectors."""
        ...

    def requantise(self, rule: Requantisation, biased: npt.NDArray[Any], /) -> npt.NDArray[Any]:
        """Return the next layer's inputs from accumulators that carry their bias."""
        ...


def exact_accumulators(weight: Int8Array, vectors: Int8Array) -> Int32Array:
    """Return the exact int32 sums of int8 vectors with ternary weights, at the speed of a float product.

    A float32 product is exact while no partial sum reaches 2**24; beyond that float64 is, up to 2**53.

    Args:
        weight: (channels, fan_in) int8 of -1, 0, +1.
        vectors: (..., fan_in) int8.

    Returns:
        (..., channels) int32.
    """
    bound = int(np.count_nonzero(weight, axis=1).max(initial=0)) * -INT8_MIN
    dtype = np.float32 if bound < FLOAT32_EXACT else np.float64
    sums: Int32Array = np.matmul(vectors.astype(dtype), weight.astype(dtype).T).astype(np.int32)
    return sums


class _Integers:
    """The contract of ``hil.network``: int32 sums, int8 activations."""

    def accumulate(self, layer: TernaryLayer, vectors: Int8Array, /) -> Int32Array:
        return exact_accumulators(layer.weight, vectors)

    def requantise(self, rule: Requantisation, biased: Int32Array, /) -> Int8Array:
        return rule.apply(biased)


class _Reals:
    """The same weights, biases and scales, but activations keep their fractions between the same clips."""

    def accumulate(self, layer: TernaryLayer, vectors: npt.NDArray[Any], /) -> Float64Array:
        sums: Float64Array = np.matmul(vectors.astype(np.float64), layer.weight.astype(np.float64).T)
        return sums

    def requantise(self, rule: Requantisation, biased: Float64Array, /) -> Float64Array:
        scaled = np.ldexp(biased * rule.multiplier, -rule.shift.astype(np.int32))
        return np.clip(scaled, 0 if rule.relu else INT8_MIN, INT8_MAX)


@dataclass(slots=True)
class ReferenceSession(Closing):
    """A network held in memory; infers by matrix products.

    Attributes:
        network: What it runs.
        arithmetic: Integers or reals.
        name: For provenance.
    """

    network: TernaryNetwork
    arithmetic: _Arithmetic
    name: str
    _closed: bool = field(default=False, init=False)

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        """Run windows through the network.

        Args:
            features: (n, d_in) int8.
            t_us: (n,) int64, never decreasing; a reference does not age, so it is only checked.
            trace: Whether to return what each layer computed.

        Raises:
            InvalidValueError: The windows do not fit the network, or the session is closed.
        """
        if self._closed:
            raise InvalidValueError(f"session of {self.name!r} must be open to infer, but it was closed")
        check_windows(features, t_us, d_in=self.network.d_in)
        started = time.perf_counter()
        values: npt.NDArray[Any] = features
        layers: list[LayerTrace] = []
        for layer in self.network.layers:
            accumulator, values = self._run(layer, values)
            if trace:
                layers.append(LayerTrace(accumulator, values))
        outputs = self.network.embed(values)
        telemetry = Telemetry(
            time_source="wall",
            time=time.perf_counter() - started,
            provenance=provenance(self.network, substrate=self.name),
        )
        return Inference(outputs, telemetry, tuple(layers))

    def _run(self, layer: TernaryLayer, values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        blocks = [
            self._block(layer, values[first : first + BLOCK_WINDOWS])
            for first in range(0, max(len(values), 1), BLOCK_WINDOWS)
        ]
        accumulators, activations = zip(*blocks, strict=True)
        return np.concatenate(accumulators), np.concatenate(activations)

    def _block(self, layer: TernaryLayer, values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        sums = self.arithmetic.accumulate(layer, layer.unfold(values))
        biased = sums + layer.bias
        following = biased if layer.requantisation is None else self.arithmetic.requantise(layer.requantisation, biased)
        return layer.fold(sums), layer.fold(following)

    def close(self) -> None:
        """Refuse further windows; may be called twice."""
        self._closed = True


@dataclass(frozen=True, slots=True)
class ReferenceBackend:
    """Exact software.

    Attributes:
        name: ``ternary`` for the integer contract, ``float`` for unrounded activations.
    """

    name: Literal["ternary", "float"]

    @property
    def capabilities(self) -> Capabilities:
        """Any size, convolutions included; only the integers are held to the contract."""
        return Capabilities(exact=self.name == "ternary")

    def program(
        self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress
    ) -> ReferenceSession:
        """Return a session; the seed has no effect, because nothing here is random."""
        arithmetic: _Arithmetic = _Integers() if self.name == "ternary" else _Reals()
        return ReferenceSession(network, arithmetic, self.name)


@dataclass(frozen=True, slots=True)
class ReferenceFactory:
    """Makes a reference backend; it has no argument and no options.

    Attributes:
        name: The backend's name.
        about: What it is, in one line.
    """

    name: Literal["ternary", "float"]
    about: str

    def __call__(self, argument: str, options: Mapping[str, str]) -> ReferenceBackend:
        """Return the backend.

        Raises:
            InvalidValueError: An argument was given.
            UnknownNameError: An option was given.
        """
        if argument:
            raise InvalidValueError(f"target {self.name!r} takes no argument, but got {argument!r}")
        refuse_unknown_options(options, [], of=self.name)
        return ReferenceBackend(self.name)

    def missing(self) -> str | None:
        """Need nothing."""
        return None


ternary = ReferenceFactory("ternary", "the integer contract in exact software")
float_ = ReferenceFactory("float", "the same network with activations that are not rounded")
