"""The benchmark of readers: rows for whole recordings with a target, rows for chunks without, from the same files."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.bench import events_formats


@pytest.mark.slow
def test_rows_compare_like_with_like(monkeypatch):
    for peer in ("aedat", "expelliarmus", "faery"):
        pytest.importorskip(peer)
    monkeypatch.setattr(events_formats, "TURNS", 1)
    rows = events_formats.run(n_events=20_000)
    asked = {row["name"].split(" [")[0]: row["target"] for row in rows}
    assert asked == {
        "AEDAT4 LZ4 to arrays": 2,
        "EVT2 to arrays": 3,
        "EVT3 to arrays, exact": 8,
        "DAT to arrays": 5,
        "EVT2 in chunks": None,
        "EVT3 in chunks, exact": None,
        "DAT in chunks": None,
    }
    assert all(row["ratio"] == pytest.approx(row["ours"] / row["peer"]) for row in rows)


def test_events_of_the_benchmark_share_times_and_rows_as_a_camera_reads_them_out(tmp_path):
    events = events_formats._events(200_000)
    path = tmp_path / "a.raw"
    events_formats._as_cameras_write(path, [events], events_formats.GEOMETRY)
    blob = path.read_bytes()
    words = np.frombuffer(blob[blob.index(b"% end\n") + 6 :], "<u2")
    shares = np.bincount(words >> 12, minlength=16) / len(words)
    recorded = {
        0: 0.193,
        2: 0.639,
        3: 0.034,
        4: 0.069,
        5: 0.034,
        6: 0.029,
        8: 0.002,
    }  # of the recording's 308,943 words
    assert shares == pytest.approx([recorded.get(kind, 0.0) for kind in range(16)], abs=0.02)
