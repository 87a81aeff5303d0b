"""Pictures of windows: what a camera saw, what a cochlea heard, or what the network was given of it.

ON is blue and OFF orange, which nearly everybody can tell apart (Okabe and Ito, 2008), on a ground that lets a light
or a dark page through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hil.network import FeatureSpec
from hil.ports import EventSource
from hil.report.png import UInt8Array, encode_png
from hil.types import EventBatch, FeatureBatch, Float64Array, Geometry
from hil.words import count

__all__ = ["Picture", "event_pictures", "feature_pictures", "picture_counts", "picture_events"]

ON_RGB, OFF_RGB = (0x1F, 0x86, 0xC8), (0xE0, 0x6C, 0x10)
LARGEST_SIDE = 320
RASTER_COLUMNS = 160
EARS = 2  # a geometry of at most so many rows is a cochlea: channels across, ears down
BRIGHTEST_PERCENTILE = 99.0
FAINTEST_OPACITY = 0.25


@dataclass(frozen=True, slots=True)
class Picture:
    """One window as an image.

    Attributes:
        window: Which one.
        png: The image file.
        width: Its columns.
        height: Its rows.
        about: What it shows, in words.
    """

    window: int
    png: bytes
    width: int
    height: int
    about: str


def event_pictures(
    source: EventSource, features: FeatureBatch, windows: Sequence[int], *, parts: int = 1
) -> tuple[Picture, ...]:
    """Return pictures of chosen windows, from the events themselves.

    Args:
        source: Where the windows come from; read once from its start.
        features: All windows.
        windows: Numbers of the chosen ones.
        parts: A camera's window is cut into so many equal parts and the busiest is drawn, because edges that come and
            go again cancel; a cochlea's is drawn whole.
    """
    collected = _collect(source, features, windows)
    pictures = []
    for window in windows:
        start_us, end_us = int(features.t_start_us[window]), int(features.t_end_us[window])
        if source.geometry.height > EARS:
            start_us, end_us = _busiest(collected[window], start_us, end_us, parts)
        events = collected[window].between(start_us, end_us)
        counts = picture_events(events, source.geometry, start_us=start_us, end_us=end_us)
        about = f"{count(len(events), 'event')} in {(end_us - start_us) / 1e3:g} ms"
        pictures.append(_picture(window, counts, about))
    return tuple(pictures)


def _busiest(events: EventBatch, start_us: int, end_us: int, parts: int) -> tuple[int, int]:
    """Return where the part of a window with the most events starts and ends."""
    edges = [start_us + (end_us - start_us) * i // parts for i in range(parts + 1)]
    return max(pairwise(edges), key=lambda part: len(events.between(*part)))


def _collect(source: EventSource, features: FeatureBatch, windows: Sequence[int]) -> Mapping[int, EventBatch]:
    pieces: dict[int, list[EventBatch]] = {window: [] for window in windows}
    for batch in source:
        for window, found in pieces.items():
            part = batch.between(int(features.t_start_us[window]), int(features.t_end_us[window]))
            if len(part):
                found.append(part)
    return {window: EventBatch.concatenate(found) for window, found in pieces.items()}


def feature_pictures(features: FeatureBatch, spec: FeatureSpec, windows: Sequence[int]) -> tuple[Picture, ...]:
    """Return pictures of chosen windows, from what the network was given."""
    pictures = []
    for window in windows:
        bins = features.features[window].astype(np.float64)
        counts = bins.reshape(spec.time_bins, 2, spec.height, spec.width)
        shown = _raster_of_bins(counts) if spec.height <= EARS else counts.sum(axis=0)
        pictures.append(
            _picture(window, shown, f"{count(int(features.n_events[window]), 'event')} as the network sees them")
        )
    return tuple(pictures)


def _raster_of_bins(counts: Float64Array) -> Float64Array:
    """Return (2, ears * channels, bins) of (bins, 2, ears, channels): time runs to the right, channel 0 at the top."""
    bins = counts.shape[0]
    return counts.transpose(1, 2, 3, 0).reshape(2, -1, bins)


def picture_events(events: EventBatch, geometry: Geometry, *, start_us: int, end_us: int) -> Float64Array:
    """Return (2, rows, columns) counts of OFF and ON events, for a picture of at most 320 pixels a side.

    A camera is drawn as it sees. A sensor of one or two rows is a cochlea: time runs to the right, channels run down,
    one ear below the other.
    """
    if geometry.height <= EARS:
        column = (events.t - start_us) * RASTER_COLUMNS // max(end_us - start_us, 1)
        row = events.y.astype(np.int64) * geometry.width + events.x
        width, height = RASTER_COLUMNS, geometry.width * geometry.height
    else:
        column, row = events.x.astype(np.int64), events.y.astype(np.int64)
        width, height = geometry.width, geometry.height
    step = -(-max(width, height) // LARGEST_SIDE)
    counts = np.zeros((2, -(-height // step), -(-width // step)))
    np.add.at(counts, (events.p.astype(np.int64), row // step, column // step), 1.0)
    return counts


def picture_counts(counts: Float64Array) -> UInt8Array:
    """Return (rows, columns, 4) colours of (2, rows, columns) counts of OFF and ON events.

    A pixel has the colour of its majority, and the larger that is the less transparent.
    """
    majority = counts[1] - counts[0]
    size = np.abs(majority)
    bright = max(float(np.percentile(size[size > 0], BRIGHTEST_PERCENTILE)), 1.0) if size.any() else 1.0
    colour = np.where((majority > 0)[..., None], np.array(ON_RGB), np.array(OFF_RGB))
    opacity = FAINTEST_OPACITY + (1 - FAINTEST_OPACITY) * np.minimum(size / bright, 1.0)
    pixels = np.concatenate([colour, 255 * np.where(size > 0, opacity, 0.0)[..., None]], axis=2)
    image: UInt8Array = np.rint(pixels).astype(np.uint8)
    return image


def _picture(window: int, counts: Float64Array, about: str) -> Picture:
    pixels = picture_counts(counts)
    return Picture(int(window), encode_png(pixels), pixels.shape[1], pixels.shape[0], about)
