"""Events as lines of text, comma- or space-separated: reading what others write, and writing.

Known first lines: names of columns (also ``x@640`` with a size, as faery writes), ``# width 640, height 480``,
``%geometry:640,480`` (Metavision, whose columns are x, y, p, t) and two numbers alone (a size). Times with a point are
seconds, others microseconds; options say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hil.errors import FormatError, InvalidValueError
from hil.registry import refuse_unknown_options
from hil.types import EventBatch, Geometry
from sensors.formats import options as option
from sensors.formats.columns_io import NAMES
from sensors.formats.geometry import smallest_sensor
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel, WordStream
from sensors.formats.writing import in_order, replacing

__all__ = ["FORMAT", "Text", "write"]

HEAD_BYTES = 1 << 16
LINE_BYTES = 40
ABOUT_LINE_BYTES = 12
MOST_FIELDS = 16  # of a line that are looked at, as the compiled loop has it
SHORTEST_LINE_BYTES = 8
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # spreadsheets start their files with it
PRINTABLE = re.compile(rb"[\t\r\x20-\x7e]*")
SPLIT = re.compile(r"[\s,;]+")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
POLARITY = re.compile(r"0|[+-]?1|true|false|on|off", re.IGNORECASE)
UNITS = {"s": (6, 1), "ms": (3, 1), "us": (0, 1), "ns": (0, 1000)}
METAVISION_ORDER = "xypt"


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the first lines say.

    Attributes:
        start: Byte offset of the first line of events.
        order: Which column each of the first fields is, such as ``txyp``; other letters are passed over.
        geometry: Size of the sensor, or None.
        first: Fields of the first line of events.
    """

    start: int = 0
    order: str = ""
    geometry: Geometry | None = None
    first: tuple[str, ...] = ()

    def field(self, column: str) -> str:
        at = (self.order or "txyp").find(column)
        return self.first[at] if 0 <= at < len(self.first) else ""


class Text:
    """The ``SourceFormat`` of lines of text.

    Options: ``order`` of the columns such as ``xypt``, with ``-`` for one to pass over; ``time_unit`` = s, ms, us, ns;
    ``width`` and ``height``.
    """

    name = "csv"
    about = "Lines of t, x, y, p, separated by commas or spaces (.csv, .txt)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for a line of four numbers that can be an event behind at most a few lines of header."""
        try:
            shape = _shape(head)
        except FormatError:
            return False
        whole = all(shape.field(column).isdecimal() for column in "xy")
        numeric = bool(NUMBER.fullmatch(shape.field("t")))
        return whole and numeric and bool(POLARITY.fullmatch(shape.field("p")))

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options as the class says."""
        refuse_unknown_options(options, ["order", "time_unit", "width", "height"], of=self.name)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        shape = _shape(head)
        shape = replace(shape, order=_order(options.get("order") or shape.order or "txyp"))
        geometry, assumed = _geometry(shape, head, options)
        seconds = "s" if "." in shape.field("t") else "us"
        decimals, divisor = UNITS[option.choice(options, "time_unit", seconds, tuple(UNITS))]
        places = tuple(shape.order.index(column) for column in "txyp")
        limits = (geometry.width, geometry.height, *places, decimals, divisor, path.stat().st_size)
        stream = WordStream(
            path,
            shape.start,
            np.uint8,
            _kernel,
            limits,
            (EARLIEST_US, *[0] * (2 * MOST_FIELDS)),
            SHORTEST_LINE_BYTES,
            events_when_cut=1,
            ending=b"\n",
        )
        layout = Layout(self.name, geometry, path.stat().st_size // ABOUT_LINE_BYTES, assumed=assumed)
        return FileRecording(path, layout, stream.decode, salvage=salvage)


def _order(text: str) -> str:
    if any(text.count(column) != 1 for column in "txyp") or len(text) > 16:
        message = f"option order must name t, x, y and p once each, such as xypt or t-xyp, but is {text!r}"
        raise InvalidValueError(message)
    return text


def _shape(head: bytes) -> _Shape:
    """Read the lines before the first event.

    Raises:
        FormatError: This is no text, or there is no line of at least four fields.
    """
    if b"\0" in head:
        raise FormatError("the file is no text")
    shape = _Shape(start=len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0)
    while shape.start < len(head):
        stop = head.find(b"\n", shape.start)
        line = head[shape.start : stop if stop >= 0 else len(head)]
        if not PRINTABLE.fullmatch(line):
            raise FormatError("the file is no text")
        fields = [field for field in SPLIT.split(line.decode("ascii")) if field]
        after = shape.start + len(line) + 1
        if fields and all(NUMBER.fullmatch(field) or POLARITY.fullmatch(field) for field in fields):
            if len(fields) >= 4:
                return replace(shape, first=tuple(fields))
            shape = replace(shape, geometry=_size(fields))
        elif fields:
            shape = _header_line(line.decode("ascii"), fields, shape)
        shape = replace(shape, start=after)
    raise FormatError("the file has no line of at least four numbers")


def _header_line(line: str, fields: list[str], shape: _Shape) -> _Shape:
    if line.lstrip()[0] in "#%":
        size = re.search(r"geometry:?\s*(\d+)\s*[x,]\s*(\d+)", line) or re.search(
            r"width\D{0,3}(\d+).*height\D{0,3}(\d+)", line
        )
        metavision = METAVISION_ORDER if line.startswith("%geometry") else shape.order
        return replace(shape, geometry=_size(list(size.groups())) if size else shape.geometry, order=metavision)
    names = [field.partition("@") for field in fields]
    columns = {name: column for column, known in NAMES.items() for name in known}
    order = "".join(columns.get(name.lower(), "-") for name, _, _ in names)
    if any(order.count(column) != 1 for column in "txyp"):
        message = f"the columns are named {', '.join(fields[:8])}; expected t, x, y and p"
        raise FormatError(message)
    sizes = [names[order.index(column)][2] for column in "xy"]
    return replace(shape, order=order, geometry=_size(sizes) or shape.geometry)


def _size(fields: list[str]) -> Geometry | None:
    if len(fields) == 2 and all(re.fullmatch(r"\d{1,5}", field) and 1 <= int(field) <= 65536 for field in fields):
        return Geometry(int(fields[0]), int(fields[1]))
    return None


def _geometry(shape: _Shape, head: bytes, options: Mapping[str, str]) -> tuple[Geometry, str]:
    if shape.geometry or {"width", "height"} <= options.keys():
        return option.geometry(options, shape.geometry or Geometry(1, 1)), ""
    x, y = [], []
    for line in head[shape.start :].decode("latin-1").splitlines()[:-1]:
        fields = [field for field in SPLIT.split(line) if field]
        texts = [fields[shape.order.index(column)] if len(fields) >= len(shape.order) else "" for column in "xy"]
        if all(re.fullmatch(r"\d{1,5}", text) for text in texts):
            x.append(int(texts[0]))
            y.append(int(texts[1]))
    guess, assumed = smallest_sensor(np.array(x, np.int64), np.array(y, np.int64))
    return option.geometry(options, guess), assumed


def _kernel() -> Kernel:
    from sensors.formats.kernels.text import decode

    return decode


def write(path: Path, batches: Iterable[EventBatch], geometry: Geometry) -> int:
    """Write a recording as lines ``t,x,y,p`` behind a line ``t,x@WIDTH,y@HEIGHT,on``, as faery writes and reads.

    Returns:
        How many events were written.

    Raises:
        InvalidValueError: The events are out of order or outside the sensor.
    """
    from sensors.formats.kernels.text import encode

    written = 0
    with replacing(Path(path)) as file:
        file.write(f"t,x@{geometry.width},y@{geometry.height},on\n".encode())
        for batch in in_order(batches, geometry):
            text = np.empty(LINE_BYTES * len(batch), np.uint8)
            file.write(text[: encode(batch.t, batch.x, batch.y, batch.p, text)].tobytes())
            written += len(batch)
    return written


FORMAT = Text()
