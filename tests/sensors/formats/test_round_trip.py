"""What is written comes back, event for event, in every format that can hold it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sensors
from hil.errors import InvalidValueError
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4, dat, evt2, evt3, npz, text
from tests.sensors.formats.samples import assert_same, events

Write = Callable[..., int]
WRITERS: dict[str, Write] = {
    "aedat4": aedat4.write,
    "csv": text.write,
    "dat": dat.write,
    "evt2": evt2.write,
    "evt3": evt3.write,
    "npz": npz.write,
}
SUFFIX = {"aedat4": ".aedat4", "csv": ".csv", "dat": ".dat", "evt2": ".raw", "evt3": ".raw", "npz": ".npz"}


@st.composite
def streams(draw: st.DrawFn) -> tuple[EventBatch, Geometry]:
    size = Geometry(draw(st.integers(1, 2048)), draw(st.integers(1, 2048)))
    n = draw(st.integers(0, 80))
    steps = draw(
        st.lists(st.sampled_from([0, 0, 0, 1, 5, 63, 64, 4095, 4096, 10**6, 2 * 10**7]), min_size=n, max_size=n)
    )
    t = draw(st.integers(0, 2**24 - 1)) + np.cumsum(np.array(steps, np.int64))
    # neighbours in one row at one time are what EVT3 packs into vectors
    x = (draw(st.integers(0, size.width - 1)) + np.arange(n) * draw(st.integers(0, 3))) % size.width
    y = np.full(n, draw(st.integers(0, size.height - 1)))
    p = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    return EventBatch(t, x.astype(np.uint16), y.astype(np.uint16), p), size


@given(stream=streams(), name=st.sampled_from(sorted(WRITERS)), cut=st.integers(0, 80))
def test_events_written_and_read_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, stream: tuple[EventBatch, Geometry], name: str, cut: int
) -> None:
    batch, size = stream
    path = tmp_path_factory.mktemp("trip") / f"a{SUFFIX[name]}"
    assert WRITERS[name](path, [batch[:cut], batch[cut:]], size) == len(batch)
    if not len(batch) and name in ("dat", "evt2", "evt3", "csv"):
        return  # nothing but a header is no recording
    recording = sensors.open(path)
    assert recording.geometry == size
    assert_same(EventBatch.concatenate(list(recording)), batch)
    assert_same(recording.read(), batch)  # type: ignore[attr-defined]
    assert recording.lost is None


@pytest.mark.parametrize("name", ["aedat4", "csv", "npz"])
def test_epoch_times_are_held_by_formats_with_long_times(tmp_path: Path, name: str) -> None:
    batch = events(100, start_us=1_700_000_000_000_000)
    path = tmp_path / f"a{SUFFIX[name]}"
    WRITERS[name](path, [batch], Geometry(34, 34))
    assert_same(sensors.read(path), batch)


@pytest.mark.parametrize("name", ["dat", "evt2", "evt3"])
def test_epoch_times_are_refused_by_formats_with_short_times(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValueError, match="from-zero"):
        WRITERS[name](tmp_path / "a", [events(10, start_us=1_700_000_000_000_000)], Geometry(34, 34))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["evt2", "evt3"])
def test_large_sensor_is_refused_by_formats_with_short_addresses(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValueError, match="2048"):
        WRITERS[name](tmp_path / "a", [events(10)], Geometry(4096, 100))


def test_negative_times_are_refused_by_formats_without_a_sign(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError):
        dat.write(tmp_path / "a.dat", [events(10, start_us=-500)], Geometry(34, 34))


def test_negative_times_are_held_by_text(tmp_path: Path) -> None:
    batch = events(10, start_us=-50, step_us=20)
    text.write(tmp_path / "a.csv", [batch], Geometry(34, 34))
    assert_same(sensors.read(tmp_path / "a.csv"), batch)


def test_silence_that_dat_cannot_tell_from_a_shorter_one_is_refused(tmp_path: Path) -> None:
    t = np.array([0, (1 << 30) + 1])
    batch = EventBatch(t, np.zeros(2, np.uint16), np.zeros(2, np.uint16), np.ones(2, bool))
    with pytest.raises(InvalidValueError, match="silence"):
        dat.write(tmp_path / "a.dat", [batch[:1], batch[1:]], Geometry(34, 34))


def test_dat_clock_when_it_starts_over_goes_on(tmp_path: Path) -> None:
    t = np.arange(0, 3 << 32, 1 << 29)
    n = len(t)
    batch = EventBatch(t, np.arange(n, dtype=np.uint16), np.zeros(n, np.uint16), np.ones(n, bool))
    dat.write(tmp_path / "a.dat", [batch], Geometry(34, 34))
    assert_same(sensors.read(tmp_path / "a.dat"), batch)
