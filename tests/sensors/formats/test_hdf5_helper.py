"""Files that hang or crash the HDF5 library end in an error in time, and the next file is read as ever."""

from __future__ import annotations

import os
import signal
import struct
import time
from pathlib import Path

import numpy as np
import pytest

import sensors
from hil.errors import DamagedFileError
from hil.types import EventBatch
from sensors.formats import hdf5_helper
from tests.sensors.formats import builders
from tests.sensors.formats.samples import SIZE, assert_same, events

pytest.importorskip("h5py")


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """Return a file whose first text claims to be longer, so that the library finds a piece of no size behind it.

    It steps over that piece for ever (libhdf5 1.14).
    """
    path = tmp_path / "endless.h5"
    builders.hdf5_prophesee(path, events(1000), SIZE)
    blob = bytearray(path.read_bytes())
    heap = blob.index(b"GCOL")
    blob[heap + 24 : heap + 32] = struct.pack("<Q", 32)
    path.write_bytes(blob)
    return path


def test_file_that_keeps_the_library_busy_is_damaged_in_time(
    endless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.hdf5_prophesee(tmp_path / "sound.h5", events(1000), SIZE)
    sensors.read(tmp_path / "sound.h5")  # starts the helper
    assert hdf5_helper.ANSWER_S < 5
    monkeypatch.setattr(hdf5_helper, "ANSWER_S", 1.0)
    started = time.monotonic()
    with pytest.raises(DamagedFileError, match=r"endless\.h5: the file is broken"):
        sensors.open(endless, salvage=True)
    assert time.monotonic() - started < 4  # a busy machine takes its time
    monkeypatch.undo()
    assert_same(sensors.read(tmp_path / "sound.h5"), events(1000))


@pytest.mark.parametrize("salvage", [False, True])
def test_file_that_hangs_while_its_events_are_read_is_damaged_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, salvage: bool
) -> None:
    path = tmp_path / "long.h5"
    batch = events(200_000)
    builders.hdf5_prophesee(path, batch, SIZE)
    recording = sensors.open(path, salvage=salvage)
    stream = iter(recording)
    read = len(next(stream))
    monkeypatch.setattr(hdf5_helper, "ANSWER_S", 0.5)
    hdf5_helper._running[0]._process.send_signal(signal.SIGSTOP)  # as good as a library that never comes back
    started = time.monotonic()
    if salvage:
        read += sum(len(batch) for batch in stream)
        assert recording.lost is not None
        assert (recording.lost.events, "does not come back" in recording.lost.spans[0][2]) == (200_000 - read, True)
    else:
        with pytest.raises(DamagedFileError, match=r"long\.h5: .*does not come back"):
            list(stream)
    assert time.monotonic() - started < 10
    monkeypatch.undo()
    assert_same(sensors.read(path), batch)


def test_two_files_are_read_at_once_and_closed_files_are_let_go(tmp_path: Path) -> None:
    paths, batches = [tmp_path / "a.h5", tmp_path / "b.h5"], [events(150_000, seed=seed) for seed in (1, 2)]
    for path, batch in zip(paths, batches, strict=True):
        builders.hdf5_prophesee(path, batch, SIZE)
    streams = [iter(sensors.open(path)) for path in paths]
    read = [EventBatch.concatenate(list(parts)) for parts in zip(*zip(*streams, strict=True), strict=True)]
    for got, batch in zip(read, batches, strict=True):
        assert_same(got, batch)
    folder = Path(f"/proc/{hdf5_helper._running[0]._process.pid}/fd")
    if folder.is_dir():
        opened = [link.resolve() for link in folder.iterdir()]
        assert not any(path in opened for path in paths)


def test_helper_that_dies_costs_one_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.h5"
    builders.hdf5_prophesee(path, events(1000), SIZE)
    sensors.read(path)
    hdf5_helper._running[0]._process.kill()
    hdf5_helper._running[0]._process.wait()
    with pytest.raises(DamagedFileError, match="does not come back"):
        sensors.read(path)
    assert_same(sensors.read(path), events(1000))


def test_forked_process_starts_a_helper_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sound.h5"
    builders.hdf5_prophesee(path, events(1000), SIZE)
    sensors.read(path)
    (theirs,) = hdf5_helper._running
    monkeypatch.setattr(theirs, "owner", os.getpid() + 1)
    assert len(sensors.read(path)) == 1000
    (ours,) = hdf5_helper._running
    assert ours is not theirs
    assert theirs._process.poll() is None
    hdf5_helper._of_our_parent.clear()
    theirs.close()


def test_answers_of_the_helper_are_those_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(200))
    with pytest.raises(DamagedFileError, match="the file is broken"):
        sensors.open(path)
