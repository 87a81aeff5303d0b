"""Fine-tunes an encoder layer by layer with the chip in the loop (after Wan et al., Nature 608, 504 (2022)).

The first layer is put on the target and its norm fitted to what comes back; the layers after it are trained on what
the target really answers; then the second layer is put there, and so on. Errors of early layers are compensated by
later ones, and no model of the device is needed: any ``hil.ports.Backend`` that traces its layers will do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.network import CaptionSet, TernaryLayer, TernaryNetwork
from hil.ports import Backend
from hil.progress import OnProgress, ignore_progress
from hil.types import Int8Array
from quant.encoder import Encoder
from quant.freezing import freeze
from quant.measuring import Labelled
from quant.recipe import Recipe
from quant.retuning import Moments, exact_accumulators, measured, retuned_layer
from quant.training import Training, Windows, train

__all__ = ["ChipSettings", "fine_tune"]


@dataclass(frozen=True, slots=True)
class ChipSettings:
    """How the loop is run.

    Attributes:
        recipe: How the layers behind the chip are trained each time; its layers are ignored.
        measurements: How many epochs of windows are run on the target per layer.
        seed: Of the target's devices, and of the training.
    """

    recipe: Recipe
    measurements: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What the chip answered, epoch after epoch: the windows that the layers behind it learn from."""

    answers: tuple[Labelled, ...]

    def epoch(self, index: int) -> Labelled:
        return self.answers[index % len(self.answers)]


def fine_tune(
    encoder: Encoder,
    backend: Backend,
    windows: Windows,
    captions: CaptionSet,
    settings: ChipSettings,
    *,
    name: str,
    on_progress: OnProgress = ignore_progress,
) -> TernaryNetwork:
    """Return the network as it ends up on the target; the encoder's later layers are changed.

    Args:
        encoder: Trained, ternary.
        backend: The target.
        windows: What to measure and learn from.
        captions: What the encoder should say.
        settings: How.
        name: Of the network.
        on_progress: Called with the layers done and their number.
    """
    encoder.place(None)
    data = [windows.epoch(k) for k in range(settings.measurements)]
    features = np.concatenate([each.features for each in data])
    network = freeze(encoder, name=name, captions=captions)
    done: list[TernaryLayer] = []
    for i in range(len(network.layers)):
        network = _placed(freeze(encoder, name=name, captions=captions), done)
        network, answers = _on_chip(network, backend, features, i, settings)
        done.append(network.layers[i])
        on_progress(i + 1, len(network.layers))
        if i + 1 < len(network.layers):
            _teach(encoder.tail(i + 1), answers, data, captions, settings)
    return replace(network, metadata={**network.metadata, "tuned_on": f"{backend.name}, seed {settings.seed}"})


def _placed(network: TernaryNetwork, done: list[TernaryLayer]) -> TernaryNetwork:
    """Return the network with the layers that are on the chip already."""
    return replace(network, layers=(*done, *network.layers[len(done) :]))


def _on_chip(
    network: TernaryNetwork, backend: Backend, features: Int8Array, i: int, settings: ChipSettings
) -> tuple[TernaryNetwork, npt.NDArray[Any]]:
    """Fit layer ``i`` to what the chip answers, and return its (n, d_out) answers with the fitted layer."""
    layer = network.layers[i]
    sums = measured(network, backend, features, i, seed=settings.seed)
    trained = Moments.of(layer, exact_accumulators(network, features)[i])
    fitted, ratio = retuned_layer(layer, trained, Moments.of(layer, sums))
    scale = network.output_scale
    if layer.requantisation is None:
        scale = (scale * ratio).astype(np.float32)
    network = replace(network, layers=(*network.layers[:i], fitted, *network.layers[i + 1 :]), output_scale=scale)
    if fitted.requantisation is None:
        return network, sums
    by_position = sums.reshape(len(sums), layer.channels, layer.positions).transpose(0, 2, 1)
    return network, fitted.fold(fitted.requantisation.apply(by_position + fitted.bias))


def _teach(
    tail: Encoder, answers: npt.NDArray[Any], data: list[Labelled], captions: CaptionSet, settings: ChipSettings
) -> None:
    """Train what comes behind the chip on its answers."""
    ends = np.cumsum([len(each.labels) for each in data])[:-1]
    parts = np.split(answers, ends)
    source = _Measured(tuple(Labelled(part, each.labels) for part, each in zip(parts, data, strict=True)))
    train(source, None, Training(settings.recipe, captions, tail, seed=settings.seed))
    tail.place(None)
