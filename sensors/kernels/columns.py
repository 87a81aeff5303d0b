"""What kernels share: bounds checks, how a batch is divided, and how events are picked out of it."""

from __future__ import annotations

import numpy as np

from hil.errors import InvalidValueError
from hil.network import LastWindow
from hil.types import BoolArray, EventBatch, Geometry, Int64Array, UInt16Array
from sensors.kernels.compiling import compiled

__all__ = ["check_inside", "count_borders", "refuse_huge", "select", "time_borders"]

MOST_VALUES = 2**31


def check_inside(events: EventBatch, geometry: Geometry) -> None:
    """Refuse events outside the sensor, so that kernels need not look.

    Raises:
        InvalidValueError: An event lies outside.
    """
    x, y = (int(column.max(initial=0)) for column in (events.x, events.y))
    if x >= geometry.width or y >= geometry.height:
        message = f"events must lie on the {geometry.width}x{geometry.height} sensor, but one is at x {x} or y {y}"
        raise InvalidValueError(message)


def refuse_huge(n_values: int) -> None:
    """Refuse a result of more than 2**31 values before it is allocated.

    Raises:
        InvalidValueError: The result would be that large.
    """
    if n_values > MOST_VALUES:
        message = f"the result must stay below {MOST_VALUES} values, but would have {n_values}; cut the stream first"
        raise InvalidValueError(message)


def time_borders(events: EventBatch, window_us: int, last: LastWindow, *, values_per_window: int = 1) -> Int64Array:
    """Return (n_windows + 1,) event indices between windows of equal time from the first event on.

    The last-window rule is that of ``sensors.windows``; windows without events are kept.
    """
    if window_us < 1:
        message = f"a window must be at least 1 us long, but got {window_us}"
        raise InvalidValueError(message)
    if not len(events):
        return np.zeros(1, np.int64)
    start_us, span_us = int(events.t[0]), int(events.t[-1]) - int(events.t[0]) + 1
    n_windows = max(1, _divided(span_us, window_us, last))
    refuse_huge(n_windows * values_per_window)
    borders_us = start_us + window_us * np.arange(1, n_windows, dtype=np.int64)
    inner = np.searchsorted(events.t, borders_us, side="left")
    end = (
        len(events) if n_windows * window_us >= span_us else np.searchsorted(events.t, start_us + n_windows * window_us)
    )
    return np.concatenate([[0], inner, [end]]).astype(np.int64)


def count_borders(events: EventBatch, n_events: int, last: LastWindow) -> Int64Array:
    """Return (n_windows + 1,) event indices between windows of equal count."""
    if n_events < 1:
        message = f"a window must hold at least 1 event, but got {n_events}"
        raise InvalidValueError(message)
    n_windows = max(1, _divided(len(events), n_events, last)) if len(events) else 0
    return np.minimum(np.arange(n_windows + 1, dtype=np.int64) * n_events, len(events))


def _divided(total: int, part: int, last: LastWindow) -> int:
    """Return how many parts a total has when its remainder is treated by the last-window rule."""
    whole, rest = divmod(total, part)
    if last not in ("keep", "drop", "half"):
        message = f"the last window is keep, drop or half, but got {last!r}"
        raise InvalidValueError(message)
    kept = rest > 0 and (last == "keep" or (last == "half" and 2 * rest >= part))
    return whole + kept


def select(events: EventBatch, keep: BoolArray) -> EventBatch:
    """Return the events where the (n_events,) mask is True, in one pass: several times faster than indexing."""
    return EventBatch.unchecked(*_compact(events.t, events.x, events.y, events.p, keep))


@compiled
def _compact(
    t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray, keep: BoolArray
) -> tuple[Int64Array, UInt16Array, UInt16Array, BoolArray]:
    kept_t, kept_x = np.empty(len(t), np.int64), np.empty(len(t), np.uint16)
    kept_y, kept_p = np.empty(len(t), np.uint16), np.empty(len(t), np.bool_)
    n = np.uint64(0)
    for i in range(len(t)):  # every event is written; only a kept one moves on: no branch to mispredict
        kept_t[n], kept_x[n], kept_y[n], kept_p[n] = t[i], x[i], y[i], p[i]
        n += np.uint64(keep[i])
    return kept_t[:n], kept_x[:n], kept_y[:n], kept_p[:n]
