"""Looks at HDF5 files in a process of its own, because damaged ones can hang or crash the library that reads them.

One helper process is started when the first file is opened and looks at all that follow; if it does not answer in time
it is ended, and the next file gets a new one. It runs ``serve``: a request a line in, an answer a line out, both JSON.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import hil.errors
from hil.errors import DamagedFileError, HilError, MissingDependencyError
from hil.types import Geometry
from sensors.formats.hdf5 import Inspection, inspect

__all__ = ["Inspector", "inspect_safely", "serve"]

ANSWER_S: Final = 4.0
BYTES_PER_S: Final = 1e8  # a big file may take longer: its pieces are counted
START_S: Final = 60.0  # for a busy machine to start a process and load the library


class Inspector:
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
            text=True,
            encoding="utf-8",
            start_new_session=True,  # so that Ctrl-C is for us alone
        )
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        if not self._answer(START_S):  # that it is ready
            self.close()
            raise MissingDependencyError("reading HDF5 needs a second Python process, but that did not start")

    def _listen(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as lines:
                for line in lines:
                    self._answers.put(line)
        self._answers.put("")

    def _answer(self, timeout_s: float) -> str:
        try:
            return self._answers.get(timeout=timeout_s)
        except Empty:
            return ""

    def ask(self, request: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any] | None:
        """Return the answer, or None where the process did not survive the question, or does not come back from it."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
        except OSError:
            return None
        line = self._answer(timeout_s)
        answer: dict[str, Any] | None = json.loads(line) if line else None
        return answer

    def close(self) -> None:
        """End the process; may be called twice."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        if self._process.stdin is not None:
            with suppress(OSError):  # what was not sent is lost
                self._process.stdin.close()


_lock = threading.Lock()
_running: list[Inspector] = []
_of_our_parent: list[Inspector] = []  # a forked process must not talk to these, nor tidy them up


def inspect_safely(path: Path, options: Mapping[str, str]) -> Inspection:
    """Return what ``hdf5.inspect`` returns, and raise what it raises, in bounded time whatever the file does.

    Raises:
        DamagedFileError: The library hangs or crashes on the file.
        HilError: As ``hdf5.inspect``.
    """
    timeout_s = ANSWER_S + path.stat().st_size / BYTES_PER_S
    with _lock:
        answer = _inspector().ask({"path": str(path.absolute()), "options": dict(options)}, timeout_s=timeout_s)
        if answer is None:
            _end()
            message = f"the file is broken: the HDF5 library does not come back from it within {timeout_s:g} s"
            raise DamagedFileError(message, offset_bytes=0)
    if "error" in answer:
        raise _rebuilt(answer)
    return Inspection(answer["events"], Geometry(*answer["size"]), answer["assumed"])


def _inspector() -> Inspector:
    if _running and _running[0].owner != os.getpid():
        _of_our_parent.extend(_running)
        _running.clear()
    if not _running:
        _running.append(Inspector())
    return _running[0]


@atexit.register
def _end() -> None:
    while _running:
        inspector = _running.pop()
        if inspector.owner == os.getpid():
            inspector.close()


def _rebuilt(answer: Mapping[str, Any]) -> HilError:
    kind: type[HilError] = getattr(hil.errors, answer["error"])
    if issubclass(kind, DamagedFileError):
        return kind(answer["message"], offset_bytes=answer["offset_bytes"])
    return kind(answer["message"])


def serve() -> None:
    """Answer one line after the other until there are no more."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_looked_at(**json.loads(line))) + "\n")
        sys.stdout.flush()


def _looked_at(path: str, options: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = inspect(Path(path), options)
    except DamagedFileError as error:
        return {"error": type(error).__name__, "message": error.message, "offset_bytes": error.offset_bytes}
    except HilError as error:
        return {"error": type(error).__name__, "message": str(error)}
    size = found.geometry
    return {"events": found.events, "size": [size.width, size.height], "assumed": found.assumed}
