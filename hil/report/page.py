"""Puts the page together: everything it shows as plain values, then one template."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hil.compare import Comparison, TargetComparison
from hil.compare.layers import LayerError
from hil.loop import NO_CAPTION, Trace
from hil.report.confusion import confusion_figure
from hil.report.pictures import Picture
from hil.report.png import data_uri
from hil.report.sentences import stream_sentence, target_sentence
from hil.report.svg import series
from hil.report.timelines import belief_figure, distance_figure, gate_figure, seconds
from hil.words import bytes_text, cosine_text, count, percent, quantity

__all__ = ["choose_windows", "render"]

FAINTEST_ERROR = 1e-4
MOST_PICTURES = 12
TIME_SOURCES = {
    "wall": ("Wall time on the machine that ran it", "s"),
    "instructions": ("Counted instructions", "instructions"),
    "cycles": ("Counted clock cycles", "cycles"),
}
ENERGY_SOURCES = {"model": "Energy, from a model", "measured": "Energy, measured"}


def render(comparison: Comparison, pictures: Sequence[Picture] = ()) -> str:
    """Return the report as one page that needs nothing else."""
    environment = Environment(
        loader=PackageLoader("hil.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        percent=percent, cosine=cosine_text, bytes_text=bytes_text, quantity=quantity, series=series
    )
    return environment.get_template("report.html.j2").render(_context(comparison, pictures)) + "\n"


def choose_windows(comparison: Comparison, *, most: int = MOST_PICTURES) -> list[int]:
    """Return windows worth a picture, in order: half of them where a target departs in meaning, the rest spread out."""
    n = len(comparison.features)
    departs = np.zeros(n, np.bool_)
    for target in comparison.targets:
        departs |= target.trace.captions != comparison.reference.captions
        departs |= target.trace.gate.sent != comparison.reference.gate.sent
    chosen = set(_spread(np.flatnonzero(departs).tolist(), most // 2))
    chosen.update(_spread([i for i in range(n) if i not in chosen], most - len(chosen)))
    return sorted(chosen)


def _spread(items: list[int], most: int) -> list[int]:
    """Return at most so many items, evenly spread, the first among them."""
    if len(items) <= most:
        return items
    return [items[i * len(items) // most] for i in range(most)]


def _context(comparison: Comparison, pictures: Sequence[Picture]) -> dict[str, Any]:
    captions = comparison.network.captions
    texts = captions.texts if captions is not None else ()
    return {
        "comparison": comparison,
        "title": _title(comparison),
        "headline": comparison.headline,
        "stream": stream_sentence(comparison),
        "sentences": [target_sentence(target, comparison) for target in comparison.targets],
        "cards": [_card(comparison, picture, texts) for picture in pictures],
        "distance": distance_figure(comparison),
        "gate": gate_figure(comparison),
        "beliefs": belief_figure(comparison),
        "layers": _layers(comparison),
        "confusions": _confusions(comparison, texts),
        "steadfast": [x.trace.target for x in comparison.targets if x.agreement.caption_agreement == 1.0],
        "bytes": _bytes(comparison),
        "telemetry": _telemetry(comparison),
        "manifest": json.dumps(comparison.manifest.as_document(), indent=2, ensure_ascii=False),
    }


def _confusions(comparison: Comparison, texts: Sequence[str]) -> list[tuple[str, int, Markup]]:
    figures = [
        (target.trace.target, k, confusion_figure(target, texts, k)) for k, target in enumerate(comparison.targets)
    ]
    return [(name, k, figure) for name, k, figure in figures if figure is not None]


def _title(comparison: Comparison) -> str:
    recording = comparison.manifest.recording
    return f"{recording.name if recording else 'A stream'} through {comparison.network.name}"


def _card(comparison: Comparison, picture: Picture, texts: Sequence[str]) -> dict[str, Any]:
    window = picture.window
    reference = comparison.reference
    return {
        "picture": picture,
        "source": data_uri(picture.png),
        "start_s": f"{seconds(comparison, int(comparison.features.t_start_us[window])):.2f}",
        "caption": _caption(reference, window, texts),
        "truth": _truth(comparison, window, texts),
        "sent": bool(reference.gate.sent[window]),
        "others": [
            (k, target.trace.target, _other(target.trace, reference, window, texts))
            for k, target in enumerate(comparison.targets)
        ],
    }


def _caption(trace: Trace, window: int, texts: Sequence[str]) -> str:
    caption = int(trace.captions[window])
    return texts[caption] if caption != NO_CAPTION else ""


def _truth(comparison: Comparison, window: int, texts: Sequence[str]) -> str:
    """Return what a window really shows, where that is known and the reference takes it for something else."""
    if comparison.truth is None or int(comparison.truth[window]) in (
        NO_CAPTION,
        int(comparison.reference.captions[window]),
    ):
        return ""
    return texts[int(comparison.truth[window])]


def _other(trace: Trace, reference: Trace, window: int, texts: Sequence[str]) -> list[str]:
    """Return in which ways a target departs in one window; empty where it does not."""
    ways = []
    if trace.captions[window] != reference.captions[window]:
        ways.append(_caption(trace, window, texts) or "no direction")
    if trace.gate.sent[window] != reference.gate.sent[window]:
        ways.append("sends" if trace.gate.sent[window] else "stays silent")
    return ways


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar of a chart made of boxes."""

    css: str
    name: str
    text: str
    percent: float
    envelope_percent: float = 0.0


def _layers(comparison: Comparison) -> list[tuple[str, list[_Bar]]]:
    errors = [layer.relative for target in comparison.targets for layer in target.layers]
    span = math.log10(max([1.0, *errors]) / FAINTEST_ERROR)
    groups = []
    for i, layer in enumerate(comparison.network.layers):
        bars = [
            _error_bar(comparison, target, i, series(k), span)
            for k, target in enumerate(comparison.targets)
            if i < len(target.layers)
        ]
        kind = f"{layer.fan_in} to {layer.channels}" + (f" at {layer.positions} positions" if layer.patches else "")
        kind += f", {len(comparison.features) * layer.d_out:,} sums"
        groups.append((f"Layer {i}: {kind}", bars))
    return groups


def _differing(error: LayerError, *, last: bool) -> str:
    """Say how many values differ; the last layer has no activations: its sums, with the bias, are the outputs."""
    sums, after = error.accumulators_differing, error.activations_differing
    if last and sums == after:
        return f"{count(sums, 'sum')} differ"
    return f"{count(sums, 'sum')} and {count(after, 'output' if last else 'activation')} differ"


def _error_bar(comparison: Comparison, target: TargetComparison, layer: int, css: str, span: float) -> _Bar:
    error = target.layers[layer]
    if not error.differing:
        return _Bar(css, target.trace.target, "identical", 0.0)
    share = math.log10(max(error.relative, FAINTEST_ERROR) / FAINTEST_ERROR) / span
    last = layer == len(comparison.network.layers) - 1
    text = f"{100 * error.relative:.2g} %, {_differing(error, last=last)}"
    return _Bar(css, target.trace.target, text, max(100 * share, 0.5))


def _bytes(comparison: Comparison) -> list[_Bar]:
    n, d_out = len(comparison.features), comparison.network.d_out
    every = max(n * d_out * 4, *(trace.wire.wire_bytes for trace in comparison.traces))
    bars = [_Bar("plain", "every window, float32", bytes_text(n * d_out * 4), 100.0 * n * d_out * 4 / every)]
    for k, trace in enumerate(comparison.traces):
        wire = trace.wire
        text = f"{bytes_text(wire.wire_bytes)} in {wire.packets} packets"
        share = 100.0 * wire.vector_bytes / every
        bars.append(_Bar(series(k - 1), trace.target, text, share, 100.0 * wire.wire_bytes / every - share))
    return bars


def _telemetry(comparison: Comparison) -> list[tuple[str, str, list[Trace]]]:
    """Return tables by where their figures come from; a figure of one source is never beside one of another."""
    tables = [
        (title, unit, [trace for trace in comparison.traces if trace.telemetry.time_source == source])
        for source, (title, unit) in TIME_SOURCES.items()
    ]
    tables += [
        (title, "J", [trace for trace in comparison.traces if trace.telemetry.energy_source == source])
        for source, title in ENERGY_SOURCES.items()
    ]
    return [table for table in tables if table[2]]
