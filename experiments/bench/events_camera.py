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
ALLOWED_MS = 2.5


def run(on_progress: OnProgress = ignore_progress) -> list[dict[str, Any]]:
    """Return two rows for each speed of the image: milliseconds a frame, against v2e and against what we allow.

    Sorting is included, and everything runs on one thread. ``ours`` and ``peer`` are medians over frames.
    """
    rows = []
    total = len(SPEEDS_PX_S)
    for i, speed_px_s in enumerate(SPEEDS_PX_S):
        on_progress(i, total)
        rows += _rows(speed_px_s)
    on_progress(total, total)
    return rows


def _rows(speed_px_s: float) -> list[dict[str, Any]]:
    scene = Panorama(GEOMETRY, duration_s=(N_FRAMES - 1) / 1000, speed_px_s=speed_px_s)
    frames = list(scene.frames())
    camera = Camera(GEOMETRY, PARAMETERS)
    _milliseconds(camera.expose().see, frames[:3])  # compiles, or loads what was compiled
    ours_ms, n_events = _milliseconds(camera.expose().see, frames)
    peer_ms, _ = _milliseconds(FrameAlgorithm(GEOMETRY, PARAMETERS, seed=0).see, frames[:N_FRAMES_PEER])
    name = f"camera 346x260 with noise, {n_events:.0f} events a frame [ms/frame]"
    return [
        _row(name, ours_ms, peer_ms, "v2e's frame algorithm in numpy", target=None),
        _row(name, ours_ms, ALLOWED_MS, "the most we allow, sorting included", target=1.0),
    ]


def _row(name: str, ours_ms: float, peer_ms: float, peer_name: str, *, target: float | None) -> dict[str, Any]:
    ratio = peer_ms / ours_ms
    return {"name": name, "ours": ours_ms, "peer": peer_ms, "peer_name": peer_name, "ratio": ratio, "target": target}


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
