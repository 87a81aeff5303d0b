"""How fast kernels over events are, against dv-processing and Tonic on the same stream, in one run on one thread.

The stream is a natural image panned in front of the camera model with noise on, 346 x 260. Results are checked against
the peer's before anything is timed. Times are CPU seconds, the best of several turns that alternate; arrays that a
stream would use again and again are allocated once, as ours are meant to be used.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulators.camera import CameraParameters, CameraSource
from emulators.scenes.panorama import Panorama
from experiments.bench.races import race
from hil.errors import MissingDependencyError, VerificationError
from hil.progress import OnProgress, ignore_progress
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4
from sensors.kernels.filters import denoise
from sensors.kernels.frames import to_frame, to_voxel_grid
from sensors.kernels.surfaces import to_timesurface
from sensors.structured import to_tonic

__all__ = ["run"]

GEOMETRY = Geometry(346, 260)
DURATION_S = 0.8
SPEED_PX_S = 40.0
FRAME_US = 10_000
TAU_US = 50_000
FILTER_US = 2_000
TURNS = 15
Call = Callable[[], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """One kernel and who else has it.

    Attributes:
        name: Of the row.
        ours: What we time.
        peer: What the peer does.
        peer_name: Who it is.
        target: Least ratio.
        check: Whether both give the same, computed once before.
    """

    name: str
    ours: Call
    peer: Call
    peer_name: str
    target: float
    check: Callable[[Any, Any], bool]


def run(on_progress: OnProgress = ignore_progress) -> list[dict[str, Any]]:
    """Return a row for each kernel: events per CPU microsecond of ours and of the peer, and their ratio.

    Raises:
        MissingDependencyError: A peer is not installed.
        VerificationError: Ours and the peer's results differ.
    """
    events = _events()
    contests = [*_dv_contests(events), *_tonic_contests(events)]
    rows = []
    for i, contest in enumerate(contests):
        on_progress(i, len(contests))
        rows.append(_row(contest, len(events)))
    on_progress(len(contests), len(contests))
    return rows


def _events() -> EventBatch:
    scene = Panorama(GEOMETRY, duration_s=DURATION_S, speed_px_s=SPEED_PX_S)
    return EventBatch.concatenate(list(CameraSource(scene, CameraParameters(shot_noise_rate_hz=5.0))))


def _row(contest: Contest, n_events: int) -> dict[str, Any]:
    if not contest.check(contest.ours(), contest.peer()):
        raise VerificationError(f"{contest.name}: ours and {contest.peer_name}'s results differ")
    turns = partial(_seconds, contest.ours), partial(_seconds, contest.peer)
    return race(contest, *turns, n_events=n_events, turns=TURNS)


def _seconds(call: Call) -> float:
    start_s = time.process_time()
    call()
    return time.process_time() - start_s


def _dv_contests(events: EventBatch) -> list[Contest]:
    try:
        import dv_processing as dv
    except ImportError as error:
        raise MissingDependencyError.of("dv-processing", extra="bench", purpose="hil bench events") from error
    store, size = _store(dv, events), (GEOMETRY.width, GEOMETRY.height)
    kept = _frames(events, merge=True)
    out = np.empty_like(kept)

    def count() -> list[npt.NDArray[np.uint8]]:
        accumulator = dv.EdgeMapAccumulator(size, 1 / 255, True, 0.0, 1.0)  # noqa: FBT003  (takes no keywords)
        slicer, frames = dv.EventStreamSlicer(), []

        def take(part: Any) -> None:
            accumulator.accept(part)
            frames.append(accumulator.generateFrame().image)

        slicer.doEveryTimeInterval(timedelta(microseconds=FRAME_US), take)
        slicer.accept(store)
        return frames

    def filtered() -> Any:
        noise_filter = dv.noise.BackgroundActivityNoiseFilter(size, timedelta(microseconds=FILTER_US))
        noise_filter.accept(store)
        return noise_filter.generateEvents()

    return [
        Contest(
            "10 ms count frames, both polarities, 8 bit",
            lambda: _frames(events, merge=True, out=out),
            count,
            "dv-processing EdgeMapAccumulator",
            1.3,
            lambda ours, theirs: _close_counts(ours[:, 0], np.stack(theirs)),
        ),
        Contest(
            "background-activity filter",
            lambda: denoise(events, GEOMETRY, filter_time_us=FILTER_US),
            filtered,
            "dv-processing",
            2.0,
            lambda ours, theirs: np.array_equal(_after_start(ours.t), _after_start(theirs.timestamps().ravel())),
        ),
    ]


def _store(dv: Any, events: EventBatch) -> Any:
    """Return a dv-processing store, by way of a file: its constructor takes one event at a time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.aedat4"
        aedat4.write(path, [events], GEOMETRY)
        recording, store = dv.io.MonoCameraRecording(str(path)), dv.EventStore()
        while recording.isRunning():
            batch = recording.getNextEventBatch()
            if batch is not None:
                store.add(batch)
    return store


def _after_start(times_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Leave out the start, where dv-processing takes pixels that never fired as having fired at time 0."""
    return times_us[times_us >= FILTER_US]


def _close_counts(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> bool:
    """Compare the frames both have; theirs adds up floats, so a count may be off by one."""
    n = min(len(ours), len(theirs))
    difference = np.abs(ours[:n].astype(int) - theirs[:n])
    return n > 0 and int(difference.max()) <= 1 and float(difference.mean()) < 0.01


def _frames(events: EventBatch, *, merge: bool, out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[Any]:
    return to_frame(
        events, GEOMETRY, time_window_us=FRAME_US, last="drop", merge_polarities=merge, dtype=np.uint8, out=out
    )


def _tonic_contests(events: EventBatch) -> list[Contest]:
    try:
        import tonic.functional as tonic
    except ImportError as error:
        raise MissingDependencyError.of("tonic", extra="bench", purpose="hil bench events") from error
    records, size = to_tonic(events), (GEOMETRY.width, GEOMETRY.height, 2)
    signed = records.astype([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
    frames = np.empty_like(_frames(events, merge=False))
    grid = to_voxel_grid(events, GEOMETRY, n_time_bins=10)
    surfaces = np.empty((len(frames), *frames.shape[1:]), np.float32)
    return [
        Contest(
            "10 ms count frames, each polarity",
            lambda: _frames(events, merge=False, out=frames),
            lambda: tonic.to_frame_numpy(records, size, time_window=FRAME_US),
            "Tonic",
            20.0,
            lambda ours, theirs: np.array_equal(ours[: len(theirs)], theirs),  # theirs lacks a last frame that is full
        ),
        Contest(
            "voxel grid, 10 points",
            lambda: to_voxel_grid(events, GEOMETRY, n_time_bins=10, out=grid),
            lambda: tonic.to_voxel_grid_numpy(signed, size, n_time_bins=9),  # its last point is lost: nine of ours
            "Tonic",
            8.0,
            lambda ours, theirs: np.allclose(ours[:9], theirs, atol=1e-3),
        ),
        Contest(
            "exponential surface every 10 ms",
            lambda: to_timesurface(events, GEOMETRY, dt_us=FRAME_US, tau_us=TAU_US, last="drop", out=surfaces),
            lambda: tonic.to_timesurface_numpy(records, size, dt=FRAME_US, tau=TAU_US),
            "Tonic",
            20.0,
            lambda ours, theirs: np.allclose(ours[: len(theirs)], theirs, atol=1e-6),
        ),
    ]
