"""The values that travel along the line: events, windows of features, and what a substrate answers.

Values are frozen, their arrays are read-only, and they are checked once, here, when they are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError

__all__ = [
    "BoolArray",
    "EnergySource",
    "EventBatch",
    "FeatureBatch",
    "Float32Array",
    "Float64Array",
    "Geometry",
    "Inference",
    "Int8Array",
    "Int32Array",
    "Int64Array",
    "LayerTrace",
    "Loss",
    "Telemetry",
    "TimeSource",
    "UInt16Array",
    "read_only",
]

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Int8Array: TypeAlias = npt.NDArray[np.int8]
Int32Array: TypeAlias = npt.NDArray[np.int32]
Int64Array: TypeAlias = npt.NDArray[np.int64]
UInt16Array: TypeAlias = npt.NDArray[np.uint16]
Float32Array: TypeAlias = npt.NDArray[np.float32]
Float64Array: TypeAlias = npt.NDArray[np.float64]

TimeSource: TypeAlias = Literal["wall", "instructions", "cycles"]
EnergySource: TypeAlias = Literal["none", "model", "measured"]


def read_only(values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the values as a contiguous read-only array; an array of that dtype is viewed, not copied.

    Raises:
        InvalidValueError: The cast to ``dtype`` would change a value.
    """
    given = np.asarray(values)
    array = np.ascontiguousarray(given, dtype=dtype)
    if array.dtype != given.dtype and not np.array_equal(array, given):
        message = f"values must fit {np.dtype(dtype)}, but got {given.dtype} values that it would change"
        raise InvalidValueError(message)
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Geometry:
    """Size of a sensor: pixels of a camera, or channels (width) and ears (height) of a cochlea."""

    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse sizes that a 16-bit address cannot hold."""
        for name, size in (("width", self.width), ("height", self.height)):
            if not 1 <= size <= 65536:
                message = f"geometry {name} must be between 1 and 65536, but is {size}"
                raise InvalidValueError(message)


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch:
    """A stretch of events in time order, one column each.

    Attributes:
        t: (n_events,) int64 microseconds, never decreasing.
        x: (n_events,) uint16 column, 0 at the left.
        y: (n_events,) uint16 row, 0 at the top.
        p: (n_events,) bool, True for ON.
    """

    t: Int64Array
    x: UInt16Array
    y: UInt16Array
    p: BoolArray

    def __post_init__(self) -> None:
        """Take read-only views, refuse columns of different lengths and times that go back."""
        for name, dtype in (("t", np.int64), ("x", np.uint16), ("y", np.uint16), ("p", np.bool_)):
            object.__setattr__(self, name, read_only(getattr(self, name), dtype))
        lengths = {len(self.t), len(self.x), len(self.y), len(self.p)}
        if self.t.ndim != 1 or len(lengths) != 1:
            message = f"event columns must be 1-d and of one length, but got lengths {sorted(lengths)}"
            raise InvalidValueError(message)
        backwards = np.flatnonzero(self.t[1:] < self.t[:-1])
        if backwards.size:
            i = int(backwards[0]) + 1
            message = f"events must be time-ordered, but event {i} is at {self.t[i]} us after {self.t[i - 1]} us"
            raise InvalidValueError(message)

    @classmethod
    def unchecked(cls, t: Int64Array, x: UInt16Array, y: UInt16Array, p: BoolArray) -> Self:
        """Build a batch from columns that the caller has already proven: right dtypes, one length, in order."""
        batch = object.__new__(cls)
        for name, column in (("t", t), ("x", x), ("y", y), ("p", p)):
            view = column.view()
            view.flags.writeable = False
            object.__setattr__(batch, name, view)
        return batch

    @classmethod
    def empty(cls) -> Self:
        """Return a batch of no events."""
        return cls.unchecked(
            np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, np.uint16), np.empty(0, np.bool_)
        )

    @classmethod
    def concatenate(cls, batches: list[EventBatch]) -> Self:
        """Join batches that follow each other in time.

        Raises:
            InvalidValueError: A batch starts before the previous one ends.
        """
        if not batches:
            return cls.empty()
        columns = (np.concatenate([getattr(batch, name) for batch in batches]) for name in "txyp")
        return cls(*columns)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.t)

    def __getitem__(self, part: slice) -> EventBatch:
        """Return a stretch of the batch as a view, without copying."""
        if part.step not in (None, 1):
            message = f"a batch is sliced with step 1, but got step {part.step}"
            raise InvalidValueError(message)
        return EventBatch.unchecked(self.t[part], self.x[part], self.y[part], self.p[part])

    def select(self, mask: BoolArray) -> EventBatch:
        """Return the events where the (n_events,) mask is True, still in time order."""
        return EventBatch.unchecked(self.t[mask], self.x[mask], self.y[mask], self.p[mask])

    def between(self, start_us: int, stop_us: int) -> EventBatch:
        """Return the events with ``start_us <= t < stop_us`` as a view."""
        first, last = np.searchsorted(self.t, [start_us, stop_us], side="left")
        return self[int(first) : int(last)]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a salvaged recording is missing, and where.

    Attributes:
        spans: One entry per stretch of damage: ``(offset_bytes, length_bytes, reason)``.
        events: How many events are known to be missing, or None where nobody can know.
    """

    spans: tuple[tuple[int, int, str], ...]
    events: int | None = None

    def as_document(self) -> dict[str, Any]:
        """Return the account as JSON-ready values."""
        spans = [{"offset_bytes": o, "length_bytes": n, "reason": why} for o, n, why in self.spans]
        return {"bytes": sum(n for _, n, _ in self.spans), "events": self.events, "spans": spans}


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBatch:
    """Windows of a stream as the network sees them.

    Attributes:
        features: (n, d_in) int8 event counts.
        t_start_us: (n,) int64, start of each window.
        t_end_us: (n,) int64, end of each window: the moment it is complete and may be inferred.
        n_events: (n,) int64, events in each window before clipping.
        clipped: Share of feature values that were clipped to the int8 range, 0 to 1.
        events_left_out: Events after the last full window that the rule for partial windows leaves out.
    """

    features: Int8Array
    t_start_us: Int64Array
    t_end_us: Int64Array
    n_events: Int64Array
    clipped: float = 0.0
    events_left_out: int = 0

    def __post_init__(self) -> None:
        """Take read-only views and refuse columns of different lengths."""
        object.__setattr__(self, "features", read_only(self.features, np.int8))
        for name in ("t_start_us", "t_end_us", "n_events"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.int64))
        lengths = {len(self.features), len(self.t_start_us), len(self.t_end_us), len(self.n_events)}
        if self.features.ndim != 2 or len(lengths) != 1:
            message = f"features must be (n, d_in) with one time per row, but got {self.features.shape} and {lengths}"
            raise InvalidValueError(message)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.features)


@dataclass(frozen=True, slots=True, eq=False)
class LayerTrace:
    """What one layer computed for each window.

    Attributes:
        accumulator: (n, d_out) int32 on a digital or digitised substrate, float64 on the float reference.
        activation: (n, d_out) int8 after requantisation (float64 on the float reference); of the last
            layer the same as the accumulator plus bias.
    """

    accumulator: npt.NDArray[Any]
    activation: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What an inference cost, and where each figure comes from; sources are never mixed.

    Attributes:
        time_source: What ``time`` counts: wall seconds, instructions or clock cycles.
        time: Total for the batch in the unit of its source.
        energy_source: Where ``energy_joule`` comes from; ``none`` means it is unknown.
        energy_joule: Total for the batch, or None.
        counters: Further figures by name, for example ``adc_clip_rate``; names carry their unit, and their
            ending says how calls are merged (``hil.inference.merge_telemetry``).
        provenance: What answered: emulator or hardware, its version, its hashes.
    """

    time_source: TimeSource
    time: float
    energy_source: EnergySource = "none"
    energy_joule: float | None = None
    counters: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    provenance: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse an energy without a source, or a source without an energy."""
        if (self.energy_source == "none") != (self.energy_joule is None):
            message = f"energy {self.energy_joule} J cannot come from source {self.energy_source!r}"
            raise InvalidValueError(message)


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """The answer of a session to a batch of windows.

    Attributes:
        outputs: (n, d_out) float32, not normalised; the host makes unit vectors of them.
        layers: One trace per layer when asked for, otherwise empty.
        telemetry: What it cost.
    """

    outputs: Float32Array
    telemetry: Telemetry
    layers: tuple[LayerTrace, ...] = ()

    def __post_init__(self) -> None:
        """Take a read-only view of the outputs."""
        object.__setattr__(self, "outputs", read_only(self.outputs, np.float32))
