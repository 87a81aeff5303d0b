"""What HDF5 files of events look like to h5py; only the helper process of ``hdf5_helper`` calls this.

After docs.prophesee.ai ("HDF5 event file": ``CD/events``), dsec.ifi.uzh.ch (``events/t``, ``x``, ``y``, ``p``; times
count from ``t_offset``), v2e's ``--dvs_h5`` (``events``, four integers a row) and
daniilidis-group.github.io/mvsec (``davis/left/events``, four floats a row).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError, FormatError, HilError, MissingDependencyError
from hil.types import Geometry
from sensors.formats import options as option
from sensors.formats.columns_io import name_columns
from sensors.formats.geometry import smallest_sensor
from sensors.formats.percent_header import GEN3
from sensors.formats.time_units import microseconds, unit_of

__all__ = ["STEP_EVENTS", "Inspection", "Table", "opened"]

STEP_EVENTS = 1 << 17
MAX_CHUNK_BYTES = 1 << 28
CACHE_BYTES = 1 << 26  # of decompressed chunks, per column; chunks larger than that are decompressed for every stretch
BROKEN = (OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError)
GROUPS = ("events", "CD", "/")
ROWS = {"events": "txyp", "davis/left/events": "xytp"}  # tables of v2e and of MVSEC, and what their columns hold


class Inspection(NamedTuple):
    """What is known of a file before its events are read.

    Attributes:
        events: How many there are.
        geometry: Size of the sensor.
        assumed: What the file does not say, as sentences, or nothing.
        chunk_events: Events that are stored, and so broken, together.
        place: Byte offset of the times in the file, or 0 where they lie in pieces.
    """

    events: int
    geometry: Geometry
    assumed: str
    chunk_events: int
    place: int


@contextmanager
def opened(path: Path, options: Mapping[str, str]) -> Iterator[Table]:
    """Open a file for reading; whatever h5py stumbles over becomes our error.

    Raises:
        FormatError: It holds no events that we know how to read.
        DamagedFileError: It is broken.
        MissingDependencyError: h5py, or what decompresses the file, is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError.of("h5py", extra="formats", purpose="reading HDF5") from error
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401  (registers the compressions that DSEC uses)
    with _our_errors(), h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES) as file:
        yield Table(file, options)


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except HilError:
        raise
    except BROKEN as error:
        message = f"the file is broken: {' '.join(str(error).split())[:200]}"
        raise DamagedFileError(message, offset_bytes=0) from error


class Table:
    """The columns of events, wherever the file keeps them."""

    def __init__(self, file: Any, options: Mapping[str, str]) -> None:
        self._columns = self._find(file)
        sizes = {len(column) for column, _ in self._columns.values()}
        if len(sizes) != 1:
            message = f"the columns must be of one length, but have {sorted(sizes)}"
            raise DamagedFileError(message, offset_bytes=0)
        length = sizes.pop()
        for dataset, _ in self._columns.values():
            _check_dataset(dataset)
        self._offset_us = _offset_us(file)
        self._unit, assumed_unit = unit_of(self._time_name(), self._first_times(length), options, own=True)
        self._whole = bool(assumed_unit) and self._unit != "s"
        geometry, assumed_size = _geometry(file, partial(self._stored, 0, min(STEP_EVENTS, length)), options)
        self.inspection = Inspection(
            length,
            geometry,
            "\n".join(filter(None, (assumed_unit, assumed_size))),
            max((dataset.chunks or (STEP_EVENTS,))[0] for dataset, _ in self._columns.values()),
            int(self._columns["t"][0].id.get_offset() or 0),
        )

    def _find(self, file: Any) -> dict[str, tuple[Any, str | int]]:
        """Return the data set of each column, and its field or number there, nothing where it is all there is."""
        for name, order in ROWS.items():
            table = file.get(name)
            if getattr(table, "shape", ())[1:] == (4,):
                return {column: (table, order.index(column)) for column in "txyp"}
        for name in GROUPS:
            group = file.get(name)
            datasets = list(group) if hasattr(group, "keys") else []
            found = name_columns(datasets)
            if len(found) == 4:
                return {column: (group[member], "") for column, member in found.items()}
            if "events" in datasets and getattr(group["events"], "dtype", np.dtype("i1")).names:
                fields = name_columns(group["events"].dtype.names)
                if len(fields) == 4:
                    return {column: (group["events"], field) for column, field in fields.items()}
        message = (
            f"the file has no CD/events and no events/t, x, y, p; it has {', '.join(list(file)[:20]) or 'nothing'}"
        )
        raise FormatError(message)

    def _first_times(self, length: int) -> npt.NDArray[Any]:
        """Return as many times as their unit can be told by; none of whole numbers where the first is broken."""
        dataset, field = self._columns["t"]
        dtype = dataset.dtype[field] if field and isinstance(field, str) else dataset.dtype
        if dtype.kind == "f":
            return self._stored(0, min(STEP_EVENTS, length))["t"]
        try:
            return self._stored(0, min(1, length))["t"]
        except BROKEN:
            return np.empty(0, dtype)

    def _time_name(self) -> str:
        dataset, field = self._columns["t"]
        return field if isinstance(field, str) and field else str(dataset.name).rpartition("/")[2]

    def read(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """Return a stretch of every column, times in microseconds.

        Raises:
            DamagedFileError: It cannot be read, or is shorter than the file said.
        """
        with _our_errors():
            columns = self._stored(start, stop)
            columns["t"] = microseconds(columns["t"], self._unit, whole=self._whole) + self._offset_us
        if any(len(column) != stop - start for column in columns.values()):
            message = f"the file has no events {start} to {stop - 1}, though it said so when it was opened"
            raise DamagedFileError(message, offset_bytes=0)
        return columns

    def _stored(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """Return a stretch of every column as the file has it; what shares a data set is read once."""
        stretches: dict[str, npt.NDArray[Any]] = {}
        columns = {}
        for column, (dataset, field) in self._columns.items():
            if dataset.name not in stretches:
                stretches[dataset.name] = dataset[start:stop]
            stretch = stretches[dataset.name]
            columns[column] = stretch[:, field] if isinstance(field, int) else stretch[field] if field else stretch
        return columns


def _check_dataset(dataset: Any) -> None:
    if dataset.shape[1:] not in ((), (4,)) or dataset.dtype.hasobject:
        message = f"data set {dataset.name} has shape {dataset.shape}; expected one dimension, or four columns"
        raise FormatError(message)
    properties = dataset.id.get_create_plist()
    _check_filters(dataset.name, properties)
    if dataset.chunks:
        needed = math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        if math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_CHUNK_BYTES:
            message = f"data set {dataset.name} has chunks of {dataset.chunks[0]} events"
            raise DamagedFileError(message, offset_bytes=0)
        if dataset.id.get_num_chunks() < needed:
            message = f"data set {dataset.name} has {dataset.id.get_num_chunks()} of {needed} chunks"
            raise DamagedFileError(message, offset_bytes=0)
    elif dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize:
        message = f"data set {dataset.name} has fewer bytes than its {dataset.shape[0]} events take"
        raise DamagedFileError(message, offset_bytes=0)


def _check_filters(name: str, properties: Any) -> None:
    import h5py

    for index in range(properties.get_nfilters()):
        code, _, _, description = properties.get_filter(index)
        if not h5py.h5z.filter_avail(code):
            label = description.decode("latin-1") or str(code)
            message = (
                f"data set {name} is compressed with {label} ({code}), which needs its HDF5 plugin, e.g. hdf5plugin"
            )
            raise MissingDependencyError(message)


def _offset_us(file: Any) -> int:
    offset = file.get("t_offset")
    return int(np.asarray(offset[()]).ravel()[0]) if offset is not None else 0


def _geometry(
    file: Any, read_head: Callable[[], Mapping[str, npt.NDArray[Any]]], options: Mapping[str, str]
) -> tuple[Geometry, str]:
    stated = _stated(file)
    if stated or {"width", "height"} <= options.keys():
        return option.geometry(options, stated or Geometry(1, 1)), ""
    if "ms_to_idx" in file:
        return option.geometry(options, GEN3), "a sensor of 640 x 480, because the layout is DSEC's"
    head = read_head()
    guess, assumed = smallest_sensor(head["x"], head["y"])
    return option.geometry(options, guess), assumed


def _stated(file: Any) -> Geometry | None:
    """Return the size that attributes state: ``geometry`` as 1280x720, or ``width`` and ``height``."""
    attributes = {str(name).lower(): file.attrs[name] for name in file.attrs}
    text = attributes.get("geometry", "")
    text = text.decode("latin-1") if isinstance(text, bytes) else str(text)
    parts = text.split("x") if text else [str(attributes.get(name, "")) for name in ("width", "height")]
    if len(parts) == 2 and all(part.isdecimal() and 1 <= int(part) <= 65536 for part in parts):
        return Geometry(int(parts[0]), int(parts[1]))
    return None
