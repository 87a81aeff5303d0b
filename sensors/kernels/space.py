"""Moves events on the sensor: crops, regions, flips, coarser grids. Each answers with the new events and their size."""

from __future__ import annotations

import numpy as np

from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.kernels.columns import check_inside, select

__all__ = ["centre_crop", "crop", "downsample", "flip_lr", "flip_polarity", "flip_ud", "region_of_interest"]


def region_of_interest(events: EventBatch, *, left: int, top: int, width: int, height: int) -> EventBatch:
    """Return the events inside a rectangle where they are, as dv-processing's ``EventRegionFilter``.

    Raises:
        InvalidValueError: The rectangle is empty or begins before the sensor.
    """
    if min(left, top) < 0 or min(width, height) < 1:
        message = f"a region must have a size and begin on the sensor, but got {width}x{height} at {left}, {top}"
        raise InvalidValueError(message)
    across = (events.x >= left) & (events.x < left + width)
    return select(events, across & (events.y >= top) & (events.y < top + height))


def crop(
    events: EventBatch, geometry: Geometry, *, left: int, top: int, width: int, height: int
) -> tuple[EventBatch, Geometry]:
    """Cut out a rectangle: its events, counted from its own corner, and its size.

    Raises:
        InvalidValueError: The rectangle is empty or leaves the sensor.
    """
    if left + width > geometry.width or top + height > geometry.height:
        message = (
            f"a crop of {width}x{height} at {left}, {top} must lie on the {geometry.width}x{geometry.height} sensor"
        )
        raise InvalidValueError(message)
    inside = region_of_interest(events, left=left, top=top, width=width, height=height)
    moved = EventBatch.unchecked(inside.t, inside.x - np.uint16(left), inside.y - np.uint16(top), inside.p)
    return moved, Geometry(width, height)


def centre_crop(events: EventBatch, geometry: Geometry, *, width: int, height: int) -> tuple[EventBatch, Geometry]:
    """Cut out the centre, as ``tonic.transforms.CenterCrop``; an odd margin is larger at the right and bottom."""
    left, top = (geometry.width - width) // 2, (geometry.height - height) // 2
    return crop(events, geometry, left=left, top=top, width=width, height=height)


def flip_lr(events: EventBatch, geometry: Geometry) -> EventBatch:
    """Mirror left and right, as ``tonic.transforms.RandomFlipLR(p=1)``.

    Raises:
        InvalidValueError: An event lies outside the sensor.
    """
    check_inside(events, geometry)
    return EventBatch.unchecked(events.t, np.uint16(geometry.width - 1) - events.x, events.y, events.p)


def flip_ud(events: EventBatch, geometry: Geometry) -> EventBatch:
    """Mirror top and bottom, as ``tonic.transforms.RandomFlipUD(p=1)``.

    Raises:
        InvalidValueError: An event lies outside the sensor.
    """
    check_inside(events, geometry)
    return EventBatch.unchecked(events.t, events.x, np.uint16(geometry.height - 1) - events.y, events.p)


def flip_polarity(events: EventBatch) -> EventBatch:
    """Make ON OFF and OFF ON, as ``tonic.transforms.RandomFlipPolarity(p=1)``."""
    return EventBatch.unchecked(events.t, events.x, events.y, ~events.p)


def downsample(events: EventBatch, geometry: Geometry, *, factor: int) -> tuple[EventBatch, Geometry]:
    """Merge squares of ``factor`` by ``factor`` pixels into one; every event is kept.

    As ``tonic.transforms.Downsample(spatial_factor=1 / factor)``. A last partial square counts as a pixel.

    Raises:
        InvalidValueError: The factor is below 1, or an event lies outside the sensor.
    """
    if not 1 <= factor <= 65535:
        message = f"pixels are merged by a factor of at least 1, but got {factor}"
        raise InvalidValueError(message)
    check_inside(events, geometry)
    side = np.uint16(factor)
    merged = EventBatch.unchecked(events.t, events.x // side, events.y // side, events.p)
    return merged, Geometry(-(-geometry.width // factor), -(-geometry.height // factor))
