"""What the first lines of a text of events say, and what is taken for granted where they do not say it.

Known first lines: names of columns, with units such as ``t_us`` or ``time (s)`` and sizes such as ``x@640`` (as faery
writes), behind a ``#`` as well; ``# width 640, height 480``; ``%geometry:640,480`` (Metavision, whose columns are x, y,
p, t); and two numbers alone (a size).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from hil.errors import FormatError
from hil.types import Geometry
from sensors.formats.columns_io import NAMES
from sensors.formats.geometry import smallest_sensor
from sensors.formats.time_units import guess, split_unit

__all__ = ["MOST_FIELDS", "TextHead", "is_text", "parse"]

MOST_FIELDS = 16  # of a line that are looked at, as the compiled loop has it
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # spreadsheets start their files with it
TEXT = re.compile(rb"[\t\r\n\x20-\x7e\x80-\xff]*")
BETWEEN = re.compile(r"\s*[,;]\s*|\s+")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.IGNORECASE)
MICRO_PLACES = re.compile(r"\.\d{6,}$")
WORD = re.compile(r"true|false|on|off", re.IGNORECASE)
POLARITIES = (-1, 0, 1)
ORDERS = ("txyp", "xypt", "xytp")  # in which files without names keep their columns


@dataclass(frozen=True, slots=True)
class TextHead:
    """What the first lines say.

    Attributes:
        start: Byte offset of the first line of events.
        order: Which column each field is, such as ``txyp``, with ``-`` for those to pass over; nothing if not stated.
        unit: Of the times; nothing if not stated.
        geometry: Size of the sensor; None if not stated.
        rows: Fields of the first lines of events.
    """

    start: int = 0
    order: str = ""
    unit: str = ""
    geometry: Geometry | None = None
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def n_fields(self) -> int:
        """How many fields every line has."""
        return len(self.rows[0]) if self.rows else len(self.order)

    def column(self, order: str, name: str) -> list[str]:
        """Return the numbers of a column, where lines have one there."""
        at = order.index(name)
        texts = (row[at] for row in self.rows if len(row) == self.n_fields)
        return [text for text in texts if NUMBER.fullmatch(text)]

    def guess_order(self) -> tuple[str, str]:
        """Return the order in which most lines make sense, and a sentence that says so.

        Raises:
            FormatError: No usual order makes sense.
        """
        if self.n_fields != 4:
            message = (
                f"the lines have {self.n_fields} fields and no names; say which they are with option order, such as "
                f"{'txyp'.ljust(min(self.n_fields, MOST_FIELDS), '-')}"
            )
            raise FormatError(message)
        sound = {order: self._sound(order) for order in ORDERS}
        order = max(ORDERS, key=lambda each: sound[each])
        if 2 * sound[order] < len(self.rows):
            message = (
                f"a line such as {','.join(self.rows[0])!r} is no event in an order of {', '.join(ORDERS)}; "
                "say which field is which with option order"
            )
            raise FormatError(message)
        return order, f"columns {', '.join(order)}, because the file does not name them; say otherwise with order"

    def _sound(self, order: str) -> int:
        """Count lines that can be events in an order, and follow the one before in time."""
        t, x, y, p = (order.index(name) for name in "txyp")
        last = Decimal("-Infinity")
        sound = 0
        for row in self.rows:
            if len(row) != 4 or not all(NUMBER.fullmatch(row[at]) for at in (t, x, y)):
                continue
            time = Decimal(row[t])
            sound += _is_place(row[x]) and _is_place(row[y]) and _is_polarity(row[p]) and time >= last
            last = time
        return sound

    def guess_unit(self, order: str) -> tuple[str, str]:
        """Return the unit of the times, and a sentence that says why.

        Raises:
            FormatError: No unit makes sense.
        """
        texts = self.column(order, "t")
        if not texts:
            return "us", ""
        times = [Decimal(text) for text in texts]
        span = float(max(times) - min(times))
        fixed = all(MICRO_PLACES.search(text) for text in texts)  # as 0.000000, where a recording starts
        whole = all(time == time.to_integral_value() for time in times) and not (fixed and span < 1e5)
        return guess(whole=whole, largest=float(max(map(abs, times))), span=span)

    def guess_geometry(self, order: str) -> tuple[Geometry, str]:
        """Return the smallest usual sensor that holds the first events, and a sentence that says so."""
        x, y = (np.array([float(place) for place in self.column(order, name)]) for name in "xy")
        return smallest_sensor(x[x < 65536], y[y < 65536])


def _is_place(text: str) -> bool:
    return 0 <= Decimal(text) < 65536 and Decimal(text) == Decimal(text).to_integral_value()


def _is_polarity(text: str) -> bool:
    return bool(WORD.fullmatch(text)) or (bool(NUMBER.fullmatch(text)) and Decimal(text) in POLARITIES)


def parse(head: bytes, *, whole: bool) -> TextHead:
    """Read the first lines of a file.

    Args:
        head: First bytes of the file.
        whole: Whether they are all of it; otherwise its last line is cut.

    Raises:
        FormatError: This is no text of events.
    """
    _check_bytes(head)
    said = TextHead(start=len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0)
    lines = head[said.start :].split(b"\n")
    if not whole and len(lines) > 1:
        lines.pop()
    rows: list[tuple[str, ...]] = []
    for line in lines:
        text = line.decode("utf-8", "replace").strip()
        fields = _fields(text)
        if text[:1] not in ("#", "%") and (rows or said.order or _is_event(fields)):
            rows += [fields] if text else []
        elif text and not rows:
            said = _before_events(text, fields, said)
        if not rows:
            said = replace(said, start=said.start + len(line) + 1)
    if not rows and not said.order:
        raise FormatError("the file has no line of at least four numbers, and none that names columns t, x, y and p")
    return _fitted(replace(said, rows=tuple(rows)))


def _check_bytes(head: bytes) -> None:
    if b"\0" in head:
        raise FormatError("the file is no text of single bytes; save text as UTF-8")
    if not is_text(head):
        raise FormatError("the file is no text")
    if b"\r" in head and b"\n" not in head:
        raise FormatError("the lines end as on old Macs; convert them with: tr '\\r' '\\n'")


def is_text(head: bytes) -> bool:
    """Say whether bytes are text, of whatever encoding that has single bytes for ASCII."""
    return TEXT.fullmatch(head) is not None


def _fields(text: str) -> tuple[str, ...]:
    fields = BETWEEN.split(text) if text else []
    return tuple(fields[:-1] if fields and not fields[-1] else fields)


def _is_event(fields: Sequence[str]) -> bool:
    return len(fields) >= 4 and all(NUMBER.fullmatch(field) or WORD.fullmatch(field) for field in fields)


def _fitted(said: TextHead) -> TextHead:
    """Fit names to lines that have a field more in front, as tables saved with their index do."""
    extra = said.n_fields - len(said.order)
    if not said.order or not extra:
        return said
    if extra != 1:
        message = f"the first line names {len(said.order)} columns, but the next has {said.n_fields} fields"
        raise FormatError(message)
    return replace(said, order=f"-{said.order}")


def _before_events(text: str, fields: Sequence[str], said: TextHead) -> TextHead:
    return _comment(text, said) if text[0] in "#%" else _first_line(text, fields, said)


def _comment(text: str, said: TextHead) -> TextHead:
    size = re.search(r"geometry:?\s*(\d+)\s*[x,]\s*(\d+)", text) or re.search(
        r"width\D{0,3}(\d+).*height\D{0,3}(\d+)", text
    )
    said = replace(said, geometry=_size(size.groups()) if size else said.geometry)
    if text.startswith("%geometry"):
        return replace(said, order="xypt", unit="us")
    named = _named(text.lstrip("#% "))
    return replace(said, order=named.order, unit=named.unit) if named else said


def _first_line(text: str, fields: Sequence[str], said: TextHead) -> TextHead:
    """Take a line that is no event: names, or the size of the sensor."""
    if all(NUMBER.fullmatch(field) for field in fields):
        size = _size(fields)
        if size is None:
            message = f"the line {text[:60]!r} has {len(fields)} numbers; an event has four, the size of a sensor two"
            raise FormatError(message)
        return replace(said, geometry=size)
    named = _named(text)
    if named is None:
        message = f"the columns are named {', '.join(fields[:8])}; expected t, x, y and p"
        raise FormatError(message)
    return replace(named, start=said.start, geometry=named.geometry or said.geometry)


def _named(text: str) -> TextHead | None:
    """Return what a line of names says, or None where it is none."""
    separated = re.split(r"[,;]", text.rstrip(",; ")) if re.search(r"[,;]", text) else text.split()
    names = [name.strip().strip("\"'").partition("@") for name in separated]
    columns = {name: column for column, known in NAMES.items() for name in known}
    units = [split_unit(name) for name, _, _ in names]
    order = "".join(columns.get(name, "-") for name, _ in units)
    if any(order.count(column) != 1 for column in "txyp"):
        return None
    size = _size([names[order.index(column)][2] for column in "xy"])
    return TextHead(order=order, unit=units[order.index("t")][1] or ("us" if size else ""), geometry=size)


def _size(fields: Sequence[str]) -> Geometry | None:
    if len(fields) == 2 and all(re.fullmatch(r"\d{1,5}", field) and 1 <= int(field) <= 65536 for field in fields):
        return Geometry(int(fields[0]), int(fields[1]))
    return None
