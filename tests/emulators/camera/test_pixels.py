"""The pixel model against what can be worked out with a pencil, and against its own promises."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.camera import Camera, CameraParameters
from hil.errors import InvalidValueError
from hil.types import Geometry

ONE = Geometry(1, 1)
SMALL = Geometry(32, 24)
IDEAL = CameraParameters.ideal()


def ramp(start: float, stop: float, *, duration_us: int = 100_000, steps: int = 1, geometry: Geometry = ONE):
    """Light whose logarithm moves evenly, as frames."""
    shape = (geometry.height, geometry.width)
    for i in range(steps + 1):
        share = i / steps
        yield round(duration_us * share), np.full(shape, start * (stop / start) ** share)


def busy_frames(n: int = 20, *, dt_us: int = 1000):
    rng = np.random.default_rng(5)
    texture = rng.random((SMALL.height, SMALL.width + n)) * 0.9 + 0.05
    return [(i * dt_us, texture[:, i : i + SMALL.width]) for i in range(n)]


def test_ramp_of_log_intensity_fires_at_evenly_spaced_microseconds():
    events = Camera(ONE, IDEAL).record(ramp(0.1, 0.1 * math.exp(0.9)))
    expected = [100_000 * 0.2 * k / 0.9 for k in (1, 2, 3, 4)]
    assert np.abs(events.t - expected).max() <= 1.5
    assert events.p.all()


@given(
    low=st.floats(0.1, 0.9),
    high=st.floats(0.1, 0.9),
    steps=st.integers(1, 20),
    theta=st.sampled_from([0.1, 0.17, 0.3]),
)
def test_event_count_follows_log_contrast_however_often_it_is_looked_at(low, high, steps, theta):
    parameters = replace(IDEAL, threshold_on=theta, threshold_off=theta)
    events = Camera(ONE, parameters).record(ramp(low, high, steps=steps))
    crossings = abs(math.log(high / low)) / theta
    assert math.floor(crossings - 1e-3) <= len(events) <= math.floor(crossings + 1e-3)
    assert (events.p == (high > low)).all()


def test_refractory_pixel_memorises_the_level_it_is_released_at():
    parameters = replace(IDEAL, refractory_us=5000.0)  # as long as the light needs to rise by one threshold
    events = Camera(ONE, parameters).record(ramp(0.1, 0.1 * math.exp(2.0), duration_us=50_000, steps=33))
    assert np.abs(events.t - [5000, 15_000, 25_000, 35_000, 45_000]).max() <= 2


def test_events_are_in_order_and_inside_their_frame_interval():
    exposure = Camera(SMALL, CameraParameters(), seed=3).expose()
    frames = busy_frames()
    exposure.see(frames[0][1], 0)
    for t_us, picture in frames[1:]:
        batch = exposure.see(picture, t_us)
        assert len(batch)
        assert (np.diff(batch.t) >= 0).all()
        assert t_us - 1000 <= batch.t[0]
        assert batch.t[-1] < t_us


@pytest.mark.parametrize("dt_us", [1, 700, 2048, 5_000_000])
def test_interval_of_any_length_is_sorted(dt_us):
    events = Camera(SMALL, IDEAL).record(busy_frames(6, dt_us=dt_us))
    assert len(events) > 1000
    assert (np.diff(events.t) >= 0).all()


def test_same_seed_gives_same_events_and_another_seed_does_not():
    first, again, other = (Camera(SMALL, seed=s).record(busy_frames()) for s in (1, 1, 2))
    assert all(np.array_equal(getattr(first, c), getattr(again, c)) for c in "txyp")
    assert not np.array_equal(first.t, other.t)


def test_byte_picture_equals_float_picture_of_same_light():
    levels = np.random.default_rng(1).integers(0, 256, (5, 24, 32), dtype=np.uint8)
    camera = Camera(SMALL, IDEAL)
    from_bytes = camera.record([(i * 1000, level) for i, level in enumerate(levels)])
    from_floats = camera.record([(i * 1000, level / 255.0) for i, level in enumerate(levels)])
    assert abs(len(from_bytes) - len(from_floats)) <= 2
    assert np.isin(from_bytes.t, from_floats.t).mean() > 0.99


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.zeros((3, 2)), "must be \\(1, 1\\)"),
        (np.zeros((1, 1), np.int64), "uint8 or floating"),
        (np.full((1, 1), -0.1), "0 or more"),
        (np.full((1, 1), np.nan), "finite"),
        (np.full((1, 1), np.inf), "finite"),
    ],
)
def test_picture_that_is_none_is_refused(picture, says):
    with pytest.raises(InvalidValueError, match=says):
        Camera(ONE, IDEAL).record([(0, picture)])


def test_time_that_stands_still_is_refused():
    with pytest.raises(InvalidValueError, match="0 us after"):
        Camera(ONE, IDEAL).record([(5, np.ones((1, 1))), (5, np.ones((1, 1)))])


@pytest.mark.parametrize("wrong", [{"threshold_on": 0.0}, {"leak_rate_hz": -1.0}, {"hot_pixel_share": 1.5}])
def test_parameter_no_pixel_can_have_is_refused(wrong):
    with pytest.raises(InvalidValueError):
        CameraParameters(**wrong)


def test_series_of_the_photoreceptor_are_logarithm_and_exponential():
    from emulators.camera.photoreceptor import follow, lin_log

    grey = np.linspace(0, 1000, 30_001).astype(np.float32)
    light = np.empty_like(grey)
    lin_log(grey, grey.view(np.int32), light)
    exact = np.where(grey <= 20, grey * np.log(20) / 20, np.log(np.maximum(grey, 20)))
    assert np.abs(light - exact).max() < 3e-6
    output, change = light + np.float32(1.0), np.empty_like(grey)
    follow(grey, grey.view(np.int32), 2.0, np.zeros_like(grey), 1000.0, light, output, change)
    assert np.abs(output - light - np.exp(-2.0 * (grey.astype(float) + 20) / 275)).max() < 5e-6
