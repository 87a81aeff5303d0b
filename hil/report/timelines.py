"""Figures over the stream's time: how far each target is, what each gate did, what each receiver believes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from hil.compare import Comparison
from hil.loop import Trace
from hil.report.svg import Frame, Scale, join, polyline, series, svg
from hil.types import Float64Array, Int64Array
from hil.words import clipped

__all__ = ["belief_figure", "distance_figure", "gate_figure", "seconds"]

WIDTH = 1040
MOST_POINTS = 500
MOST_DOTS = 120
NAMES_WIDTH = 200
CHARACTER_WIDTH = 6.6
NAME_LEFT = 16
LONGEST_NAME = int((NAMES_WIDTH - NAME_LEFT - 20) / CHARACTER_WIDTH)  # with room before the first mark
NAME_LINE = 13
LONGEST_CAPTION = 20
NARROWEST_BOX = 11
TALL_ROW, LOW_ROW = 56, 30
MARK_HALF = 7
SMALLEST_DISTANCE = 1e-9  # of unit float32 vectors; less is their rounding
ZERO_GAP = 0.6  # decades between the smallest distance and the line of zero


def distance_figure(comparison: Comparison) -> Markup:
    """Return each target's cosine distance to the reference, window by window, with the gate's threshold.

    Distances run over decades, so the axis is logarithmic; an exact zero has a line of its own at the bottom.
    """
    frame = Frame(WIDTH, 290)
    middles_s = _middles_s(comparison)
    distances = [1.0 - target.agreement.cosine for target in comparison.targets]
    floor, top = _decades(distances)
    x, y = _time_scale(frame, comparison), frame.y(floor - ZERO_GAP, top)
    parts = [_decade_axis(frame, y, floor, top), frame.x_axis(x, "seconds since the first window")]
    if comparison.gate_threshold > 0:
        parts.append(_threshold_line(frame, y(math.log10(comparison.gate_threshold)), comparison.gate_threshold))
    parts += [_distance_line(k, middles_s, distance, x, y, floor) for k, distance in enumerate(distances)]
    return svg(frame, parts, label="Cosine distance of each target's embedding to the reference's over time")


def _decades(distances: Sequence[Float64Array]) -> tuple[int, float]:
    """Return the decimal exponents of the lowest and the highest distance worth showing."""
    seen = np.concatenate(distances)
    seen = seen[seen > SMALLEST_DISTANCE]
    floor = math.floor(math.log10(float(seen.min(initial=1e-2))))
    return floor, math.log10(max(1.0, float(seen.max(initial=0.0)) * 1.1))


def _decade_axis(frame: Frame, y: Scale, floor: int, top: float) -> Markup:
    rows = [(y(floor - ZERO_GAP), "0")]
    rows += [(y(exponent), f"{10.0**exponent:g}") for exponent in range(floor, math.floor(top) + 1)]
    return join(
        [
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
                '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
            ).format(frame.left, frame.width - frame.right, at, at, frame.left - 7, at + 4, text)
            for at, text in rows
        ]
    )


def _time_scale(frame: Frame, comparison: Comparison) -> Scale:
    return frame.x(0.0, seconds(comparison, int(comparison.features.t_end_us[-1])))


def seconds(comparison: Comparison, t_us: int) -> float:
    """Return seconds since the first window began."""
    return (t_us - int(comparison.features.t_start_us[0])) / 1e6


def _middles_s(comparison: Comparison) -> Float64Array:
    features = comparison.features
    first_us = features.t_start_us[0]
    middles: Float64Array = (features.t_start_us - first_us + features.t_end_us - first_us) / 2e6
    return middles


def _threshold_line(frame: Frame, at: float, threshold: float) -> Markup:
    return Markup(
        '<line class="threshold" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="tick" x="{}" y="{}" >gate threshold {}</text>'
    ).format(
        frame.left,
        frame.width - frame.right,
        at,
        at,
        frame.left + 4,
        at - 5,
        f"{threshold:.3g}",
    )


def _distance_line(k: int, times_s: Float64Array, distance: Float64Array, x: Scale, y: Scale, floor: int) -> Markup:
    def height(value: float) -> float:
        return y(math.log10(value) if value > SMALLEST_DISTANCE else floor - ZERO_GAP)

    points = [(x(t), height(d)) for t, d in _thinned(times_s, distance)]
    dots = [
        Markup('<circle class="dot {}" cx="{}" cy="{}" r="2.6"><title>{}</title></circle>').format(
            series(k), px, py, f"{t:.3f} s: {d:.4g}"
        )
        for (px, py), (t, d) in zip(points, zip(times_s, distance, strict=True), strict=False)
    ]
    return join([polyline(points, f"line {series(k)}"), *(dots if len(distance) <= MOST_DOTS else [])])


def _thinned(times: Float64Array, values: Float64Array) -> Iterator[tuple[float, float]]:
    """Yield at most 500 points: of a long stream the largest value in each stretch, which is never hidden."""
    for stretch in np.array_split(np.arange(len(values)), min(len(values), MOST_POINTS)):
        largest = stretch[np.argmax(values[stretch])]
        yield float(times[largest]), float(values[largest])


def gate_figure(comparison: Comparison) -> Markup:
    """Return one row per substrate with a mark for each window it sent, and where it differs from the reference."""
    rows = comparison.traces
    frame = Frame(WIDTH, 34 * len(rows) + 46, left=NAMES_WIDTH)
    x = _time_scale(frame, comparison)
    parts = [frame.x_axis(x, "seconds since the first window")]
    for i, trace in enumerate(rows):
        middle = frame.top + 34 * i + 17
        parts += [_row_name(trace, i - 1, middle), *_gate_marks(comparison, trace, x, middle, i - 1)]
    return svg(frame, parts, label="Which windows each gate sent")


def _row_name(trace: Trace, k: int, middle: float) -> Markup:
    """Return a target's name: what it is on one line, its options below, each as long as there is room."""
    name, mark, options = trace.target.partition("?")
    lines = [_cut(name), *([_cut(mark + options)] if options else [])]
    first = middle + 4 - NAME_LINE * (len(lines) - 1) / 2
    words = [
        Markup('<tspan x="{}" y="{:g}" class="{}">{}</tspan>').format(
            NAME_LEFT, first + NAME_LINE * i, "label" if i else "name", line
        )
        for i, line in enumerate(lines)
    ]
    return Markup(
        '<rect class="swatch {}" x="0" y="{}" width="10" height="10" rx="2"/><text>{}<title>{}</title></text>'
    ).format(series(k), first - 9, join(words), trace.target)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _gate_marks(comparison: Comparison, trace: Trace, x: Scale, middle: float, k: int) -> Iterator[Markup]:
    sent, expected = trace.gate.sent, comparison.reference.gate.sent
    yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(x.first, x.last, middle, middle)
    middles_s, drawn = _middles_s(comparison), set()
    for window in np.flatnonzero(sent | expected):
        at = x(float(middles_s[window]))
        kind = "both" if sent[window] and expected[window] else "extra" if sent[window] else "missed"
        if (round(at), kind) not in drawn:  # marks on one pixel are one mark
            drawn.add((round(at), kind))
            yield _gate_mark(kind, at, middle, int(window), series(k))


def _gate_mark(kind: str, at: float, middle: float, window: int, css: str) -> Markup:
    title = {"both": "sent", "extra": "sent, but not by the reference", "missed": "not sent, but by the reference"}[
        kind
    ]
    if kind == "both":
        shape = Markup('<line class="sent {}" x1="{}" x2="{}" y1="{}" y2="{}">').format(
            css, at, at, middle - MARK_HALF, middle + MARK_HALF
        )
        return shape + Markup("<title>window {}: {}</title></line>").format(window, title)
    tip, base = (middle - MARK_HALF - 3, middle + 2) if kind == "extra" else (middle + MARK_HALF + 3, middle - 2)
    points = f"{at:g},{tip:g} {at - 5:g},{base:g} {at + 5:g},{base:g}"
    return Markup('<polygon class="{} {}" points="{}"><title>window {}: {}</title></polygon>').format(
        kind, css, points, window, title
    )


def belief_figure(comparison: Comparison) -> Markup | None:
    """Return one row per substrate with what the receiver holds true; None without captions."""
    captions = comparison.network.captions
    if captions is None:
        return None
    rows = comparison.traces
    row_height = TALL_ROW if max(map(len, captions.texts)) > 3 else LOW_ROW
    frame = Frame(WIDTH, (row_height + 6) * len(rows) + 46, left=NAMES_WIDTH)
    x = _time_scale(frame, comparison)
    parts = [frame.x_axis(x, "seconds since the first window")]
    for i, trace in enumerate(rows):
        top = frame.top + (row_height + 6) * i
        parts.append(_row_name(trace, i - 1, top + row_height / 2))
        parts += _belief_segments(comparison, trace, x, (top, row_height), i - 1, captions.texts)
    return svg(frame, parts, label="What each receiver holds true")


def _belief_segments(
    comparison: Comparison, trace: Trace, x: Scale, place: tuple[float, float], k: int, texts: Sequence[str]
) -> Iterator[Markup]:
    """Yield a box for each stretch of one belief and one agreement with the reference's receiver."""
    features, beliefs = comparison.features, trace.received.beliefs
    agrees = beliefs == comparison.reference.received.beliefs
    for first, last in _stretches(np.stack([beliefs, agrees.astype(np.int64)])):
        if beliefs[first] >= 0:
            left, right = (
                x(seconds(comparison, int(edge))) for edge in (features.t_start_us[first], features.t_end_us[last - 1])
            )
            css = "" if agrees[first] else f" differs {series(k)}"
            yield _belief_box(left, right, place, css, texts[int(beliefs[first])])


def _stretches(columns: Int64Array) -> Iterator[tuple[int, int]]:
    changes = np.flatnonzero((columns[:, 1:] != columns[:, :-1]).any(axis=0)) + 1
    edges = [0, *changes.tolist(), columns.shape[1]]
    yield from pairwise(edges)


def _belief_box(left: float, right: float, place: tuple[float, float], css: str, text: str) -> Markup:
    top, height = place
    box = Markup('<g><title>{}</title><rect class="belief{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>').format(
        text, css, left, top, round(max(right - left - 1, 1), 1), height
    )
    across, down = (left + right) / 2, top + height / 2
    return box + _belief_words(text, right - left, height, (across, down)) + Markup("</g>")


def _belief_words(text: str, width: float, height: float, middle: tuple[float, float]) -> Markup:
    """Return a caption's first words, across or upwards, as many as there is room for."""
    across, down = middle
    fits_across, fits_upwards = int((width - 2) / CHARACTER_WIDTH), int((height + 2) / CHARACTER_WIDTH)
    if len(clipped(text, LONGEST_CAPTION)) <= fits_across:
        return Markup('<text class="word" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            across, down + 4, clipped(text, LONGEST_CAPTION)
        )
    if width < NARROWEST_BOX:
        return Markup("")
    return Markup(
        '<text class="word" text-anchor="middle" transform="translate({:.1f} {:.1f}) rotate(-90)">{}</text>'
    ).format(across + 4, down, clipped(text, fits_upwards))
