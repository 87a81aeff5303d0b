"""Lays the layers of two substrates side by side: how far apart they are, and where they first part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hil.loop import Trace
from hil.network import TernaryNetwork
from hil.types import Inference, LayerTrace

__all__ = ["Divergence", "LayerError", "compare_layers", "first_divergence"]

Stage = Literal["accumulator", "activation", "output"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first value in which two substrates differ.

    Attributes:
        layer: Number of the layer, from 0.
        row: Row of its weight matrix.
        position: Position of a convolution, 0 in a dense layer.
        window: The first window in which that row differs.
        stage: Whether the sum differs, only what requantisation made of it, or only the embedding.
        expected: The reference's value.
        got: The target's value.
    """

    layer: int
    row: int
    position: int
    window: int
    stage: Stage
    expected: float
    got: float

    def __str__(self) -> str:
        where = f"layer {self.layer}, row {self.row}" + (f", position {self.position}" if self.position else "")
        return f"{where}, window {self.window}: {self.stage} {self.got:g} instead of {self.expected:g}"


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far one layer is from the reference.

    Attributes:
        layer: Number of the layer, from 0.
        values: Accumulators compared, and as many activations.
        accumulators_differing: How many accumulators are not equal.
        activations_differing: How many activations are not equal.
        accumulator_max: Largest difference of an accumulator, in units of one weight times one input.
        accumulator_rms: Root mean square of those differences.
        relative: That over the root mean square of the reference's accumulators.
    """

    layer: int
    values: int
    accumulators_differing: int
    activations_differing: int
    accumulator_max: float
    accumulator_rms: float
    relative: float

    @property
    def differing(self) -> int:
        """Values of either kind that are not equal."""
        return self.accumulators_differing + self.activations_differing


def compare_layers(reference: Trace, target: Trace) -> tuple[LayerError, ...]:
    """Return one error per layer that both substrates traced."""
    pairs = zip(reference.layers, target.layers, strict=False)
    return tuple(_layer_error(i, expected, got) for i, (expected, got) in enumerate(pairs))


def _layer_error(layer: int, expected: LayerTrace, got: LayerTrace) -> LayerError:
    difference = got.accumulator.astype(np.float64) - expected.accumulator
    rms, size = _rms(difference), _rms(expected.accumulator.astype(np.float64))
    return LayerError(
        layer=layer,
        values=expected.accumulator.size,
        accumulators_differing=int(np.count_nonzero(difference)),
        activations_differing=int(np.count_nonzero(got.activation != expected.activation)),
        accumulator_max=float(np.abs(difference).max(initial=0.0)),
        accumulator_rms=rms,
        relative=rms / size if size else float(rms > 0),
    )


def _rms(values: npt.NDArray[Any]) -> float:
    return float(np.sqrt(np.square(values).mean())) if values.size else 0.0


def first_divergence(
    reference: Trace | Inference, target: Trace | Inference, network: TernaryNetwork
) -> Divergence | None:
    """Return where the target first departs from the reference, by layer, window and row; None if nowhere."""
    pairs = zip(network.layers, reference.layers, target.layers, strict=False)
    for i, (layer, expected, got) in enumerate(pairs):
        stages: Sequence[tuple[Stage, npt.NDArray[Any], npt.NDArray[Any]]] = (
            ("accumulator", expected.accumulator, got.accumulator),
            ("activation", expected.activation, got.activation),
        )
        for stage, wanted, found in stages:
            if (place := _first(wanted, found)) is not None:
                return _divergence(i, layer.positions, stage, wanted, found, place)
    if (place := _first(reference.outputs, target.outputs)) is not None:
        last = len(network.layers) - 1
        positions = network.layers[last].positions
        return _divergence(last, positions, "output", reference.outputs, target.outputs, place)
    return None


def _first(expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> tuple[int, int] | None:
    differs = expected != got
    if not differs.any():
        return None
    window, column = np.unravel_index(int(np.argmax(differs)), differs.shape)
    return int(window), int(column)


def _divergence(
    layer: int,
    positions: int,
    stage: Stage,
    expected: npt.NDArray[Any],
    got: npt.NDArray[Any],
    place: tuple[int, int],
) -> Divergence:
    row, position = divmod(place[1], positions)
    return Divergence(layer, row, position, place[0], stage, float(expected[place]), float(got[place]))
