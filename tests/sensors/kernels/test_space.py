"""Crops, flips and coarser grids against Tonic and dv-processing."""

import numpy as np
import pytest

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.kernels.space import centre_crop, crop, downsample, flip_lr, flip_polarity, flip_ud, region_of_interest
from sensors.structured import from_structured, to_tonic


def rows_of(events):
    return list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(), strict=True))


@pytest.fixture
def transforms():
    return pytest.importorskip("tonic.transforms", reason="tonic is not installed")


@pytest.mark.parametrize("size", [(24, 18), (11, 9), (1, 1)])
def test_centre_crop_equals_tonic(make_events, geometry, transforms, size):
    events = make_events(500, 1_000)
    theirs = transforms.CenterCrop(sensor_size=(24, 18, 2), size=size)(to_tonic(events))
    ours, cut = centre_crop(events, geometry, width=size[0], height=size[1])
    assert rows_of(ours) == rows_of(from_structured(theirs))
    assert cut == Geometry(*size)


def test_flips_equal_tonic(make_events, geometry, transforms):
    events = make_events(300, 1_000)
    size = (24, 18, 2)
    for ours, theirs in (
        (flip_lr(events, geometry), transforms.RandomFlipLR(sensor_size=size, p=1)),
        (flip_ud(events, geometry), transforms.RandomFlipUD(sensor_size=size, p=1)),
        (flip_polarity(events), transforms.RandomFlipPolarity(p=1)),
    ):
        assert rows_of(ours) == rows_of(from_structured(theirs(to_tonic(events))))


def test_flips_twice_give_the_same_events_back(make_events, geometry):
    events = make_events(100, 1_000)
    for flip in (lambda e: flip_lr(e, geometry), lambda e: flip_ud(e, geometry), flip_polarity):
        assert rows_of(flip(flip(events))) == rows_of(events)


def test_downsample_equals_tonic_and_rounds_the_size_up(make_events, geometry, transforms):
    events = make_events(300, 1_000)
    theirs = transforms.Downsample(spatial_factor=0.25)(to_tonic(events))
    ours, size = downsample(events, geometry, factor=4)
    assert rows_of(ours) == rows_of(from_structured(theirs))
    assert size == Geometry(6, 5)


def test_region_of_interest_equals_dv_processing(make_events, to_store):
    dv = pytest.importorskip("dv_processing")
    events = make_events(500, 1_000)
    region = dv.EventRegionFilter((3, 4, 7, 5))
    region.accept(to_store(events))
    ours = region_of_interest(events, left=3, top=4, width=7, height=5)
    assert ours.t.tolist() == region.generateEvents().timestamps().ravel().tolist()


def test_crop_is_the_region_of_interest_counted_from_its_corner(make_events, geometry):
    events = make_events(500, 1_000)
    there = region_of_interest(events, left=3, top=4, width=7, height=5)
    cut, size = crop(events, geometry, left=3, top=4, width=7, height=5)
    assert (size.width, size.height) == (7, 5)
    assert np.array_equal(cut.x + 3, there.x)
    assert np.array_equal(cut.y + 4, there.y)


def test_space_refuses_what_leaves_the_sensor(make_events, geometry):
    events = make_events(5, 10)
    with pytest.raises(InvalidValueError, match="24x18 sensor"):
        crop(events, geometry, left=20, top=0, width=5, height=1)
    with pytest.raises(InvalidValueError, match="begin on the sensor"):
        region_of_interest(events, left=-1, top=0, width=5, height=1)
    with pytest.raises(InvalidValueError, match="begin on the sensor"):
        centre_crop(events, geometry, width=24, height=0)
    with pytest.raises(InvalidValueError, match="factor"):
        downsample(events, geometry, factor=0)


def test_downsampling_refuses_events_outside_the_sensor():
    outside = EventBatch(np.array([1]), np.array([300], np.uint16), np.array([1], np.uint16), np.array([True]))
    with pytest.raises(InvalidValueError, match="must lie on the 30x20 sensor"):
        downsample(outside, Geometry(30, 20), factor=3)
