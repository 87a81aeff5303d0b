"""ROS 2 bags in SQLite (.db3) with messages of events.

After rosbag2's ``sqlite_storage``: tables ``topics`` and ``messages``, read in the order they were recorded. SQLite
finds damage in its own pages; where a broken page ends and what it held nobody can say, so the account of a salvaged
file has no bytes.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hil.errors import DamagedFileError, FormatError
from sensors.formats.recording import Steps
from sensors.formats.ros import BagFormat, Topic

__all__ = ["FORMAT", "Ros2"]

MAX_MESSAGE_BYTES = 1 << 28
BROKEN = (sqlite3.Error, UnicodeError, OverflowError)  # SQLite's own messages may quote bytes that are no text


class Ros2(BagFormat):
    """The ``SourceFormat`` of ROS 2 SQLite bags; option ``topic``, by default the first that holds events."""

    name = "ros2"
    about = "ROS 2 SQLite bag with event_camera_msgs or dvs_msgs (.db3)"
    signature = b"SQLite format 3\0"

    def steps(self, path: Path, topic: Topic) -> Steps:
        """Read message by message; in salvage, step over those that SQLite cannot reach."""
        _check_size(path, topic)
        try:
            with closing(_connect(path)) as database:
                for number, name, message_type, serialisation in _topics(database):
                    topic.declare(number, name, message_type, cdr=serialisation == "cdr")
                yield from _walk(database, topic)
        except BROKEN as error:
            _lose(topic, f"the database is broken: {error}", error)


def _walk(database: sqlite3.Connection, topic: Topic) -> Steps:
    """Hand messages to the topic in the order of their ids."""
    last = database.execute("SELECT max(id) FROM messages").fetchone()[0]
    last = last if isinstance(last, int) else 0
    at, gap = 0, 1
    while at <= last:
        try:
            for at, data, number in _messages(database, at):  # noqa: B020  (goes on behind the last one read)
                topic.take(number, data, 0, 0)
                gap = 1
                yield at
        except BROKEN as error:
            _lose(topic, f"messages from number {at + 1} on are broken: {error}", error)
            at, gap = at + gap, 2 * gap
        else:
            return


def _lose(topic: Topic, message: str, error: Exception) -> None:
    if not topic.sink.salvage:
        raise DamagedFileError(message, offset_bytes=0) from error
    topic.sink.account.add(0, 0, message, events=None)


def _check_size(path: Path, topic: Topic) -> None:
    missing = _missing_bytes(path)
    if not missing:
        return
    message = f"the database is cut short by {missing} bytes"
    if not topic.sink.salvage:
        raise DamagedFileError(message, offset_bytes=path.stat().st_size)
    topic.sink.account.add(path.stat().st_size, 0, message, events=None)


def _missing_bytes(path: Path) -> int:
    """Return how many bytes the header promises beyond the end (sqlite.org/fileformat.html, 1.3)."""
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100:
        return 100 - len(head)
    page_bytes, pages = struct.unpack_from(">H", head, 16)[0], struct.unpack_from(">I", head, 28)[0]
    written_by_same = head[24:28] == head[92:96]
    promised = (65536 if page_bytes == 1 else page_bytes) * pages if written_by_same else 0
    return max(0, promised - path.stat().st_size)


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    database = sqlite3.connect(uri, uri=True)
    database.text_factory = lambda raw: raw.decode("latin-1")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_MESSAGE_BYTES)
    return database


def _topics(database: sqlite3.Connection) -> list[tuple[int, str, str, str]]:
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"topics", "messages"} <= tables:
        message = f"the database is no ROS 2 bag; its tables: {', '.join(sorted(map(str, tables))) or 'none'}"
        raise FormatError(message)
    rows = database.execute("SELECT id, name, type, serialization_format FROM topics ORDER BY id").fetchmany(10_000)
    return [(int(number), str(name), str(kind), str(form)) for number, name, kind, form in rows if _is_int(number)]


def _is_int(value: object) -> bool:
    return isinstance(value, int)


def _messages(database: sqlite3.Connection, after: int) -> Iterator[tuple[int, bytes, int]]:
    query = "SELECT id, data, topic_id FROM messages WHERE id > ? ORDER BY id"
    for at, data, number in database.execute(query, (after,)):
        if isinstance(number, int) and isinstance(data, bytes) and isinstance(at, int):
            yield at, data, number


FORMAT = Ros2()
