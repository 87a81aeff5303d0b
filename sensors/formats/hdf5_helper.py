"""Reads HDF5 files in a process of its own, because damaged ones can hang or crash the library that reads them.

One helper process is started when the first file is opened and reads all that follow; if it does not answer in time it
is ended, and the next file gets a new one. It runs ``serve``: a request a line in; out come an answer a line, both
JSON, and behind it the bytes of the columns that it names.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

import hil.errors
from hil.errors import DamagedFileError, HilError, MissingDependencyError
from hil.types import Geometry
from sensors.formats.hdf5_table import Inspection, Table, opened

__all__ = ["Helper", "HungError", "Remote", "serve"]

ANSWER_S: Final = 4.0
BYTES_PER_S: Final = 1e8  # a big file may take longer: its pieces are counted
START_S: Final = 60.0  # for a busy machine to start a process and load the library


class HungError(DamagedFileError):
    """The library did not come back from a file; asking again would take as long."""


class Helper:
    """The helper process, seen from outside."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603  (our own module)
            [
                sys.executable,
                "-P",
                "-c",
                f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C is for us alone
        )
        self._answers: SimpleQueue[tuple[bytes, bytes]] = SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        if not self._answer(START_S)[0]:  # that it is ready
            self.close()
            raise MissingDependencyError("reading HDF5 needs a second Python process, but that did not start")

    def _listen(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as answers:
                while line := answers.readline():
                    self._answers.put((line, answers.read(json.loads(line).get("bytes", 0))))
        self._answers.put((b"", b""))

    def _answer(self, timeout_s: float) -> tuple[bytes, bytes]:
        try:
            return self._answers.get(timeout=timeout_s)
        except Empty:
            return b"", b""

    def ask(self, request: Mapping[str, Any], *, timeout_s: float) -> tuple[dict[str, Any], bytes] | None:
        """Return the answer, or None where the process did not survive the question, or does not come back from it."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
        except OSError:
            return None
        line, data = self._answer(timeout_s)
        return (json.loads(line), data) if line else None

    def close(self) -> None:
        """End the process; may be called twice."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        if self._process.stdin is not None:
            with suppress(OSError):  # what was not sent is lost
                self._process.stdin.close()


_lock = threading.Lock()
_running: list[Helper] = []
_of_our_parent: list[Helper] = []  # a forked process must not talk to these, nor tidy them up


class Remote:
    """A file as the helper reads it: in bounded time, whatever the file does.

    Every method raises ``HungError`` where the library hangs or crashes, and else what ``hdf5_table`` raises.
    """

    def __init__(self, path: Path, options: Mapping[str, str]) -> None:
        self._file = {"path": str(path.absolute()), "options": dict(options)}
        self._timeout_s = ANSWER_S + path.stat().st_size / BYTES_PER_S

    def inspect(self) -> Inspection:
        """Return what is known before the events are read."""
        answer, _ = self._ask("inspect")
        found = answer["found"]
        return Inspection(found[0], Geometry(*found[1]), *found[2:])

    def read(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """Return a stretch of every column, times in microseconds."""
        answer, data = self._ask("read", start=start, stop=stop)
        columns, at = {}, 0
        for name, dtype in answer["columns"]:
            columns[name] = np.frombuffer(data, dtype, count=stop - start, offset=at)
            at += columns[name].nbytes
        return columns

    def close(self) -> None:
        """Let the helper close the file."""
        with suppress(HilError):
            self._ask("close")

    def _ask(self, what: str, **more: int) -> tuple[dict[str, Any], bytes]:
        with _lock:
            answered = _helper().ask({"what": what, **self._file, **more}, timeout_s=self._timeout_s)
            if answered is None:
                _end()
                message = (
                    f"the file is broken: the HDF5 library does not come back from it within {self._timeout_s:g} s"
                )
                raise HungError(message, offset_bytes=0)
        if "error" in answered[0]:
            raise _rebuilt(answered[0])
        return answered


def _helper() -> Helper:
    if _running and _running[0].owner != os.getpid():
        _of_our_parent.extend(_running)
        _running.clear()
    if not _running:
        _running.append(Helper())
    return _running[0]


@atexit.register
def _end() -> None:
    while _running:
        helper = _running.pop()
        if helper.owner == os.getpid():
            helper.close()


def _rebuilt(answer: Mapping[str, Any]) -> HilError:
    kind: type[HilError] = getattr(hil.errors, answer["error"])
    if issubclass(kind, DamagedFileError):
        return kind(answer["message"], offset_bytes=answer["offset_bytes"])
    return kind(answer["message"])


def serve() -> None:
    """Answer one line after the other until there are no more."""
    _say(sys.stdout.buffer, {"ready": True})
    desk = _Desk()
    for line in sys.stdin.buffer:
        try:
            answer, data = desk.answer(**json.loads(line))
        except DamagedFileError as error:
            answer = {"error": "DamagedFileError", "message": error.message, "offset_bytes": error.offset_bytes}
            data = []
        except HilError as error:
            answer, data = {"error": type(error).__name__, "message": str(error)}, []
        _say(sys.stdout.buffer, answer, data)


def _say(out: IO[bytes], answer: Mapping[str, Any], data: Sequence[npt.NDArray[Any]] = ()) -> None:
    out.write(json.dumps({**answer, "bytes": sum(column.nbytes for column in data)}).encode() + b"\n")
    for column in data:
        out.write(column.tobytes())
    out.flush()


class _Desk:
    """What the helper has open: the latest file it was asked about."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._asked: tuple[str, Mapping[str, str]] | None = None
        self._table: Table | None = None

    def answer(
        self, what: str, path: str, options: Mapping[str, str], start: int = 0, stop: int = 0
    ) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
        """Return what is asked for, and the columns that go with it."""
        if what == "close":
            self._close()
            return {}, []
        table = self._table_of(path, options)
        if what == "inspect":
            found = table.inspection
            size = (found.geometry.width, found.geometry.height)
            return {"found": [found.events, size, *found[2:]]}, []
        columns = table.read(start, stop)
        return {"columns": [[name, column.dtype.str] for name, column in columns.items()]}, list(columns.values())

    def _table_of(self, path: str, options: Mapping[str, str]) -> Table:
        if self._table is None or self._asked != (path, options):
            self._close()
            self._table = self._opened.enter_context(opened(Path(path), options))
            self._asked = (path, options)
        return self._table

    def _close(self) -> None:
        self._table = None
        self._opened.close()
