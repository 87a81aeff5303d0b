"""The memory of a pixel keeps the right times over hours of stream, in 32 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.kernels.filters import denoise, refractory_period
from sensors.kernels.memory import LONGEST_US, NEVER, SPAN_US, last_times
from sensors.kernels.surfaces import to_timesurface

gaps = st.lists(st.one_of(st.integers(0, 2_000), st.integers(0, 3 * SPAN_US)), min_size=1, max_size=40)


def pair_of_pixels(times_us):
    n = len(times_us)
    x = np.random.default_rng(n).integers(0, 2, n).astype(np.uint16)
    return EventBatch(np.array(times_us, np.int64), x, np.zeros(n, np.uint16), np.ones(n, bool))


@given(gaps, st.integers(-(2**61), 2**61), st.integers(0, LONGEST_US))
def test_filters_equal_a_slow_count_however_far_apart_events_lie(gaps_us, start_us, time_us):
    times_us = [start_us + int(t) for t in np.cumsum(gaps_us)]
    events = pair_of_pixels(times_us)
    fired, kept_at, supported, rested = {}, {}, [], []
    for t, x in zip(times_us, events.x.tolist(), strict=True):
        if 1 - x in fired and fired[1 - x] > t - time_us:
            supported.append(t)
        if x not in kept_at or t - kept_at[x] > time_us:
            rested.append(t)
            kept_at[x] = t
        fired[x] = t
    geometry = Geometry(2, 1)
    assert denoise(events, geometry, filter_time_us=time_us).t.tolist() == supported
    assert refractory_period(events, geometry, refractory_us=time_us).t.tolist() == rested


@given(st.lists(st.integers(0, 30_000_000), min_size=1, max_size=6), st.integers(-(2**61), 2**61))
def test_surfaces_equal_their_formula_over_an_hour(gaps_us, start_us):
    times_us = start_us + np.cumsum(gaps_us)
    events, dt_us, tau_us = pair_of_pixels(times_us), 20_000_000, 9_000_000
    surfaces = to_timesurface(events, Geometry(2, 1), dt_us=dt_us, tau_us=tau_us, last="keep")
    for k, surface in enumerate(surfaces):
        end_us = int(times_us[0]) + (k + 1) * dt_us
        for x in (0, 1):
            before = [t for t, column in zip(times_us.tolist(), events.x, strict=True) if column == x and t < end_us]
            expected = np.exp((before[-1] - end_us) / tau_us) if before else 0
            assert surface[1, 0, x] == pytest.approx(expected, abs=2e-7)


def test_moving_the_base_keeps_what_fits_and_forgets_the_rest():
    memory = last_times(Geometry(1, 1))
    memory.times_us[0] = (5, NEVER, SPAN_US - 1)
    memory.move_base(10)
    assert memory.times_us[0].tolist() == [-5, NEVER, SPAN_US - 11]
    memory.move_base(2**62)
    assert memory.times_us[0].tolist() == [NEVER] * 3


def test_memory_for_another_sensor_is_refused():
    with pytest.raises(InvalidValueError, match="of shape"):
        last_times(Geometry(4, 4)).check(4, 4)
