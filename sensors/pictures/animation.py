"""Draws a stretch as a short animation, in slow motion where it is short."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hil.progress import OnProgress, ignore_progress
from hil.types import Int64Array
from sensors.pictures.colour import paint
from sensors.pictures.exposure import SHUTTER_US, expose, full_scale
from sensors.pictures.stretch import Stretch

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SUFFIXES", "draw_animation"]

SUFFIXES = {".gif": "GIF", ".apng": "PNG"}
FRAME_MS = 40
FEWEST_FRAMES, MOST_FRAMES = 40, 150
FRAME_US = 10_000
NARROWEST, WIDEST = 320, 640
FOOT = 16  # pixels below the picture, for the time and how far it is
INK, LINE = (60, 60, 60), (200, 200, 200)


def draw_animation(stretch: Stretch, path: Path, *, on_progress: OnProgress = ignore_progress) -> int:
    """Write an animation and return how many frames it has; the suffix of the path chooses the format."""
    span_us = stretch.end_us - stretch.start_us
    n_frames = max(FEWEST_FRAMES, min(MOST_FRAMES, span_us // FRAME_US))
    starts_us = stretch.start_us + span_us * np.arange(n_frames, dtype=np.int64) // n_frames
    exposure_us = max(1, -(-span_us // n_frames), min(SHUTTER_US, span_us // 10))
    full = full_scale([expose(stretch, int(t), int(t) + exposure_us) for t in starts_us[:: n_frames // 8]])
    frames = []
    for k, start_us in enumerate(starts_us):
        frames.append(_frame(stretch, expose(stretch, int(start_us), int(start_us) + exposure_us), int(start_us), full))
        on_progress(k + 1, n_frames)
    still, *rest = frames
    options = {"save_all": True, "append_images": rest, "duration": FRAME_MS, "loop": 0}
    still.save(path, format=SUFFIXES[path.suffix.lower()], **options)
    return n_frames


def _frame(stretch: Stretch, counts: Int64Array, start_us: int, full: float) -> Image:
    from PIL import Image, ImageDraw

    picture = _scaled(paint(counts, full=full))
    height, width = picture.shape[:2]
    canvas = Image.new("RGB", (width, height + FOOT), "white")
    canvas.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(canvas)
    done = (start_us - stretch.start_us) / max(1, stretch.end_us - stretch.start_us)
    draw.line([(0, height), (width, height)], fill=LINE)
    draw.line([(0, height), (round(done * width), height)], fill=INK, width=2)
    draw.text((4, height + 3), f"{(start_us - stretch.first_us) / 1e3:,.1f} ms", fill=INK)
    return canvas.quantize(64)


def _scaled(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Repeat the pixels of a small sensor, average those of a large one."""
    height, width = picture.shape[:2]
    if width <= NARROWEST:
        times = -(-NARROWEST // width)
        return picture.repeat(times, axis=0).repeat(times, axis=1)
    side = -(-width // WIDEST)
    if side == 1:
        return picture
    trimmed = picture[: height // side * side, : width // side * side]
    blocks = trimmed.reshape(height // side, side, width // side, side, 3)
    averaged: npt.NDArray[np.uint8] = blocks.mean(axis=(1, 3)).astype(np.uint8)
    return averaged
