"""Feature vectors against a slow count in exact fractions, and against each other."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InvalidValueError
from hil.network import FeatureSpec
from hil.types import EventBatch, Geometry
from sensors.features import FeatureEncoder, encode, encode_window
from sensors.windows import Window


def random_events(rng, n_events, geometry, span_us):
    return EventBatch(
        np.sort(rng.integers(0, span_us, n_events)),
        rng.integers(0, geometry.width, n_events).astype(np.uint16),
        rng.integers(0, geometry.height, n_events).astype(np.uint16),
        rng.random(n_events) < 0.5,
    )


def shares(coordinate, size, n_cells):
    """Return {cell: share of the pixel} as exact fractions of the pixel's width."""
    left, right = Fraction(coordinate * n_cells, size), Fraction((coordinate + 1) * n_cells, size)
    overlaps = {c: min(right, c + 1) - max(left, c) for c in range(int(left), int(right) + 1)}
    return {c: overlap / (right - left) for c, overlap in overlaps.items() if overlap > 0}


def slow_area(batch, start_us, geometry, spec):
    counts = [Fraction(0)] * spec.d_in
    for t, x, y, p in zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True):
        time_bin = (t - start_us) * spec.time_bins // spec.window_us
        for row, part_y in shares(y, geometry.height, spec.height).items():
            for column, part_x in shares(x, geometry.width, spec.width).items():
                index = ((time_bin * 2 + p) * spec.height + row) * spec.width + column
                counts[index] += part_x * part_y
    scale = Fraction(spec.pixels_per_cell * spec.width * spec.height, geometry.width * geometry.height)
    return [min(127, int(count * scale + Fraction(1, 2))) for count in counts]


@pytest.mark.parametrize(
    ("sensor", "grid", "pixels_per_cell"),
    [
        ((34, 34), (17, 17), 4),
        ((40, 30), (17, 13), 4),
        ((16, 12), (17, 17), 4),
        ((5, 3), (10, 9), 1),
        ((1, 1), (4, 3), 9),
    ],
)
def test_area_equals_a_count_in_exact_fractions(sensor, grid, pixels_per_cell):
    geometry = Geometry(*sensor)
    spec = FeatureSpec(*grid, time_bins=3, window_us=300, pixels_per_cell=pixels_per_cell)
    batch = random_events(np.random.default_rng(3), 400, geometry, 300)
    features, _ = FeatureEncoder(spec, geometry).encode(Window(0, 300, batch))
    assert features.tolist() == slow_area(batch, 0, geometry, spec)


def test_area_counts_every_event_once_on_the_sensor_it_was_trained_for():
    geometry, spec = Geometry(34, 34), FeatureSpec(17, 17, time_bins=3, window_us=300, pixels_per_cell=4)
    batch = random_events(np.random.default_rng(4), 900, geometry, 300)
    features = encode_window(batch, geometry, spec)
    assert features.sum(dtype=np.int64) == len(batch)


def test_layout_is_bin_polarity_row_column():
    spec = FeatureSpec(4, 3, time_bins=2, window_us=100)
    batch = EventBatch(np.array([10, 60, 60]), np.array([0, 2, 3]), np.array([0, 1, 2]), np.array([True, False, True]))
    features = encode_window(batch, Geometry(4, 3), spec).reshape(2, 2, 3, 4)
    assert features[0, 1, 0, 0] == features[1, 0, 1, 2] == features[1, 1, 2, 3] == 1
    assert features.sum() == 3


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 3))
def test_crop_takes_the_centre_and_pads_a_smaller_sensor(width, height, cells, side):
    geometry = Geometry(width, height)
    spec = FeatureSpec(cells, cells, 1, 10, fit="crop", pixels_per_cell=side * side)
    y, x = np.divmod(np.arange(width * height), width)
    batch = EventBatch(np.zeros(len(x), np.int64), x, y, np.ones(len(x), bool))
    grid = encode_window(batch, geometry, spec).reshape(2, cells, cells)[1]
    extent = cells * side
    image = np.ones((height, width), np.int64)
    top, left = (height - extent) // 2, (width - extent) // 2
    padded = np.pad(image, ((max(0, -top), extent), (max(0, -left), extent)))
    centre = padded[max(0, top) :, max(0, left) :][:extent, :extent]
    assert grid.tolist() == centre.reshape(cells, side, cells, side).sum((1, 3)).tolist()


def test_counts_above_the_int8_range_are_clipped_and_reported():
    batch = EventBatch(np.zeros(500, np.int64), np.zeros(500, int), np.zeros(500, int), np.ones(500, bool))
    features = encode([batch], FeatureSpec(2, 2, 1, 10), geometry=Geometry(2, 2))
    assert features.features.max() == 127
    assert features.clipped == pytest.approx(1 / 8)
    assert features.n_events.tolist() == [500]


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_encode_window_is_the_first_row_of_encode(span_us, seed):
    geometry, spec = Geometry(20, 16), FeatureSpec(7, 5, 2, 100)
    batch = random_events(np.random.default_rng(seed), 50, geometry, span_us)
    rows = encode([batch[:20], batch[20:]], spec, geometry=geometry)
    assert rows.features[0].tolist() == encode_window(batch, geometry, spec).tolist()
    assert rows.t_start_us[0] == batch.t[0]
    assert (rows.t_end_us - rows.t_start_us == 100).all()


@given(st.integers(-(2**40), 2**60))
def test_features_do_not_change_when_the_clock_is_shifted(shift_us):
    geometry, spec = Geometry(20, 16), FeatureSpec(7, 5, 2, 100)
    batch = random_events(np.random.default_rng(0), 200, geometry, 1000)
    shifted = EventBatch(batch.t + shift_us, batch.x, batch.y, batch.p)
    one, two = (encode([b], spec, geometry=geometry) for b in (batch, shifted))
    assert (one.features == two.features).all()
    assert (one.t_end_us + shift_us == two.t_end_us).all()


def test_windows_without_events_are_left_out():
    batch = EventBatch(np.array([0, 1000]), np.zeros(2, int), np.zeros(2, int), np.ones(2, bool))
    rows = encode([batch], FeatureSpec(1, 1, 1, 10, last_window="keep"), geometry=Geometry(1, 1))
    assert rows.t_start_us.tolist() == [0, 1000]


def test_events_after_the_last_full_window_are_counted_as_left_out():
    batch = EventBatch(np.array([0, 9, 10, 11, 12]), np.zeros(5, int), np.zeros(5, int), np.ones(5, bool))
    kept, dropped = (
        encode([batch], FeatureSpec(1, 1, 1, 10, last_window=rule), geometry=Geometry(1, 1))
        for rule in ("keep", "drop")
    )
    assert (len(kept), kept.events_left_out) == (2, 0)
    assert (len(dropped), dropped.events_left_out) == (1, 3)


def test_no_events_give_no_windows_and_a_zero_vector():
    spec = FeatureSpec(2, 2, 1, 10)
    assert encode([], spec, geometry=Geometry(2, 2)).features.shape == (0, 8)
    assert not encode_window(EventBatch.empty(), Geometry(2, 2), spec).any()


def test_features_refuse_what_they_cannot_map():
    batch = EventBatch(np.zeros(1, np.int64), np.array([5]), np.array([0]), np.array([True]))
    with pytest.raises(InvalidValueError, match="4x4 sensor"):
        encode_window(batch, Geometry(4, 4), FeatureSpec(2, 2, 1, 10))
    with pytest.raises(InvalidValueError, match="geometry"):
        encode([batch], FeatureSpec(2, 2, 1, 10))
    with pytest.raises(InvalidValueError, match="square"):
        encode_window(batch, Geometry(9, 9), FeatureSpec(2, 2, 1, 10, fit="crop", pixels_per_cell=3))
