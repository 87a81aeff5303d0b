"""The comparison as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hil.words import bytes_text, cosine_text, cost_text, count, left_out_words, percent

if TYPE_CHECKING:
    from hil.compare.comparison import Comparison, TargetComparison
    from hil.loop import Trace

__all__ = ["comparison_table"]

HEADER = (
    ("", "", "layer", "cosine", "", "right", "same", "same", "flips", "", "on the", ""),
    ("target", "verdict", "error", "mean", "min", "caption", "caption", "send", "+/-", "packets", "wire", "arrived"),
)
RIGHT_CAPTION = 5  # the column that is left out without labels
LEFT = 2  # columns of words; the others are numbers


def comparison_table(comparison: Comparison) -> str:
    """Return the title, one line per substrate, and a line for whatever needs saying."""
    rows = [*HEADER, _reference_row(comparison), *map(_target_row, comparison.targets)]
    if comparison.truth is None:
        rows = [(*row[:RIGHT_CAPTION], *row[RIGHT_CAPTION + 1 :]) for row in rows]
    return "\n".join([_title(comparison), "", *_aligned(rows), "", *_notes(comparison)])


def _title(comparison: Comparison) -> str:
    recording = comparison.manifest.recording
    features = comparison.features
    seconds = (int(features.t_end_us.max()) - int(features.t_start_us.min())) / 1e6
    name = f"{recording.name} ({recording.width}x{recording.height})" if recording else "windows"
    events = f"{int(features.n_events.sum()):,} events{left_out_words(features.events_left_out)}"
    return (
        f"{name} through {comparison.network.name}: {count(len(features), 'window')}, {seconds:.1f} s, {events}; "
        f"{comparison.settings.codec} vectors, seed {comparison.manifest.seed}"
    )


def _reference_row(comparison: Comparison) -> tuple[str, ...]:
    trace = comparison.reference
    right = percent(comparison.reference_accuracy)
    return (trace.target, "reference", "", "", "", right, "", "", "", *_sending(trace))


def _target_row(target: TargetComparison) -> tuple[str, ...]:
    agreement = target.agreement
    error = max((layer.relative for layer in target.layers), default=None)
    return (
        target.trace.target,
        target.verdict,
        "-" if error is None else f"{error:.2g}",
        cosine_text(float(agreement.cosine.mean())),
        cosine_text(float(agreement.cosine.min())),
        percent(agreement.accuracy),
        percent(agreement.caption_agreement),
        percent(agreement.gate_agreement),
        f"+{agreement.extra_sends}/-{agreement.missed_sends}",
        *_sending(target.trace),
    )


def _sending(trace: Trace) -> tuple[str, str, str]:
    wire = trace.wire
    return str(wire.packets), bytes_text(wire.wire_bytes), f"{len(trace.received.windows)}/{wire.packets}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < LEFT else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _notes(comparison: Comparison) -> list[str]:
    return [
        _saving(comparison),
        *(line for target in comparison.targets for line in _complaints(target)),
        *(f"{trace.target}: {cost_text(trace.telemetry, len(comparison.features))}" for trace in comparison.traces),
        comparison.headline,
    ]


def _complaints(target: TargetComparison) -> list[str]:
    name = target.trace.target
    lines = []
    if target.held_to_exactness and target.divergence is not None:
        lines.append(f"{name} differs first at {target.divergence}")
    for judgement in target.judgements:
        if not judgement.met:
            value = "it could not be measured" if judgement.value is None else f"it is {judgement.value:.4g}"
            lines.append(f"{name} misses {judgement.requirement}: {value}")
    return lines


def _saving(comparison: Comparison) -> str:
    n, sent = len(comparison.features), comparison.reference.wire
    every = bytes_text(n * comparison.network.d_out * 4)
    return (
        f"the reference sends {sent.packets} of {n} windows: {bytes_text(sent.wire_bytes)} on the wire, "
        f"where every vector as float32 takes {every}"
    )
