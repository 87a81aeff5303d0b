"""The benchmark of the camera model: what it promises to print, and that its peer answers like v2e."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.camera import CameraParameters
from experiments.bench import events_camera
from experiments.bench.v2e_frames import FrameAlgorithm
from hil.types import Geometry


def test_peer_gives_whole_thresholds_at_shared_times():
    algorithm = FrameAlgorithm(Geometry(2, 1), CameraParameters.ideal(), seed=0)
    algorithm.see(np.full((1, 2), 0.2), 0)
    events = algorithm.see(np.array([[0.2 * np.exp(0.7), 0.2 * np.exp(-0.5)]]), 30_000)
    assert events.t.tolist() == [10_000, 10_000, 20_000, 20_000, 30_000]
    assert events.x.tolist() == [0, 1, 0, 1, 0]
    assert events.p.tolist() == [True, False, True, False, True]


@pytest.mark.slow
def test_benchmark_rows_say_who_was_compared(monkeypatch):
    monkeypatch.setattr(events_camera, "N_FRAMES", 6)
    monkeypatch.setattr(events_camera, "N_FRAMES_PEER", 3)
    seen = []
    rows = events_camera.run(on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2, 2)
    assert [row["target"] for row in rows] == [None, 1.0] * 2
    for row in rows:
        assert set(row) == {"name", "ours", "peer", "peer_name", "ratio", "target"}
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
        assert row["ours"] > 0
