from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.augmentation import Augmentation, EventTable, encode_table
from hil.errors import ConfigError
from hil.network import FeatureSpec
from hil.rng import stream
from hil.types import EventBatch, Geometry
from sensors.features import encode_window

SPEC = FeatureSpec(width=17, height=17, time_bins=3, window_us=315_000, pixels_per_cell=4)
UNEVEN = FeatureSpec(width=15, height=9, time_bins=2, window_us=200_000, pixels_per_cell=8)
CROP = FeatureSpec(width=11, height=11, time_bins=1, window_us=100_000, fit="crop", pixels_per_cell=4)
SIZE = Geometry(34, 34)


def recordings(seed: int, count: int = 5) -> list[EventBatch]:
    rng = stream(seed, "augmentation test")
    batches = []
    for _ in range(count):
        n = int(rng.integers(50, 300))
        t = np.sort(rng.integers(0, 330_000, n))
        x, y = (rng.integers(4, 30, n).astype(np.uint16) for _ in range(2))
        batches.append(EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.bool_)))
    return batches


def total(table: EventTable) -> np.ndarray:
    return np.bincount(table.recording, minlength=table.count)


@given(st.integers(0, 1000), st.sampled_from([SPEC, UNEVEN, CROP]))
def test_encode_table_when_nothing_is_varied_then_it_is_the_encoder_of_every_recording(
    seed: int, spec: FeatureSpec
) -> None:
    batches = recordings(seed)
    table = EventTable.of(batches, SIZE)
    expected = [encode_window(batch, SIZE, spec) for batch in batches]
    np.testing.assert_array_equal(encode_table(table, spec), expected)
    still = table.varied(Augmentation(), rng=stream(seed, "still"))
    np.testing.assert_array_equal(encode_table(still, spec), expected)


def test_varied_when_seed_is_the_same_then_events_are_the_same() -> None:
    table = EventTable.of(recordings(1), SIZE)
    how = Augmentation(2.0, 10.0, 0.1, 0.1, 0.5, 0.3, 5000.0, 0.02, 0.1)
    one, same, other = (table.varied(how, rng=stream(seed, "vary")) for seed in (1, 1, 2))
    for name in ("recording", "t", "x", "y", "p"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert len(one.t) != len(other.t) or (one.x != other.x).any()


@given(st.integers(0, 1000), st.sampled_from([SPEC, UNEVEN, CROP]))
def test_varied_features_when_counted_in_one_pass_then_they_are_those_of_the_varied_table(
    seed: int, spec: FeatureSpec
) -> None:
    table = EventTable.of(recordings(seed), SIZE)
    how = Augmentation(2.0, 10.0, 0.1, 0.1, 0.5, 0.3, 5000.0, 0.02, 0.1)
    expected = encode_table(table.varied(how, rng=stream(seed, "one pass")), spec)
    np.testing.assert_array_equal(table.varied_features(how, spec, rng=stream(seed, "one pass")), expected)


def test_counts_when_a_cell_overflows_then_they_stay_at_the_largest_int8() -> None:
    many = EventBatch(np.arange(200), *(np.full(200, 7, np.uint16) for _ in range(2)), np.ones(200, np.bool_))
    table = EventTable.of([many], SIZE)
    features = table.varied_features(Augmentation(), SPEC, rng=stream(0, "full"))
    assert features.max() == 127
    np.testing.assert_array_equal(features[0], encode_window(many, SIZE, SPEC))


def test_varied_when_only_shifted_then_every_event_of_a_recording_moves_as_one() -> None:
    table = EventTable.of(recordings(2), SIZE)
    moved = table.varied(Augmentation(shift_px=3.0), rng=stream(0, "shift"))
    np.testing.assert_array_equal(total(moved), total(table))  # nothing can leave: events keep 4 pixels from the edge
    for k in range(table.count):
        step = (moved.x - table.x)[table.recording == k]  # none is lost, so all are in order
        assert step.max() - step.min() <= 1  # an event is somewhere in its pixel
        assert np.abs(step).max() <= 3


def test_varied_when_only_bent_then_neighbours_stay_neighbours() -> None:
    grid = np.stack(np.meshgrid(np.arange(4, 30), np.arange(4, 30)), axis=-1).reshape(-1, 2)
    x, y = (grid[:, i].astype(np.uint16) for i in range(2))
    still = EventBatch(np.zeros(len(grid), np.int64), x, y, np.zeros(len(grid), np.bool_))
    table = EventTable.of([still] * 20, SIZE)
    bent = table.varied(Augmentation(elastic_px=1.0), rng=stream(0, "elastic"))
    assert len(bent.t) > 0.98 * len(table.t)
    straight = table.varied(Augmentation(), rng=stream(0, "elastic"))
    moved = np.hypot(bent.x[: len(straight.x)].mean() - straight.x.mean(), 0)
    assert moved < 0.5  # 20 fields of 25 knots: the middle of all events stays
    counts = encode_table(bent, SPEC).reshape(20, 3, 2, 17, 17)[:, 0, 0]
    plain = encode_table(straight, SPEC).reshape(20, 3, 2, 17, 17)[:, 0, 0]
    assert (counts != plain).any()
    # a cell of 2 x 2 pixels holds 4 events; displacements differ by about a quarter of a pixel from one to the next
    assert counts[:, 4:13, 4:13].max() <= 12


def test_varied_when_events_are_dropped_then_share_is_within_its_limit() -> None:
    table = EventTable.of(recordings(3, count=200), SIZE)
    kept = total(table.varied(Augmentation(drop=0.4), rng=stream(0, "drop"))) / total(table)
    assert kept.min() > 0.6 - 0.15
    # the mean share kept is 1 - 0.4 / 2; over 200 recordings its standard error is below 0.01
    assert abs(kept.mean() - 0.8) < 0.04


def test_varied_when_noise_is_added_then_it_lies_on_the_sensor_and_in_the_recording() -> None:
    table = EventTable.of(recordings(4, count=50), SIZE)
    noisy = table.varied(Augmentation(noise=0.5), rng=stream(0, "noise"))
    added = total(noisy) - total(table)
    assert (added >= 0).all()
    assert (added <= 0.5 * total(table)).all()
    assert added.sum() > 0
    assert noisy.x.max() < 34
    assert noisy.t.max() <= table.t.max()


def test_augmentation_when_everything_would_be_dropped_then_refused() -> None:
    with pytest.raises(ConfigError, match="drop"):
        Augmentation(drop=1.0)
