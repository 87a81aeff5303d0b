"""How well a network on some target says what windows show: accuracy, cosine to caption, gate decisions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hil.errors import InvalidValueError
from hil.inference import infer, programmed
from hil.network import TernaryNetwork
from hil.ports import Backend
from hil.progress import OnProgress, ignore_progress
from hil.registry import open_target
from hil.sep.gate import DistanceGate
from hil.sep.vectors import unit64
from hil.types import FeatureBatch, Float32Array, Inference, Int8Array, Int64Array
from quant.metrics import ArrayCost, NeuroBenchMetrics, array_cost, neurobench_metrics

__all__ = ["Score", "outputs_of", "score_network", "score_outputs"]

REFERENCE = "ternary"


@dataclass(frozen=True, slots=True)
class Score:
    """What a target made of labelled windows.

    Attributes:
        accuracy: Share of windows whose nearest caption is their own.
        n: How many windows.
        cosine_to_caption: Mean cosine of an embedding to its own caption.
        gate_sent: How many windows the gate sends when they follow each other.
        gate_flips: How many of the gate's decisions differ from the integer reference's.
        accuracy_by_class: Accuracy of the windows of each caption, or None for a class without windows.
        neurobench: NeuroBench's figures of the network on the same windows; None where outputs alone were scored.
        arrays: What packed software reads and arrays do for it; None likewise.
    """

    accuracy: float
    n: int
    cosine_to_caption: float
    gate_sent: int
    gate_flips: int
    accuracy_by_class: tuple[float | None, ...]
    neurobench: NeuroBenchMetrics | None = None
    arrays: ArrayCost | None = None

    def as_document(self) -> dict[str, Any]:
        """Return the score as JSON-ready values."""
        return {**asdict(self), "accuracy_by_class": list(self.accuracy_by_class)}


def score_network(
    network: TernaryNetwork,
    features: Int8Array,
    labels: Int64Array,
    *,
    backend: Backend,
    seed: int,
    on_program: OnProgress = ignore_progress,
    on_progress: OnProgress = ignore_progress,
) -> Score:
    """Run windows on a backend and score its answers against the labels and the integer reference.

    Args:
        network: With captions.
        features: (n, d_in) int8.
        labels: (n,) index of each window's caption.
        backend: Where to run it.
        seed: Of the backend's devices.
        on_program: Called while the backend is programmed, if that takes long.
        on_progress: Called with the windows done and their total.
    """
    traced = _reference(network, features)
    outputs = outputs_of(network, features, backend=backend, seed=seed, on_program=on_program, on_progress=on_progress)
    score = score_outputs(network, outputs, labels, reference=traced.outputs)
    return replace(
        score,
        neurobench=neurobench_metrics(network, features, traced.layers),
        arrays=array_cost(network, features, traced.layers),
    )


def _reference(network: TernaryNetwork, features: Int8Array) -> Inference:
    if not len(features):
        raise InvalidValueError("there must be at least one window to score, but there is none")
    with open_target(REFERENCE).program(network, seed=0) as session:
        return session.infer(features, t_us=np.arange(len(features), dtype=np.int64), trace=True)


def outputs_of(
    network: TernaryNetwork,
    features: Int8Array,
    *,
    backend: Backend,
    seed: int,
    on_program: OnProgress = ignore_progress,
    on_progress: OnProgress = ignore_progress,
) -> Float32Array:
    """Return the (n, d_out) outputs of windows laid end to end in time."""
    length_us = network.features.window_us if network.features else 1
    starts_us = np.arange(len(features), dtype=np.int64) * length_us
    batch = FeatureBatch(features, starts_us, starts_us + length_us, np.zeros(len(features), np.int64))
    with programmed(backend, network, seed=seed, on_progress=on_program) as session:
        return infer(session, network, batch, name=backend.name, on_progress=on_progress).outputs


def score_outputs(
    network: TernaryNetwork, outputs: Float32Array, labels: Int64Array, *, reference: Float32Array
) -> Score:
    """Score (n, d_out) outputs against (n,) labels and the reference's outputs.

    Raises:
        InvalidValueError: The network has no captions, or there is nothing to score.
    """
    if network.captions is None:
        raise InvalidValueError(f"network {network.name!r} has no captions to be scored against")
    if not len(outputs):
        raise InvalidValueError("there must be at least one window to score, but there is none")
    directions = unit64(outputs)
    cosines = directions @ network.captions.vectors.T.astype(np.float64)
    right = cosines.argmax(axis=1) == labels
    gate = DistanceGate(network.gate_threshold)
    sent, expected = gate.run(outputs).sent, gate.run(reference).sent
    return Score(
        accuracy=float(right.mean()),
        n=len(labels),
        cosine_to_caption=float(cosines[np.arange(len(labels)), labels].mean()),
        gate_sent=int(sent.sum()),
        gate_flips=int((sent != expected).sum()),
        accuracy_by_class=tuple(
            float(right[labels == k].mean()) if (labels == k).any() else None
            for k in range(len(network.captions.texts))
        ),
    )
