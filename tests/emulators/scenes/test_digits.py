"""Emulated digits against real N-MNIST recordings: one network has to serve both."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from emulators.scenes import digits
from hil.types import EventBatch


@pytest.fixture(scope="module")
def emulated() -> list[EventBatch]:
    pytest.importorskip("sklearn")
    images, _ = digits.handwriting()
    return [digits.recording(images[i], seed=int(i)) for i in range(0, digits.HELD_OUT_FROM, 53)]


@pytest.fixture
def real(shared_data) -> list[EventBatch]:
    with zipfile.ZipFile(shared_data / "events" / "nmnist_1000.zip") as archive:
        return [_decode(archive.read(f"{i}.bs2")) for i in range(1, 201)]


def _decode(blob: bytes) -> EventBatch:
    raw = np.frombuffer(blob, np.uint8).reshape(-1, 5).astype(np.int64)
    t = (raw[:, 2] & 127) << 16 | raw[:, 3] << 8 | raw[:, 4]
    return EventBatch(t, raw[:, 0].astype(np.uint16), raw[:, 1].astype(np.uint16), (raw[:, 2] >> 7).astype(np.bool_))


def _mean(recordings, figure) -> float:
    return float(np.mean([figure(events) for events in recordings]))


def _rate(events) -> np.ndarray:
    return np.histogram(events.t, 21, (0, digits.DURATION_US))[0]


def _active_pixels(events) -> int:
    return len(np.unique(events.y.astype(np.int64) * 34 + events.x))


def test_recording_lasts_as_long_and_covers_as_much_as_nmnist(emulated, real):
    assert _mean(emulated, len) == pytest.approx(_mean(real, len), rel=0.12)
    assert _mean(emulated, _active_pixels) == pytest.approx(_mean(real, _active_pixels), rel=0.12)
    assert _mean(emulated, lambda e: e.p.mean()) == pytest.approx(_mean(real, lambda e: e.p.mean()), abs=0.02)
    for axis in "xy":
        assert _mean(emulated, lambda e, a=axis: getattr(e, a).mean()) == pytest.approx(
            _mean(real, lambda e, a=axis: getattr(e, a).mean()), abs=1.0
        )


def test_event_rate_over_time_follows_nmnist_saccades(emulated, real):
    ours, theirs = (np.mean([_rate(e) for e in recordings], axis=0) for recordings in (emulated, real))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97


def test_frames_look_like_nmnist_frames_of_the_same_moment(emulated, real):
    def mean_frames(recordings):
        bins = [np.minimum(e.t // 35_000, 8) * 2 + e.p for e in recordings]
        frames = [
            np.histogramdd((b, e.y, e.x), (18, 17, 17), ((0, 18), (0, 34), (0, 34)))[0]
            for b, e in zip(bins, recordings, strict=True)
        ]
        return np.mean(frames, axis=0).ravel()

    assert np.corrcoef(mean_frames(emulated), mean_frames(real))[0, 1] > 0.85


def test_recording_of_same_seed_is_same_and_style_varies_with_seed(emulated):
    images, _ = digits.handwriting()
    first, again, other = (digits.recording(images[0], seed=s) for s in (0, 0, 1))
    assert np.array_equal(first.t, again.t)
    assert len(first) != len(other)
