"""What happened, in sentences a reader can quote."""

from __future__ import annotations

from hil.compare import Comparison, TargetComparison
from hil.words import bytes_text, count, left_out_words, percent

__all__ = ["stream_sentence", "target_sentence"]


def stream_sentence(comparison: Comparison) -> str:
    """Return what went in and what it cost to say."""
    features, wire = comparison.features, comparison.reference.wire
    seconds = (int(features.t_end_us.max()) - int(features.t_start_us.min())) / 1e6
    every = len(features) * comparison.network.d_out * 4
    return (
        f"{int(features.n_events.sum()):,} events{left_out_words(features.events_left_out)} in {seconds:.1f} s became "
        f"{count(len(features), 'window')}. "
        f"The gate of {comparison.reference.target} let {wire.packets} through: {bytes_text(wire.wire_bytes)} on the "
        f"wire, where every embedding as float32 takes {bytes_text(every)}."
    )


def target_sentence(target: TargetComparison, comparison: Comparison) -> str:
    """Return how a target departs from the reference and what that means."""
    name, reference = target.trace.target, comparison.reference.target
    if target.divergence is None:
        return f"{name} gives what {reference} gives in every one of {_compared(target, comparison):,} values compared."
    if target.held_to_exactness:
        differing = sum(layer.differing for layer in target.layers)
        return (
            f"{name} promises every integer of {reference}, but departs at {target.divergence}; "
            f"{differing:,} of {_compared(target, comparison):,} values differ."
        )
    distance = 1.0 - target.agreement.cosine
    return (
        f"{name} lies {distance.mean():.2g} in cosine distance from {reference} on average and {distance.max():.2g} at "
        f"most; {_meaning(target)}"
    )


def _compared(target: TargetComparison, comparison: Comparison) -> int:
    return 2 * sum(layer.values for layer in target.layers) + comparison.reference.outputs.size


def _meaning(target: TargetComparison) -> str:
    agreement = target.agreement
    kept = [f"{percent(agreement.gate_agreement)} of the gate's decisions"]
    if agreement.caption_agreement is not None:
        kept.append(f"{percent(agreement.caption_agreement)} of the captions")
    if agreement.belief_agreement is not None:
        kept.append(f"{percent(agreement.belief_agreement)} of what the receiver believes")
    return f"{', '.join(kept[:-1])}{' and ' if len(kept) > 1 else ''}{kept[-1]} stay the same."
