"""What an encoder says of windows while it learns: embeddings, scores, and the statistics its norms rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hil.types import Int8Array, Int64Array
from quant.encoder import Encoder

__all__ = ["Labelled", "embed", "reestimate_norms", "score"]

BATCH = 512


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Windows and what they show.

    Attributes:
        features: (n, d_in) int8 event counts.
        labels: (n,) int64 index of each window's caption.
    """

    features: Int8Array
    labels: Int64Array


def _batches(encoder: Encoder, features: Int8Array) -> list[Tensor]:
    device = encoder.stages[0].linear.weight.device
    parts = np.array_split(features, max(1, -(-len(features) // BATCH)))
    return [torch.from_numpy(part).to(device, torch.float32) for part in parts]


def embed(encoder: Encoder, features: Int8Array) -> Tensor:
    """Return (n, d_out) embeddings of (n, d_in) features, in evaluation mode."""
    encoder.eval()
    with torch.no_grad():
        return torch.cat([encoder(part) for part in _batches(encoder, features)])


def score(encoder: Encoder, captions: Tensor, data: Labelled) -> tuple[float, float]:
    """Return the share of windows nearest to their own of (n_captions, d_out) captions, and the mean cosine to it."""
    cosines = functional.normalize(embed(encoder, data.features), dim=1) @ captions.T
    labels = torch.from_numpy(data.labels).to(captions.device)
    own = cosines.gather(1, labels[:, None])
    return float((cosines.argmax(1) == labels).double().mean()), float(own.double().mean())


def reestimate_norms(encoder: Encoder, features: Int8Array) -> None:
    """Replace the running statistics of every norm by those of the given (n, d_in) features.

    Running averages trail the weights; and on a noisy substrate the statistics themselves are different.
    """
    norms = [stage.norm for stage in encoder.stages]
    momenta = [norm.momentum for norm in norms]
    encoder.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
        norm.train()
    with torch.no_grad():
        for part in _batches(encoder, features):
            encoder(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
