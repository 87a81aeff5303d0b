"""How fast the camera model is: a natural image panned at 346 x 260 with noise on, against v2e's algorithm in numpy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from emulators.camera import Camera, CameraParameters, Frame
from emulators.scenes.panorama import Panorama
from experiments.bench.v2e_frames import FrameAlgorithm
from hil.progress import OnProgress, ignore_progress
from hil.types import EventBatch, Geometry

__all__ = ["run"]

GEOMETRY = Geometry(346, 260)
PARAMETERS = CameraParameters(shot_noise_rate_hz=5.0)
SPEEDS_PX_S = (150.0, 600.0)
N_FRAMES = 60
N_FRAMES_PEER = 12
TARGET_MS = 2.5


def run(on_progress: OnProgress = ignore_progress) -> list[dict[str, Any]]:
    """Return a row for each speed of the image: milliseconds a frame, sorting included, one thread.

    ``ours`` and ``peer`` are medians over frames; ``target`` is the most that ours may take.
    """
    rows = []
    total = len(SPEEDS_PX_S)
    for i, speed_px_s in enumerate(SPEEDS_PX_S):
        on_progress(i, total)
        rows.append(_row(speed_px_s))
    on_progress(total, total)
    return rows


def _row(speed_px_s: float) -> dict[str, Any]:
    scene = Panorama(GEOMETRY, duration_s=(N_FRAMES - 1) / 1000, speed_px_s=speed_px_s)
    frames = list(scene.frames())
    camera = Camera(GEOMETRY, PARAMETERS)
    _milliseconds(camera.expose().see, frames[:3])  # compiles, or loads what was compiled
    ours_ms, n_events = _milliseconds(camera.expose().see, frames)
    peer_ms, _ = _milliseconds(FrameAlgorithm(GEOMETRY, PARAMETERS, seed=0).see, frames[:N_FRAMES_PEER])
    return {
        "name": f"camera 346x260 with noise, {n_events:.0f} events a frame [ms/frame]",
        "ours": ours_ms,
        "peer": peer_ms,
        "peer_name": "v2e's frame algorithm in numpy",
        "ratio": peer_ms / ours_ms,
        "target": TARGET_MS,
    }


def _milliseconds(see: Callable[..., EventBatch], frames: list[Frame]) -> tuple[float, float]:
    """Return the median time and the mean number of events a frame, after the first."""
    see(frames[0].luminance, frames[0].t_us)
    taken_s, counts = [], []
    for frame in frames[1:]:
        start_s = time.perf_counter()
        events = see(frame.luminance, frame.t_us)
        taken_s.append(time.perf_counter() - start_s)
        counts.append(len(events))
    return float(np.median(taken_s)) * 1e3, float(np.mean(counts))
