"""The camera's rates against v2e's published model: contrast, light, bandwidth, leak, noise, mismatch, dead time.

Tolerances are four standard errors of the counts behind a figure, plus what the two models differ by on purpose.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulators.camera import Camera, CameraParameters, FunctionScene
from experiments.bench.v2e_frames import FrameAlgorithm
from hil.types import EventBatch, Geometry

GEOMETRY = Geometry(64, 48)
N_PIXELS = 64 * 48
IDEAL = CameraParameters.ideal()
V2E = json.loads((Path(__file__).parents[2] / "golden" / "camera" / "v2e_rates.json").read_text())


def record(function, parameters, *, duration_s=1.0, frames_per_s=1000.0, geometry=GEOMETRY) -> EventBatch:
    scene = FunctionScene(function, geometry, duration_s, frames_per_s)
    return Camera(geometry, parameters, seed=11).record(scene.frames())


def record_with_v2e(function, parameters, *, duration_s=1.0, frames_per_s=1000.0) -> EventBatch:
    scene = FunctionScene(function, GEOMETRY, duration_s, frames_per_s)
    algorithm = FrameAlgorithm(GEOMETRY, parameters, seed=12)
    return EventBatch.concatenate([algorithm.see(frame.luminance, frame.t_us) for frame in scene.frames()])


def constant(grey: float):
    return lambda _: np.full((GEOMETRY.height, GEOMETRY.width), grey / 255.0)


def grating(contrast: float, *, speed_px_s: float = 40.0, period_px: float = 16.0, mean: float = 0.5):
    columns = np.arange(GEOMETRY.width)

    def picture(t_s: float):
        wave = 1 + contrast * np.sin(2 * np.pi * (columns - speed_px_s * t_s) / period_px)
        return np.broadcast_to(mean * wave, (GEOMETRY.height, GEOMETRY.width))

    return picture


def flicker(frequency_hz: float, grey: float, depth: float):
    """Log intensity that swings by ``depth`` either way."""
    return lambda t_s: np.full(
        (GEOMETRY.height, GEOMETRY.width), grey / 255 * math.exp(depth * math.sin(2 * math.pi * frequency_hz * t_s))
    )


@pytest.mark.parametrize("contrast", ["0.15", "0.3", "0.6", "0.9"])
@pytest.mark.parametrize("recorder", [record, record_with_v2e])
def test_event_rate_against_contrast_is_v2e(contrast, recorder):
    parameters = CameraParameters(refractory_us=0.0, leak_rate_hz=0.0, shot_noise_rate_hz=0.0)
    events = recorder(grating(float(contrast)), parameters)
    published = V2E["contrast"][contrast]
    assert events.p.sum() / N_PIXELS == pytest.approx(published["on_hz"], rel=0.03)
    assert (~events.p).sum() / N_PIXELS == pytest.approx(published["off_hz"], rel=0.03)


def test_event_rate_against_contrast_follows_log_swing_over_threshold():
    rates = {}
    for contrast in (0.3, 0.6, 0.9):
        swing = 2 * math.log((1 + contrast) / (1 - contrast))  # up and down, each period
        events = record(grating(contrast, mean=1.0), IDEAL, duration_s=2.0)
        rates[contrast] = len(events) / N_PIXELS / (2.0 * 40 / 16) / (swing / 0.2)
    # a swing that is no multiple of the threshold leaves up to one event of either polarity unmade
    assert all(0.7 < rate <= 1.0 for rate in rates.values()), rates


@pytest.mark.parametrize("grey", ["0.0", "60.0", "127.0", "255.0"])
@pytest.mark.parametrize(("recorder", "frames_per_s"), [(record, 100.0), (record_with_v2e, 1000.0)])
def test_shot_noise_rate_against_light_is_v2e(grey, recorder, frames_per_s):
    parameters = CameraParameters(shot_noise_rate_hz=5.0, leak_rate_hz=0.0, refractory_us=0.0)
    events = recorder(constant(float(grey)), parameters, duration_s=3.0, frames_per_s=frames_per_s)
    for polarity, name in ((True, "on_hz"), (False, "off_hz")):
        published_hz = V2E["light"][grey][name]
        both_counts = 4 * math.sqrt(2 * published_hz / N_PIXELS / 3.0)
        same_pixels = 0.01  # either model draws thresholds of its own, and the rate goes with their inverse
        rate_hz = (events.p == polarity).sum() / N_PIXELS / 3.0
        assert rate_hz == pytest.approx(published_hz, abs=both_counts + same_pixels * published_hz)


def test_shot_noise_is_poisson_in_time_and_different_in_each_take():
    parameters = replace(IDEAL, shot_noise_rate_hz=5.0)
    camera = Camera(GEOMETRY, parameters, seed=1)
    frames = list(FunctionScene(constant(0.0), GEOMETRY, 2.0, 50.0).frames())
    first, second = camera.record(frames), camera.record(frames, take=1)
    assert not np.array_equal(first.t[:100], second.t[:100])
    counts = np.bincount(first.t // 5000, minlength=400)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=4 * math.sqrt(2 / 400))


@pytest.mark.parametrize("leak_rate_hz", ["0.5", "2.0"])
def test_leak_rate_is_v2e(leak_rate_hz):
    parameters = replace(IDEAL, leak_rate_hz=float(leak_rate_hz), leak_spread_decades=0.1, threshold_mismatch=0.03)
    events = record(constant(127.0), parameters, duration_s=10.0, frames_per_s=100.0)
    unspent_hz = 0.5 / 10.0  # v2e's pixels start without a leak behind them: half an event each is never made
    published_hz = V2E["leak"][leak_rate_hz]["on_hz"]
    assert events.p.all()
    assert len(events) / N_PIXELS / 10.0 == pytest.approx(published_hz + unspent_hz, rel=0.03)


def test_leak_makes_on_events_at_its_rate_whatever_the_threshold():
    for threshold in (0.1, 0.4):
        parameters = replace(
            CameraParameters(), threshold_on=threshold, leak_rate_hz=2.0, shot_noise_rate_hz=0.0, cutoff_hz=0.0
        )
        events = record(constant(127.0), parameters, duration_s=3.0, frames_per_s=100.0)
        spread = math.exp((0.1 * math.log(10)) ** 2 / 2)  # mean of a log-normal spread of 0.1 decades
        assert events.p.all()
        assert len(events) / N_PIXELS / 3.0 == pytest.approx(2.0 * spread, rel=0.02)


def _swing(events: EventBatch) -> float:
    """Return the swing of log intensity that the pixels reported, from the ON events of each period."""
    return 0.02 * events.p.sum() / N_PIXELS


@pytest.mark.parametrize(("grey", "cutoff_hz"), [(255.0, 100.0), (117.5, 50.0), (35.0, 20.0)])
def test_photoreceptor_passes_seventy_percent_at_its_cutoff(grey, cutoff_hz):
    parameters = replace(IDEAL, threshold_on=0.02, threshold_off=0.02, cutoff_hz=100.0)
    bright = record(flicker(cutoff_hz, grey, 0.1), parameters, duration_s=50 / cutoff_hz, frames_per_s=40 * cutoff_hz)
    still = record(flicker(0.05 * cutoff_hz, grey, 0.1), parameters, duration_s=200 / cutoff_hz, frames_per_s=200)
    gain = (_swing(bright) / 50) / (_swing(still) / 10)
    assert gain == pytest.approx(math.sqrt(0.5), abs=0.06)  # one threshold is a tenth of the swing


def test_thresholds_spread_as_wide_as_the_mismatch():
    parameters = replace(IDEAL, threshold_mismatch=0.03)
    ramp = lambda t_s: np.full((GEOMETRY.height, GEOMETRY.width), 0.1 * math.exp(2.0 * t_s))  # noqa: E731
    events = record(ramp, parameters)
    first_us = np.full(N_PIXELS, -1)
    pixel = events.y.astype(np.int64) * GEOMETRY.width + events.x
    first_us[pixel[::-1]] = events.t[::-1]
    thresholds = first_us * 1e-6 * 2.0
    assert thresholds.mean() == pytest.approx(0.2, abs=4 * 0.03 / math.sqrt(N_PIXELS) + 1e-5)
    assert thresholds.std() == pytest.approx(0.03, rel=4 / math.sqrt(2 * N_PIXELS))


def test_no_pixel_fires_twice_within_its_refractory_period():
    parameters = replace(CameraParameters(), refractory_us=2000.0, shot_noise_rate_hz=50.0)
    events = record(grating(0.9, speed_px_s=2000.0), parameters, duration_s=0.3)
    pixel = events.y.astype(np.int64) * GEOMETRY.width + events.x
    order = np.lexsort((events.t, pixel))
    gaps_us = np.diff(events.t[order])[np.diff(pixel[order]) == 0]
    assert len(gaps_us) > 10_000
    assert gaps_us.min() >= 1999  # both times are rounded down


def test_hot_pixels_are_as_many_and_as_fast_as_asked():
    parameters = replace(IDEAL, hot_pixel_share=0.02, hot_pixel_rate_hz=100.0)
    events = record(constant(127.0), parameters)
    counts = np.bincount(events.y.astype(np.int64) * GEOMETRY.width + events.x, minlength=N_PIXELS)
    hot = counts > 0
    assert hot.sum() == pytest.approx(0.02 * N_PIXELS, abs=4 * math.sqrt(0.02 * N_PIXELS))
    assert np.abs(counts[hot] - 100).max() <= 1


def test_moving_edge_is_seen_at_its_own_microsecond_although_frames_are_ten_milliseconds_apart():
    """A smooth edge moves at 200 px/s: each column must see it 5 ms after the one before, not at the frames' times."""
    columns = np.arange(GEOMETRY.width)

    def edge(t_s: float):
        log_light = np.clip((200 * t_s - columns) / 8, 0, 1)  # rises by e over 8 columns, or 40 ms
        return np.broadcast_to(0.1 * np.exp(log_light), (GEOMETRY.height, GEOMETRY.width))

    events = record(edge, IDEAL, duration_s=0.3, frames_per_s=100.0)
    second = [events.t[(events.x == column) & (events.y == 0)][1] for column in range(5, 50)]
    assert np.abs(np.array(second) - (columns[5:50] * 5000 + 0.4 * 40_000)).max() < 600
    assert len(np.unique(events.t)) > 50


def test_same_light_gives_same_events_at_any_frame_rate():
    parameters = replace(CameraParameters(), shot_noise_rate_hz=0.0, leak_rate_hz=0.0)
    counts = [len(record(grating(0.6), parameters, frames_per_s=rate)) for rate in (250.0, 500.0, 1000.0, 4000.0)]
    assert max(counts) / min(counts) < 1.02
