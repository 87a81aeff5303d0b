"""What a departure of the substrate means for the user: other sends, other captions, another belief at the receiver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.loop import NO_CAPTION, Trace
from hil.sep.vectors import unit64
from hil.types import BoolArray, Float32Array, Float64Array, Int64Array

__all__ = ["Agreement", "accuracy", "agree", "pair_cosine"]


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How far two traces of one stream agree.

    Attributes:
        cosine: (n,) cosine between the embeddings of each window.
        gate_agreement: Share of windows in which both gates decide the same.
        extra_sends: Windows that only the target sent.
        missed_sends: Windows that only the reference sent.
        caption_agreement: Share of windows with the same nearest caption; None without captions.
        belief_agreement: Share of windows, anchors left out, at whose end both receivers hold the same caption true;
            None without captions.
        received_cosine: Mean cosine between what arrived, decoded and aligned, and the reference's embedding of that
            window, anchors left out; None when nothing arrived.
        delivery: Share of sent messages that arrived; None when nothing was sent.
        accuracy: Share of labelled windows whose nearest caption is the true one; None without labels.
        confusion: (n_captions, n_captions) windows by caption of the reference (rows) and the target (columns); empty
            without captions.
    """

    cosine: Float64Array
    gate_agreement: float
    extra_sends: int
    missed_sends: int
    caption_agreement: float | None
    belief_agreement: float | None
    received_cosine: float | None
    delivery: float | None
    accuracy: float | None
    confusion: Int64Array


def agree(reference: Trace, target: Trace, *, n_captions: int, truth: Int64Array | None = None) -> Agreement:
    """Return how far a target's trace agrees with the reference's of the same windows.

    Args:
        reference: What the target is held against.
        target: What is judged.
        n_captions: Captions of the network, 0 for none.
        truth: (n,) index of the true caption, -1 where nobody knows.
    """
    judges = np.ones(len(target.embeddings), np.bool_)
    judges[target.anchors] = False
    sent, expected = target.gate.sent, reference.gate.sent
    return Agreement(
        cosine=pair_cosine(reference.embeddings, target.embeddings),
        gate_agreement=float((sent == expected).mean()),
        extra_sends=int((sent & ~expected).sum()),
        missed_sends=int((expected & ~sent).sum()),
        caption_agreement=_same(reference.captions, target.captions) if n_captions else None,
        belief_agreement=_belief_agreement(reference, target, judges) if n_captions else None,
        received_cosine=_received_cosine(reference, target, judges),
        delivery=len(target.received.windows) / target.wire.packets if target.wire.packets else None,
        accuracy=accuracy(target, truth),
        confusion=_confusion(reference.captions, target.captions, n_captions),
    )


def accuracy(trace: Trace, truth: Int64Array | None) -> float | None:
    """Return the share of labelled windows whose nearest caption is the true one; None without labels."""
    if truth is None or not (known := truth != NO_CAPTION).any():
        return None
    return _same(trace.captions[known], truth[known])


def pair_cosine(one: Float32Array, other: Float32Array) -> Float64Array:
    """Return (n,) cosines of pairs; two vectors without direction agree, one without and one with do not."""
    first, second = unit64(one), unit64(other)
    silent = ~first.any(axis=1) & ~second.any(axis=1)
    distance = 0.5 * np.square(first - second).sum(axis=1)
    mixed = first.any(axis=1) != second.any(axis=1)
    cosine: Float64Array = np.where(silent, 1.0, np.where(mixed, 0.0, np.clip(1.0 - distance, -1.0, 1.0)))
    return cosine


def _same(one: Int64Array, other: Int64Array) -> float:
    return float((one == other).mean())


def _belief_agreement(reference: Trace, target: Trace, judges: BoolArray) -> float:
    return _same(reference.received.beliefs[judges], target.received.beliefs[judges])


def _received_cosine(reference: Trace, target: Trace, judges: BoolArray) -> float | None:
    counts = judges[target.received.windows]
    if not counts.any():
        return None
    windows = target.received.windows[counts]
    return float(pair_cosine(target.received.embeddings[counts], reference.embeddings[windows]).mean())


def _confusion(expected: Int64Array, got: Int64Array, n_captions: int) -> Int64Array:
    table = np.zeros((n_captions, n_captions), np.int64)
    known = (expected != NO_CAPTION) & (got != NO_CAPTION)
    np.add.at(table, (expected[known], got[known]), 1)
    return table
