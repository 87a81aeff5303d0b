"""Events as lines of text, comma- or space-separated: reading what others write, and writing.

What the first lines can say is in ``text_head``; what they leave out is guessed from the first events, said aloud, and
overruled by options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from hil.errors import FormatError, InvalidValueError
from hil.registry import refuse_unknown_options
from hil.types import EventBatch, Geometry
from sensors.formats import options as option
from sensors.formats import text_head
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.sink import EARLIEST_US
from sensors.formats.text_head import MOST_FIELDS, TextHead
from sensors.formats.time_units import UNITS
from sensors.formats.words import Kernel, WordStream
from sensors.formats.writing import in_order, replacing

__all__ = ["FORMAT", "Text", "write"]

HEAD_BYTES = 1 << 16
LINE_BYTES = 40
ABOUT_LINE_BYTES = 12
SHORTEST_LINE_BYTES = 8
SUFFIXES = (".csv", ".tsv", ".txt")


class Text:
    """The ``SourceFormat`` of lines of text.

    Options: ``order`` of the columns such as ``xypt``, with ``-`` for one to pass over; ``time_unit`` = s, ms, us, ns;
    ``width`` and ``height``.
    """

    name = "csv"
    about = "Lines of t, x, y, p, separated by commas or spaces (.csv, .txt)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for lines of four numbers that can be events, or names of columns; by its suffix, take any text."""
        whole = path.stat().st_size <= len(head)
        try:
            said = text_head.parse(head, whole=whole)
            return bool(said.order or said.guess_order())
        except FormatError:
            return path.suffix.lower() in SUFFIXES and text_head.is_text(head)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options as the class says."""
        refuse_unknown_options(options, ["order", "time_unit", "width", "height"], of=self.name)
        file_bytes = path.stat().st_size
        with path.open("rb") as file:
            said = text_head.parse(file.read(HEAD_BYTES), whole=file_bytes <= HEAD_BYTES)
        order, assumed_order = _order(said, options)
        unit, assumed_unit = _unit(said, order, options)
        geometry, assumed_size = _geometry(said, order, options)
        places = (order.index(column) for column in "txyp")
        whole = bool(assumed_unit) and unit != "s"
        limits = (geometry.width, geometry.height, *places, *UNITS[unit], file_bytes, said.n_fields, whole)
        stream = WordStream(
            path,
            said.start,
            np.uint8,
            _kernel,
            tuple(map(int, limits)),
            (EARLIEST_US, *[0] * (2 * MOST_FIELDS)),
            SHORTEST_LINE_BYTES,
            events_when_cut=1,
            ending=b"\n",
        )
        assumed = "\n".join(filter(None, (assumed_order, assumed_unit, assumed_size)))
        layout = Layout(self.name, geometry, file_bytes // ABOUT_LINE_BYTES, assumed=assumed, resizable=True)
        return FileRecording(path, layout, stream.decode, salvage=salvage)


def _order(said: TextHead, options: Mapping[str, str]) -> tuple[str, str]:
    """Return which field is which, as long as every line; and what was taken for granted."""
    order, assumed = options.get("order", said.order), ""
    if not order:
        order, assumed = said.guess_order()
    if any(order.count(column) != 1 for column in "txyp") or set(order) - set("txyp-"):
        message = f"option order must name t, x, y and p once each, such as xypt or t-xyp, but is {order!r}"
        raise InvalidValueError(message)
    if said.rows and len(order) > said.n_fields:
        message = f"option order is {order!r}, {len(order)} fields, but the lines have {said.n_fields}"
        raise InvalidValueError(message)
    if len(order.rstrip("-")) > MOST_FIELDS:
        message = f"the columns t, x, y and p must be among the first {MOST_FIELDS}, but are {order}"
        raise FormatError(message)
    return order, assumed


def _unit(said: TextHead, order: str, options: Mapping[str, str]) -> tuple[str, str]:
    if "time_unit" in options or said.unit:
        return option.choice(options, "time_unit", said.unit, tuple(UNITS)), ""
    return said.guess_unit(order)


def _geometry(said: TextHead, order: str, options: Mapping[str, str]) -> tuple[Geometry, str]:
    if said.geometry or {"width", "height"} <= options.keys():
        return option.geometry(options, said.geometry or Geometry(1, 1)), ""
    guess, assumed = said.guess_geometry(order)
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
