"""How fast recordings become arrays, against the fastest other reader of each format, file by file in one run.

Every reader gets the same file of the same events and is timed in CPU seconds of one thread, the best of several turns
that alternate with ours. A whole recording in arrays is compared with a whole recording in arrays; where the peer can
also read chunk by chunk into one small array, our batches are compared with that in a row of their own.

Each race is run in a new process. How earlier work left the allocator decides whether a reader's arrays are fresh pages
of the system or warm ones: expelliarmus reads 1.7 times as fast after somebody else has let go of large arrays.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import sensors
from experiments.bench.races import race
from hil.errors import MissingDependencyError, VerificationError
from hil.progress import OnProgress, ignore_progress
from hil.rng import stream
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4, dat, evt2, evt3

__all__ = ["run"]

GEOMETRY = Geometry(1280, 720)
N_EVENTS = 4_000_000
TURNS = 25  # until the fastest of both sides no longer moves by more than a few hundredths
CHUNK_EVENTS = 1 << 16
LONGEST_RACE_S = 300

Read = Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class Contest:
    """One format, who reads it best, and how many times faster we mean to be.

    Attributes:
        name: Of the row.
        suffix: Of the file.
        write: Makes the file.
        peer_name: Of the fastest other reader.
        ours: What we time; returns how many events it read.
        peer: What the peer does.
        target: Least ratio, or None where we promise nothing.
    """

    name: str
    suffix: str
    write: Callable[[Path, Iterable[EventBatch], Geometry], int]
    peer_name: str
    ours: Read
    peer: Read
    target: float | None


def run(on_progress: OnProgress = ignore_progress, *, n_events: int = N_EVENTS) -> list[dict[str, Any]]:
    """Return a row for each format: events per CPU microsecond of ours and of the peer, and their ratio.

    Raises:
        MissingDependencyError: A peer is not installed.
        VerificationError: We do not read back exactly what was written.
    """
    events = _events(n_events)
    contests = _contests()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for i, contest in enumerate(contests):
            on_progress(i, len(contests))
            path = Path(folder) / f"events{contest.suffix}"
            contest.write(path, [events], GEOMETRY)
            _verify(path, events)
            rows.append(_in_new_process(i, path, n_events, TURNS))
            path.unlink()
    on_progress(len(contests), len(contests))
    return rows


def _events(n: int) -> EventBatch:
    """Return events as a camera's readout sends them.

    As in a recording of a 1280 x 720 camera, about 25 events share a time and 3.7 a row. That makes about as many
    vectors of EVT3 as there: 3.8 % of all words start one, there 3.4 %, and most hold two events.
    """
    rng = stream(0, "bench", "events", "formats")
    row_of = np.repeat(np.arange(n), rng.geometric(1 / 3.7, n))[:n]
    readout_of = np.repeat(np.arange(n), rng.geometric(1 / 6.7, n))[:n]
    t = np.cumsum(rng.integers(1, 20, n))[readout_of][row_of]
    x = rng.integers(0, GEOMETRY.width, n)
    x = x[np.lexsort((x, row_of))]
    y = rng.integers(0, GEOMETRY.height, n)[row_of]
    return EventBatch(t, x.astype(np.uint16), y.astype(np.uint16), rng.integers(0, 2, n).astype(bool))


def _contests() -> list[Contest]:
    return [
        Contest("AEDAT4 LZ4 to arrays", ".aedat4", aedat4.write, "aedat", _ours, _aedat, 2),
        Contest("EVT2 to arrays", ".raw", evt2.write, "expelliarmus", _ours, _expelliarmus("evt2"), 3),
        Contest("EVT3 to arrays, exact", ".raw", _as_cameras_write, "faery", _ours, _faery, 8),
        Contest("DAT to arrays", ".dat", dat.write, "expelliarmus", _ours, _expelliarmus("dat"), 5),
        Contest("EVT2 in chunks", ".raw", evt2.write, "expelliarmus", _our_batches, _chunks("evt2"), None),
        Contest("EVT3 in chunks, exact", ".raw", _as_cameras_write, "faery", _our_batches, _faery_packets, None),
        Contest("DAT in chunks", ".dat", dat.write, "expelliarmus", _our_batches, _chunks("dat"), None),
    ]


def _as_cameras_write(path: Path, batches: Iterable[EventBatch], geometry: Geometry) -> int:
    return evt3.write(path, batches, geometry, vector_events=2)


def _verify(path: Path, events: EventBatch) -> None:
    read = sensors.read(path)
    for name in ("t", "x", "y", "p"):
        if not np.array_equal(getattr(read, name), getattr(events, name)):
            message = f"column {name} of {path.name} is not what was written"
            raise VerificationError(message)


def _in_new_process(index: int, path: Path, n_events: int, turns: int) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # leaving ends it, whatever it does
        return pool.apply_async(_row, (index, path, n_events, turns)).get(LONGEST_RACE_S)


def _row(index: int, path: Path, n_events: int, turns: int) -> dict[str, Any]:
    contest = _contests()[index]
    sides = (partial(_seconds, read, path, n_events) for read in (contest.ours, contest.peer))
    return race(contest, *sides, n_events=n_events, turns=turns)


def _seconds(read: Read, path: Path, n_events: int) -> float:
    start_s = time.process_time()
    found = read(path)
    taken_s = time.process_time() - start_s
    if found != n_events:
        message = f"a reader found {found} of {n_events} events in {path.name}"
        raise VerificationError(message)
    return taken_s


def _ours(path: Path) -> int:
    return len(sensors.read(path))


def _our_batches(path: Path) -> int:
    return sum(len(batch) for batch in sensors.open(path))


def _aedat(path: Path) -> int:
    decoder = _peer("aedat").Decoder(str(path))
    return len(np.concatenate([packet["events"] for packet in decoder if "events" in packet]))


def _faery(path: Path) -> int:
    return len(_peer("faery").events_stream_from_file(path).to_array())


def _faery_packets(path: Path) -> int:
    return sum(len(packet) for packet in _peer("faery").events_stream_from_file(path))


def _expelliarmus(encoding: str) -> Read:
    def whole(path: Path) -> int:
        return len(_peer("expelliarmus").Wizard(encoding, fpath=path).read())

    return whole


def _chunks(encoding: str) -> Read:
    def chunks(path: Path) -> int:
        wizard = _peer("expelliarmus").Wizard(encoding, fpath=path, chunk_size=CHUNK_EVENTS)
        return sum(len(chunk) for chunk in wizard.read_chunk())

    return chunks


def _peer(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise MissingDependencyError.of(name, extra="bench", purpose="the comparison of readers") from error
