"""NumPy archives (.npz) of columns t, x, y, p: read in step without ever holding a whole column, and written so.

Nothing is unpickled: the members' headers are parsed by numpy's own literal parser, and object columns are refused.
"""

from __future__ import annotations

import ast
import math
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import DamagedFileError, FormatError, HilError
from hil.registry import refuse_unknown_options
from hil.types import EventBatch, Geometry, Int64Array
from sensors.formats import options as option
from sensors.formats.columns_io import commit, name_columns
from sensors.formats.geometry import smallest_sensor
from sensors.formats.recording import FileRecording, Layout, Steps
from sensors.formats.sink import Sink
from sensors.formats.time_units import microseconds, unit_of
from sensors.formats.writing import in_order, replacing

__all__ = ["FORMAT", "Npz", "write"]

STEP_EVENTS = 1 << 16
COPY_BYTES = 1 << 20
LONGEST_HEADER = 1 << 16
PLAIN_TYPE = re.compile(r"[<>=|]?(b1|\?|[iu][1248]|f[248])")
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    NotImplementedError,
    RuntimeError,
)
Times: TypeAlias = Callable[[npt.NDArray[Any]], Int64Array]
DTYPES = {"t": "<i8", "x": "<u2", "y": "<u2", "p": "|b1"}


class Npz:
    """The ``SourceFormat`` of NumPy archives; options ``width``, ``height``, ``time_unit`` for what it does not say."""

    name = "npz"
    about = "NumPy archive of columns t, x, y, p (.npz)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for a zip file whose first member is an array."""
        return head.startswith(b"PK\3\4") and b".npy" in head[:256]

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``width``, ``height``, ``time_unit``."""
        refuse_unknown_options(options, ["width", "height", "time_unit"], of=self.name)
        with _archive(path) as archive:
            members = _members(archive)
            try:
                with _Arrays(archive, members) as arrays:
                    events, time_name, head = arrays.length, arrays.time_name, arrays.read(STEP_EVENTS)
            except HilError:
                raise
            except BROKEN as error:
                raise DamagedFileError(f"the archive is broken: {error}", offset_bytes=0) from error
            stated = _stated_size(archive)
        geometry, assumed_size = _geometry(stated, head, options)
        unit, assumed_unit = unit_of(time_name, head["t"], options, own=stated is not None)
        assumed = "\n".join(filter(None, (assumed_unit, assumed_size)))
        times = partial(microseconds, unit=unit, whole=bool(assumed_unit) and unit != "s")

        def decode(sink: Sink) -> Steps:
            yield from _decode(path, members, geometry, times, sink)

        return FileRecording(
            path, Layout(self.name, geometry, events, assumed=assumed, resizable=True), decode, salvage=salvage
        )


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except BROKEN as error:
        message = f"the archive is broken: {error}"
        raise DamagedFileError(message, offset_bytes=path.stat().st_size) from error


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the member of each column, or of one structured array: the one called events, or the only one."""
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    found = name_columns(names)
    if len(found) == 4:
        return found
    if "events" in names or len(names) == 1:
        return {"events": "events" if "events" in names else names[0]}
    message = f"the archive has no columns t, x, y, p and no structured array events; it has {', '.join(names[:20])}"
    raise FormatError(message)


class _Arrays:
    """The open members of an archive, read in step."""

    def __init__(self, archive: zipfile.ZipFile, members: Mapping[str, str]) -> None:
        self._members = members
        self._streams: dict[str, tuple[IO[bytes], np.dtype[Any]]] = {}
        self.offset = min(archive.getinfo(f"{name}.npy").header_offset for name in members.values())
        with ExitStack() as opened:
            lengths = {self._add(opened, archive, column, name) for column, name in members.items()}
            if len(lengths) != 1:
                message = f"the columns must be of one length, but have {sorted(lengths)}"
                raise DamagedFileError(message, offset_bytes=self.offset)
            self.length = lengths.pop()
            self._opened = opened.pop_all()

    def _add(self, opened: ExitStack, archive: zipfile.ZipFile, column: str, name: str) -> int:
        """Open one member; return its length."""
        try:
            stream = opened.enter_context(archive.open(f"{name}.npy"))
            shape, dtype = _array_header(stream)
        except BROKEN as error:
            place = archive.getinfo(f"{name}.npy").header_offset
            raise DamagedFileError(f"array {name} is broken: {error}", offset_bytes=place) from error
        if column == "events" and not dtype.names:
            message = f"the archive has no columns t, x, y, p and no structured array of them; it has {name}"
            raise FormatError(message)
        _check_array(name, shape, dtype)
        self._streams[column] = (stream, dtype)
        return shape[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    @property
    def time_name(self) -> str:
        """Name of the column of times, which may say its unit."""
        fields = self._streams["events"][1].names if "events" in self._streams else None
        return name_columns(fields)["t"] if fields else self._members["t"]

    def read(self, n_events: int) -> dict[str, npt.NDArray[Any]]:
        """Return the next events of every column; fewer where a member ends early."""
        arrays = {}
        for column, (stream, dtype) in self._streams.items():
            data = stream.read(n_events * dtype.itemsize)
            arrays[column] = np.frombuffer(data, dtype, count=len(data) // dtype.itemsize)
        if "events" in arrays:
            events = arrays["events"]
            arrays = {column: events[name] for column, name in name_columns(events.dtype.names or ()).items()}
        shortest = min(len(array) for array in arrays.values())
        return {column: array[:shortest] for column, array in arrays.items()}


def _array_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Parse the header of an array; numpy's own parser lets errors of Python's tokenizer through.

    Raises:
        ValueError: It is no header, or of an array that cannot be a column.
    """
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError("no NumPy array")
    code = "<H" if magic[6] == 1 else "<I"
    (length,) = struct.unpack(code, stream.read(struct.calcsize(code)))
    if length > LONGEST_HEADER:
        raise ValueError("the header is too long")
    try:
        header = ast.literal_eval(stream.read(length).decode("latin-1").strip())
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        message = f"the header is no literal: {error}"
        raise ValueError(message) from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ValueError("the header has other keys than an array's")
    shape = header["shape"]
    if not isinstance(shape, tuple) or not all(type(size) is int and 0 <= size < 1 << 48 for size in shape):
        message = f"the array has shape {shape!r}"
        raise ValueError(message)
    return shape, _dtype(header["descr"])


def _dtype(described: object) -> np.dtype[Any]:
    if isinstance(described, str) and PLAIN_TYPE.fullmatch(described):
        return np.dtype(described)
    fields = described if isinstance(described, list) else []
    named = all(isinstance(field, tuple) and len(field) == 2 and isinstance(field[0], str) for field in fields)
    if fields and named and len({name for name, _ in fields}) == len(fields):
        return np.dtype([(name, _dtype(kind)) for name, kind in fields])
    message = f"the array is of type {str(described)[:60]}; expected plain numbers"
    raise ValueError(message)


def _check_array(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    fields = name_columns(dtype.names or ())
    numeric = dtype.kind in "iufb" if not dtype.names else len(fields) == 4 and not dtype.hasobject
    if len(shape) != 1 or not numeric or not dtype.itemsize:
        message = f"array {name} has shape {shape} and type {dtype}; expected one dimension of numbers"
        raise FormatError(message)


def _geometry(
    stated: Geometry | None, head: Mapping[str, npt.NDArray[Any]], options: Mapping[str, str]
) -> tuple[Geometry, str]:
    if stated or {"width", "height"} <= options.keys():
        return option.geometry(options, stated or Geometry(1, 1)), ""
    guess, assumed = smallest_sensor(head["x"], head["y"])
    return option.geometry(options, guess), assumed


def _stated_size(archive: zipfile.ZipFile) -> Geometry | None:
    sizes = [_scalar(archive, name) for name in ("width", "height")]
    return Geometry(*sizes) if all(1 <= size <= 65536 for size in sizes) else None


def _scalar(archive: zipfile.ZipFile, name: str) -> int:
    if f"{name}.npy" not in archive.namelist():
        return 0
    try:
        with archive.open(f"{name}.npy") as stream:
            shape, dtype = _array_header(stream)
            if math.prod(shape) == 1 and dtype.kind in "iu":
                return int(np.frombuffer(stream.read(dtype.itemsize), dtype)[0])
    except BROKEN:
        return 0
    return 0


def _decode(path: Path, members: Mapping[str, str], geometry: Geometry, times: Times, sink: Sink) -> Steps:
    file_bytes = path.stat().st_size
    done = 0
    with _archive(path) as archive, _Arrays(archive, members) as arrays:
        while done < arrays.length:
            try:
                done += _step(arrays, geometry, times, sink, done)
            except DamagedFileError as error:
                if not sink.salvage:
                    raise
                sink.account.add(arrays.offset, 0, error.message, events=arrays.length - done)
                return
            yield file_bytes * done // arrays.length


def _step(arrays: _Arrays, geometry: Geometry, times: Times, sink: Sink, done: int) -> int:
    wanted = min(STEP_EVENTS, arrays.length - done)
    try:
        columns = arrays.read(wanted)
        columns["t"] = times(columns["t"])
    except BROKEN as error:
        raise DamagedFileError(f"the columns are broken: {error}", offset_bytes=arrays.offset) from error
    if len(columns["t"]):
        commit(sink, columns, geometry, (arrays.offset, 0), done)
    elif wanted:
        message = f"the columns claim {arrays.length} events, but end after {done}"
        raise DamagedFileError(message, offset_bytes=arrays.offset)
    return len(columns["t"])


def write(path: Path, batches: Iterable[EventBatch], geometry: Geometry) -> int:
    """Write a recording as an uncompressed NumPy archive of columns, with ``width`` and ``height``.

    The columns wait in temporary files beside the target, so no more than a batch is ever in memory.

    Returns:
        How many events were written.

    Raises:
        InvalidValueError: The events are out of order or outside the sensor.
    """
    path = Path(path)
    with replacing(path) as file, ExitStack() as stack:
        parts = {name: stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for name in DTYPES}
        written = 0
        for batch in in_order(batches, geometry):
            for name, part in parts.items():
                part.write(np.ascontiguousarray(getattr(batch, name), DTYPES[name]).tobytes())
            written += len(batch)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, part in parts.items():
                part.seek(0)
                _add(archive, name, DTYPES[name], (written,), iter(partial(part.read, COPY_BYTES), b""))
            for name, size in (("width", geometry.width), ("height", geometry.height)):
                _add(archive, name, "<i8", (), iter([struct.pack("<q", size)]))
    return written


def _add(archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int, ...], pieces: Iterator[bytes]) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    with archive.open(entry, "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, {"descr": dtype, "fortran_order": False, "shape": shape})
        for piece in pieces:
            member.write(piece)


FORMAT = Npz()
