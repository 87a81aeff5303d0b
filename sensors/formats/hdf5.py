"""HDF5 recordings, read stretch by stretch with h5py: the layouts of Prophesee, DSEC, v2e and MVSEC.

After docs.prophesee.ai ("HDF5 event file": ``CD/events``), dsec.ifi.uzh.ch (``events/t``, ``x``, ``y``, ``p``; times
count from ``t_offset``), v2e's ``--dvs_h5`` (``events``, four integers a row) and
daniilidis-group.github.io/mvsec (``davis/left/events``, four floats a row).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError, FormatError, HilError, MissingDependencyError
from hil.registry import refuse_unknown_options
from hil.types import Geometry
from sensors.formats import options as option
from sensors.formats.columns_io import commit, microseconds, name_columns
from sensors.formats.geometry import smallest_sensor
from sensors.formats.percent_header import GEN3
from sensors.formats.recording import FileRecording, Layout, Steps
from sensors.formats.sink import Sink

__all__ = ["FORMAT", "Hdf5", "Inspection", "inspect"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
STEP_EVENTS = 1 << 17
MAX_CHUNK_BYTES = 1 << 28
BROKEN = (OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError)
GROUPS = ("events", "CD", "/")
ROWS = {"events": "txyp", "davis/left/events": "xytp"}  # tables of v2e and of MVSEC, and what their columns hold


class Hdf5:
    """The ``SourceFormat`` of HDF5 files; options ``width`` and ``height`` where the file does not say."""

    name = "hdf5"
    about = "HDF5, layouts of Prophesee, DSEC, v2e and MVSEC (.h5, .hdf5)"

    def missing(self) -> str | None:
        """Say what must be installed."""
        return None if find_spec("h5py") else "h5py; pip install 'neuromorphic-hil[formats]'"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the signature."""
        return head.startswith(SIGNATURE)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``width``, ``height``."""
        from sensors.formats.hdf5_inspector import inspect_safely

        refuse_unknown_options(options, ["width", "height"], of=self.name)
        events, geometry, assumed = inspect_safely(path, options)

        def decode(sink: Sink) -> Steps:
            yield from _decode(path, geometry, sink)

        return FileRecording(path, Layout(self.name, geometry, events, assumed=assumed), decode, salvage=salvage)


class Inspection(NamedTuple):
    """What is known of a file before its events are read.

    Attributes:
        events: How many there are.
        geometry: Size of the sensor.
        assumed: What the file does not say, as a sentence, or nothing.
    """

    events: int
    geometry: Geometry
    assumed: str


def inspect(path: Path, options: Mapping[str, str]) -> Inspection:
    """Look at a file without reading its events; a damaged one may hang the library, see ``hdf5_inspector``.

    Raises:
        FormatError: It holds no events that we know how to read.
        DamagedFileError: It is broken.
        MissingDependencyError: h5py, or what decompresses the file, is not installed.
    """
    with _opened(path) as file:
        table = _Table(file)
        geometry, assumed = _geometry(file, table, options)
        return Inspection(table.length, geometry, assumed)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file for reading; whatever h5py stumbles over becomes our error."""
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError.of("h5py", extra="formats", purpose="reading HDF5") from error
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401  (registers the compressions that DSEC uses)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except HilError:
        raise
    except BROKEN as error:
        message = f"the file is broken: {' '.join(str(error).split())[:200]}"
        raise DamagedFileError(message, offset_bytes=0) from error


class _Table:
    """The columns of events, wherever the file keeps them."""

    def __init__(self, file: Any) -> None:
        self._columns = self._find(file)
        sizes = {len(column) for column, _ in self._columns.values()}
        if len(sizes) != 1:
            message = f"the columns must be of one length, but have {sorted(sizes)}"
            raise DamagedFileError(message, offset_bytes=0)
        self.length = sizes.pop()
        for dataset, _ in self._columns.values():
            _check_dataset(dataset)
        self._offset_us = _offset_us(file)

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

    @property
    def place(self) -> int:
        """Byte offset of the times in the file, or 0 where they lie in pieces."""
        return int(self._columns["t"][0].id.get_offset() or 0)

    @property
    def chunk_events(self) -> int:
        """Events that are stored, and so broken, together."""
        return max((dataset.chunks or (STEP_EVENTS,))[0] for dataset, _ in self._columns.values())

    def read(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """Return a stretch of every column."""
        arrays = {}
        for column, (dataset, field) in self._columns.items():
            if isinstance(field, int):
                arrays[column] = dataset[start:stop, field]
            else:
                arrays[column] = dataset.fields(field)[start:stop] if field else dataset[start:stop]
        arrays["t"] = microseconds(arrays["t"]) + self._offset_us
        return arrays


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


def _geometry(file: Any, table: _Table, options: Mapping[str, str]) -> tuple[Geometry, str]:
    stated = _stated(file)
    if stated or {"width", "height"} <= options.keys():
        return option.geometry(options, stated or Geometry(1, 1)), ""
    if "ms_to_idx" in file:
        return option.geometry(options, GEN3), "a sensor of 640 x 480, because the layout is DSEC's"
    head = table.read(0, min(STEP_EVENTS, table.length))
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


def _decode(path: Path, geometry: Geometry, sink: Sink) -> Steps:
    file_bytes = path.stat().st_size
    with _opened(path) as file:
        table = _Table(file)
        start = 0
        while start < table.length:
            stop = min(start + STEP_EVENTS, table.length)
            _take(table, start, stop, geometry, sink)
            start = stop
            yield file_bytes * stop // table.length


def _take(table: _Table, start: int, stop: int, geometry: Geometry, sink: Sink) -> None:
    """Commit a stretch; in salvage, take a broken one chunk by chunk and account for those that cannot be read."""
    try:
        columns = table.read(start, stop)
    except BROKEN as error:
        if not sink.salvage:
            raise
        step = table.chunk_events
        if stop - start > step:
            for first in range(start, stop, step):
                _take(table, first, min(first + step, stop), geometry, sink)
        else:
            sink.account.add(table.place, 0, f"events {start} to {stop - 1}: {error}", events=stop - start)
        return
    commit(sink, columns, geometry, (table.place, 0), start)


FORMAT = Hdf5()
