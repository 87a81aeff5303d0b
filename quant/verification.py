"""Exports that cannot lie: a file is read back by our reader and by somebody else's, code by code, output by output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hil.errors import FormatError, VerificationError
from hil.network import TernaryNetwork
from hil.ports import IndependentReading, VerifiableFormat, WeightFormat
from hil.registry import open_target, read_network, weight_formats
from hil.rng import stream
from hil.types import Int8Array

__all__ = ["Verification", "format_of", "verify"]

WINDOWS = 16


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared and what differs.

    Attributes:
        format: Name of the weight format.
        reader: Who read it beside us, or None where nobody can.
        codes_compared: Weights that the independent reader returned.
        outputs_compared: Integers that the independent reader computed; 0 where it only reads.
        problems: One sentence per difference; empty when all agree.
        holds: Name of the network that the file says it holds, or None where it cannot be read.
    """

    format: str
    reader: str | None
    codes_compared: int
    outputs_compared: int
    problems: tuple[str, ...]
    holds: str | None = None

    @property
    def verified(self) -> bool:
        """Whether something was compared and nothing differs."""
        return not self.problems and self.codes_compared > 0

    def as_document(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "format": self.format,
            "verified": self.verified,
            "reader": self.reader,
            "codes_compared": self.codes_compared,
            "outputs_compared": self.outputs_compared,
            "problems": list(self.problems),
            "holds": self.holds,
        }


def _features(network: TernaryNetwork) -> Int8Array:
    rng = stream(0, "verify", network.digest)
    values = rng.integers(-128, 128, (WINDOWS, network.d_in)).astype(np.int8)
    values[: WINDOWS // 2][rng.random((WINDOWS // 2, network.d_in)) > 0.05] = 0  # sparse, as events are
    return values


def _first_difference(i: int, found: Int8Array, wanted: Int8Array, who: str) -> Iterator[str]:
    if found.shape != wanted.shape:
        yield f"layer {i} has shape {found.shape} in {who}, but {wanted.shape} in the network"
    elif (found != wanted).any():
        row, column = np.argwhere(found != wanted)[0]
        n = int((found != wanted).sum())
        yield (
            f"{n} of {wanted.size} weights of layer {i} differ in {who}, the first at row {row}, column {column}: "
            f"{found[row, column]} instead of {wanted[row, column]}"
        )


def _compare_weights(weights: Any, network: TernaryNetwork, who: str) -> list[str]:
    if len(weights) != len(network.layers):
        return [f"{who} has {len(weights)} layers, but the network {len(network.layers)}"]
    pairs = enumerate(zip(weights, network.layers, strict=True))
    return [problem for i, (found, layer) in pairs for problem in _first_difference(i, found, layer.weight, who)]


def _compare_outputs(reading: IndependentReading, network: TernaryNetwork) -> tuple[int, list[str]]:
    if reading.run is None:
        return 0, []
    chosen = np.linspace(0, WINDOWS - 1, min(WINDOWS, reading.most_windows or WINDOWS)).astype(int)
    features = _features(network)[chosen]  # the first half sparse, the second dense
    with open_target("ternary").program(network, seed=0) as session:
        wanted = session.infer(features, t_us=np.arange(len(features)), trace=True).layers[-1].activation
    found = np.asarray(reading.run(features))
    if found.shape != wanted.shape:
        return 0, [f"outputs have shape {found.shape} in {reading.reader}, but {wanted.shape} here"]
    if (found != wanted).any():
        row, column = np.argwhere(found != wanted)[0]
        share = f"{int((found != wanted).sum())} of {wanted.size}"
        return wanted.size, [f"{share} outputs of {reading.reader} differ, the first in window {row}, output {column}"]
    return wanted.size, []


def format_of(path: Path) -> WeightFormat:
    """Return the format of an exported file: what can read it, or what its name hints at where nothing can.

    Raises:
        FormatError: Nothing can, and its name hints at nothing.
    """
    try:
        return read_network(path)[0]
    except FormatError:
        alike = [each for each in weight_formats() if path.suffix and each.suffix.endswith(path.suffix)]
        exactly = [each for each in alike if path.name.endswith(each.suffix)]
        if not alike:
            raise
        return max(exactly, key=lambda each: len(each.suffix), default=alike[0])


def verify(blob: bytes, weight_format: WeightFormat, network: TernaryNetwork) -> Verification:
    """Compare an exported file with the network it should hold.

    Raises:
        MissingError: The independent reader is not installed: nothing is called verified that nobody else has read.
    """
    try:
        decoded = weight_format.decode(blob)
    except FormatError as error:
        return Verification(weight_format.name, None, 0, 0, (str(error),))
    problems = _compare_weights([layer.weight for layer in decoded.layers], network, "our reader")
    if not problems and decoded.digest != network.digest:
        problems.append("weights agree, but a bias, a factor or a scale differs")
    if problems and decoded.name != network.name:
        problems.insert(
            0,
            f"the file says that it holds network {decoded.name!r}, but was held against {network.name!r}",
        )
    if problems:
        return Verification(weight_format.name, None, 0, 0, tuple(problems), decoded.name)
    return replace(_by_others(blob, weight_format, network), holds=decoded.name)


def _by_others(blob: bytes, weight_format: WeightFormat, network: TernaryNetwork) -> Verification:
    if not isinstance(weight_format, VerifiableFormat):
        problem = f"format {weight_format.name} has no independent reader, so nothing was compared"
        return Verification(weight_format.name, None, 0, 0, (problem,))
    try:
        reading = weight_format.read_independently(blob, network)
        problems = _compare_weights(reading.weights, network, reading.reader)
        n_outputs, differences = (0, []) if problems else _compare_outputs(reading, network)
    except (FormatError, VerificationError) as error:
        return Verification(weight_format.name, None, 0, 0, (str(error),))
    n_codes = sum(weights.size for weights in reading.weights)
    return Verification(weight_format.name, reading.reader, n_codes, n_outputs, (*problems, *differences))
