"""HDF5 recordings in the layouts of Prophesee, DSEC, v2e and MVSEC, read stretch by stretch by another process.

Damaged files can hang or crash the HDF5 library, so it never runs in this one; see ``hdf5_helper``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from hil.errors import DamagedFileError
from hil.registry import refuse_unknown_options
from sensors.formats.columns_io import commit
from sensors.formats.hdf5_helper import HungError, Remote
from sensors.formats.hdf5_table import STEP_EVENTS
from sensors.formats.recording import FileRecording, Layout, Steps
from sensors.formats.sink import Sink

__all__ = ["FORMAT", "Hdf5"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Hdf5:
    """The ``SourceFormat`` of HDF5 files; options ``width``, ``height``, ``time_unit`` where the file does not say."""

    name = "hdf5"
    about = "HDF5, layouts of Prophesee, DSEC, v2e and MVSEC (.h5, .hdf5)"

    def missing(self) -> str | None:
        """Say what must be installed."""
        return None if find_spec("h5py") else "h5py; pip install 'neuromorphic-hil[formats]'"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the signature."""
        return head.startswith(SIGNATURE)

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``width``, ``height``, ``time_unit``."""
        refuse_unknown_options(options, ["width", "height", "time_unit"], of=self.name)
        found = Remote(path, options).inspect()
        layout = Layout(self.name, found.geometry, found.events, assumed=found.assumed, resizable=True)
        return FileRecording(path, layout, partial(_decode, path, options), salvage=salvage)


def _decode(path: Path, options: Mapping[str, str], sink: Sink) -> Steps:
    file_bytes = path.stat().st_size
    walk = _Walk(Remote(path, options), sink)
    try:
        for start in range(0, walk.events, STEP_EVENTS):
            stop = min(start + STEP_EVENTS, walk.events)
            try:
                walk.take(start, stop)
            except HungError as error:
                if not sink.salvage:
                    raise
                sink.account.add(walk.place, 0, error.message, events=walk.events - start)
                return
            yield file_bytes * stop // walk.events
    finally:
        walk.remote.close()


class _Walk:
    """One pass over the events of a file."""

    def __init__(self, remote: Remote, sink: Sink) -> None:
        found = remote.inspect()
        self.remote = remote
        self.events = found.events
        self.place = found.place
        self._found = found
        self._sink = sink

    def take(self, start: int, stop: int) -> None:
        """Commit a stretch; in salvage, take a broken one chunk by chunk and account for those that cannot be read."""
        try:
            columns = self.remote.read(start, stop)
        except HungError:
            raise
        except DamagedFileError as error:
            if not self._sink.salvage:
                raise
            self._take_pieces(start, stop, error.message)
        else:
            commit(self._sink, columns, self._found.geometry, (self.place, 0), start)

    def _take_pieces(self, start: int, stop: int, reason: str) -> None:
        step = self._found.chunk_events
        if stop - start <= step:
            self._sink.account.add(self.place, 0, f"events {start} to {stop - 1}: {reason}", events=stop - start)
            return
        for first in range(start, stop, step):
            self.take(first, min(first + step, stop))


FORMAT = Hdf5()
