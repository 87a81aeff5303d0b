"""Turns events into stacks of images: counts, voxel grids, rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.network import LastWindow
from hil.types import BoolArray, EventBatch, Float32Array, Float64Array, Geometry, Int64Array, UInt16Array
from sensors.kernels.columns import check_inside, count_borders, refuse_huge, time_borders
from sensors.kernels.compiling import compiled

__all__ = ["Frames", "event_rate", "to_frame", "to_voxel_grid"]

FRACTION_BITS = 22  # of an event's share of a point in time
FRACTION = np.float32(1 / (1 << FRACTION_BITS))
SPARSE = 0.25
SHARE_BITS = 44
MOST_SUMMED = 1 << 18  # events of one pixel that neither part can overflow with

Frames: TypeAlias = npt.NDArray[np.int16] | npt.NDArray[np.uint8]


def to_frame(  # noqa: PLR0913  (four ways to divide, all by keyword)
    events: EventBatch,
    geometry: Geometry,
    *,
    time_window_us: int | None = None,
    event_count: int | None = None,
    n_time_bins: int | None = None,
    n_event_bins: int | None = None,
    last: LastWindow = "half",
    merge_polarities: bool = False,
    dtype: npt.DTypeLike = np.int16,
    out: Frames | None = None,
) -> Frames:
    """Count the events of each pixel and polarity in parts of the stream, divided in exactly one of four ways.

    As ``tonic.transforms.ToFrame``, except that counts saturate where Tonic's wrap around to negative, and
    that the end of the stream follows a stated rule where Tonic loses events: with ``n_time_bins`` its last event
    and up to ``n_time_bins`` microseconds, with ``n_event_bins`` the remainder, and with a time window the last event
    of a stream whose span is a multiple of the window. Ours belong to the last bin.

    Args:
        events: In time order.
        geometry: Size of the sensor.
        time_window_us: Length of each frame; frames tile the stream from its first event.
        event_count: Events in each frame.
        n_time_bins: Frames of equal time, as a histogram's bins: half open, the last one closed.
        n_event_bins: Frames of equal count, give or take one.
        last: What becomes of the stretch after the last full ``time_window_us`` or ``event_count``.
        merge_polarities: Whether one plane counts both.
        dtype: ``int16``, as Tonic's, or ``uint8``, which saturates at 255 but is twice as fast on a large sensor.
        out: (n, planes, height, width) of that dtype to use instead of allocating; its first frames are overwritten.

    Returns:
        (n_frames, 2, height, width) counts, OFF first, or (n_frames, 1, height, width).

    Raises:
        InvalidValueError: Not exactly one division is given, an event lies outside, or ``out`` is too small.
    """
    check_inside(events, geometry)
    pixels = 2 * geometry.height * geometry.width
    ways: dict[str, tuple[int | None, Callable[[int], Int64Array]]] = {
        "time_window_us": (time_window_us, lambda n: time_borders(events, n, last, values_per_window=pixels)),
        "event_count": (event_count, lambda n: count_borders(events, n, last)),
        "n_time_bins": (n_time_bins, lambda n: _time_bin_borders(events, n)),
        "n_event_bins": (n_event_bins, lambda n: _event_bin_borders(events, n)),
    }
    given = [(name, size, divide) for name, (size, divide) in ways.items() if size is not None]
    if len(given) != 1:
        message = f"frames are divided by exactly one of {', '.join(ways)}, but got {[name for name, *_ in given]}"
        raise InvalidValueError(message)
    _, size, divide = given[0]
    borders = divide(size)
    frames = _frames(out, (len(borders) - 1, 1 if merge_polarities else 2, geometry.height, geometry.width), dtype)
    _count(events.x, events.y, events.p, borders, int(np.iinfo(frames.dtype).max), frames)
    return frames


def _frames(out: Frames | None, shape: tuple[int, int, int, int], dtype: npt.DTypeLike) -> Frames:
    refuse_huge(math.prod(shape))
    wanted = np.dtype(dtype)
    if wanted not in (np.dtype(np.int16), np.dtype(np.uint8)):
        message = f"frames count in int16 or uint8, but got {wanted}"
        raise InvalidValueError(message)
    if out is None:
        return np.empty(shape, wanted)
    if out.dtype != wanted or out.shape[1:] != shape[1:] or len(out) < shape[0] or not out.flags.c_contiguous:
        message = f"out must be contiguous {wanted} of at least {shape}, but is {out.dtype} {out.shape}"
        raise InvalidValueError(message)
    return out[: shape[0]]


def _time_bin_borders(events: EventBatch, n_bins: int) -> Int64Array:
    _check_bins(n_bins)
    if not len(events):
        return np.zeros(n_bins + 1, np.int64)
    start_us, span_us = int(events.t[0]), int(events.t[-1]) - int(events.t[0])
    borders_us = [start_us + -(-span_us * k // n_bins) for k in range(1, n_bins)]
    inner = np.searchsorted(events.t, np.array(borders_us, np.int64), side="left")
    return np.concatenate([[0], inner, [len(events)]]).astype(np.int64)


def _event_bin_borders(events: EventBatch, n_bins: int) -> Int64Array:
    _check_bins(n_bins)
    return np.array([len(events) * k // n_bins for k in range(n_bins + 1)], np.int64)


def _check_bins(n_bins: int) -> None:
    if n_bins < 1:
        message = f"frames need at least 1 bin, but got {n_bins}"
        raise InvalidValueError(message)
    refuse_huge(n_bins)


@compiled
def _count(
    x: UInt16Array, y: UInt16Array, p: BoolArray, borders: Int64Array, highest: int, frames: npt.NDArray[Any]
) -> None:
    """Count into each frame right after it is cleared, while it is in the cache."""
    width, plane = np.uint64(frames.shape[3]), np.uint64(frames.shape[2] * frames.shape[3] * (frames.shape[1] - 1))
    for k in range(len(frames)):
        frame = frames[k].ravel()
        frame[:] = 0
        for i in range(borders[k], borders[k + 1]):
            cell = np.uint64(p[i]) * plane + np.uint64(y[i]) * width + np.uint64(x[i])
            count = frame[cell]
            frame[cell] = count + (count < highest)


def to_voxel_grid(
    events: EventBatch, geometry: Geometry, *, n_time_bins: int = 10, out: Float32Array | None = None
) -> Float32Array:
    """Spread each event's polarity over the two nearest of equally spaced points in time.

    An event at ``t`` lies at ``(n_time_bins - 1) (t - t_first) / (t_last - t_first)`` and its sign, +1 or -1, is
    shared linearly between the points around it: Zhu et al., "Unsupervised event-based learning of optical flow, depth,
    and egomotion", CVPR 2019, eq. 1. Signs are conserved: the grid's sum is ON minus OFF.
    ``tonic.transforms.ToVoxelGrid`` cites the same paper but scales by ``n_time_bins``, so that what lies after its
    last point is lost, and it counts OFF events as ON when polarity is boolean.

    Args:
        events: In time order.
        geometry: Size of the sensor.
        n_time_bins: Points in time.
        out: (n_time_bins, 1, height, width) float32 to overwrite instead of allocating.

    Returns:
        (n_time_bins, 1, height, width) float32.

    Raises:
        InvalidValueError: An event lies outside, ``n_time_bins`` is below 1, or ``out`` has another shape.
    """
    check_inside(events, geometry)
    _check_bins(n_time_bins)
    shape = (n_time_bins, 1, geometry.height, geometry.width)
    refuse_huge(math.prod(shape))
    grid = np.zeros(shape, np.float32) if out is None else out
    if grid.shape != shape or grid.dtype != np.float32 or not grid.flags.c_contiguous:
        message = f"out must be contiguous float32 of {shape}, but is {grid.dtype} {grid.shape}"
        raise InvalidValueError(message)
    if out is not None:
        grid[...] = 0
    if len(events):
        step_us = max(1, int(events.t[-1]) - int(events.t[0])) / max(1, n_time_bins - 1)
        points = int(events.t[0]) + np.ceil(step_us * np.arange(1, n_time_bins)).astype(np.int64)
        borders = np.concatenate([[0], np.searchsorted(events.t, points, side="left"), [len(events)]])
        sums = np.zeros(geometry.height * geometry.width, np.int64)
        _spread(events.t, events.x, events.y, events.p, borders, step_us, sums, grid)
    return grid


@compiled
def _spread(
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    p: BoolArray,
    borders: Int64Array,
    step_us: float,
    sums: Int64Array,
    grid: Float32Array,
) -> None:
    """Spread the events between each two points over these two planes."""
    width = np.uint64(grid.shape[3])
    for k in range(len(borders) - 1):
        near, far = grid[k].ravel(), grid[min(k + 1, len(grid) - 1)].ravel()
        point_us = k * step_us
        for start in range(borders[k], borders[k + 1], MOST_SUMMED):
            part = slice(start, min(start + MOST_SUMMED, borders[k + 1]))
            if borders[k + 1] - borders[k] < len(sums) * SPARSE:
                _add_few(t[part], x[part], y[part], p[part], width, t[0], point_us, step_us, near, far)
            else:
                _add_many(t[part], x[part], y[part], p[part], width, t[0], point_us, step_us, sums)
                _settle(sums, near, far)


@compiled
def _add_few(  # noqa: PLR0913, PLR0917  (kernels take columns)
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    p: BoolArray,
    width: np.uint64,
    origin_us: int,
    point_us: float,
    step_us: float,
    near: Float32Array,
    far: Float32Array,
) -> None:
    per_us = 1 / step_us
    for i in range(len(t)):
        cell = np.uint64(y[i]) * width + np.uint64(x[i])
        later = np.float32(((t[i] - origin_us) - point_us) * per_us)
        now = np.float32(1) - later
        near[cell] += now if p[i] else -now
        far[cell] += later if p[i] else -later


@compiled
def _add_many(  # noqa: PLR0913, PLR0917  (kernels take columns)
    t: Int64Array,
    x: UInt16Array,
    y: UInt16Array,
    p: BoolArray,
    width: np.uint64,
    origin_us: int,
    point_us: float,
    step_us: float,
    sums: Int64Array,
) -> None:
    """Add each event as one integer: its sign above ``SHARE_BITS`` bits, its signed share of the later point below.

    That touches memory once where two planes of floats would twice, and it adds exactly. Settling every pixel costs as
    much as a few events for each four pixels, so it is for streams denser than that.
    """
    unit = (1 << FRACTION_BITS) / step_us
    for i in range(len(t)):
        cell = np.uint64(y[i]) * width + np.uint64(x[i])
        event = np.int64(np.int32(((t[i] - origin_us) - point_us) * unit)) + np.int64(1 << SHARE_BITS)
        sums[cell] += event if p[i] else -event


@compiled
def _settle(sums: Int64Array, near: Float32Array, far: Float32Array) -> None:
    """Move the sums of signs and shares into the planes, and clear them."""
    for i in range(len(sums)):
        share = (sums[i] << np.int64(64 - SHARE_BITS)) >> np.int64(64 - SHARE_BITS)
        later = np.float32(share) * FRACTION
        near[i] += np.float32((sums[i] - share) >> np.int64(SHARE_BITS)) - later
        far[i] += later
        sums[i] = 0


def event_rate(events: EventBatch, *, time_window_us: int, last: LastWindow = "drop") -> Float64Array:
    """Return (n_windows,) events per second in windows that tile the stream from its first event.

    The last partial window is dropped by default, because its rate would be underestimated; a stream shorter than one
    window has the rate of the whole window.
    """
    borders = time_borders(events, time_window_us, last)
    return np.diff(borders) / (time_window_us * 1e-6)
