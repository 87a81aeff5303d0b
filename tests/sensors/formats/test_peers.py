"""What we write, readers that nobody here wrote read the same; and what they write, we read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import sensors
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4, dat, evt2, evt3, text
from tests.sensors.formats import builders
from tests.sensors.formats.samples import assert_same, events

SIZE = Geometry(640, 480)


@pytest.fixture
def batch() -> EventBatch:
    return events(20_000, size=SIZE, start_us=1000, step_us=200)


def assert_columns(read: Mapping[str, np.ndarray], batch: EventBatch, names: str = "t x y p") -> None:
    for name, column in zip(names.split(), (batch.t, batch.x, batch.y, batch.p), strict=True):
        np.testing.assert_array_equal(read[name].astype(np.int64), column.astype(np.int64), err_msg=name)


@pytest.mark.parametrize(("module", "encoding"), [(evt2, "evt2"), (dat, "dat")])
def test_written_file_when_read_by_expelliarmus_is_the_same(
    tmp_path: Path, batch: EventBatch, module: object, encoding: str
) -> None:
    expelliarmus = pytest.importorskip("expelliarmus")
    path = tmp_path / f"ours.{'dat' if encoding == 'dat' else 'raw'}"
    module.write(path, [batch], SIZE)  # type: ignore[attr-defined]
    assert_columns(expelliarmus.Wizard(encoding, fpath=path).read(), batch)


@pytest.mark.parametrize("encoding", ["evt2", "dat"])  # the EVT3 it writes goes back in time
def test_file_of_expelliarmus_when_read_is_the_same(tmp_path: Path, batch: EventBatch, encoding: str) -> None:
    expelliarmus = pytest.importorskip("expelliarmus")
    wizard = expelliarmus.Wizard(encoding)
    array = np.empty(len(batch), [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "u1")])
    for name in ("t", "x", "y", "p"):
        array[name] = getattr(batch, name)
    path = tmp_path / f"theirs.{'dat' if encoding == 'dat' else 'raw'}"
    wizard.save(fpath=path, arr=array)
    options = {"width": "640", "height": "480"}
    assert_same(sensors.read(path, format_name=encoding, options=options), batch)


@pytest.mark.parametrize(
    ("module", "suffix"), [(aedat4, "aedat4"), (evt2, "raw"), (evt3, "raw"), (dat, "dat"), (text, "csv")]
)
def test_written_file_when_read_by_faery_is_the_same(
    tmp_path: Path, batch: EventBatch, module: object, suffix: str
) -> None:
    faery = pytest.importorskip("faery")
    path = tmp_path / f"ours.{suffix}"
    module.write(path, [batch], SIZE)  # type: ignore[attr-defined]
    assert_columns(faery.events_stream_from_file(path, dimensions_fallback=(640, 480)).to_array(), batch, "t x y on")


@pytest.mark.parametrize("suffix", ["aedat4", "es", "dat", "csv", "evt2", "evt3"])
def test_file_of_faery_when_read_is_the_same(tmp_path: Path, suffix: str) -> None:
    batch = events(20_000, size=SIZE, start_us=0 if suffix == "es" else 1000, step_us=200)
    if suffix == "es":  # it starts its clock with the first event
        batch = EventBatch(batch.t - batch.t[0], batch.x, batch.y, batch.p)
    faery = pytest.importorskip("faery")
    array = np.empty(len(batch), faery.EVENTS_DTYPE)
    for name, column in (("t", batch.t), ("x", batch.x), ("y", batch.y), ("on", batch.p)):
        array[name] = column
    path = tmp_path / f"theirs.{'raw' if suffix.startswith('evt') else suffix}"
    version = {"version": suffix} if suffix.startswith("evt") else {}
    faery.events_stream_from_array(array, (640, 480)).to_file(path, **version)
    recording = sensors.open(path)
    assert recording.geometry == SIZE
    assert_same(EventBatch.concatenate(list(recording)), batch)


def test_written_evt3_when_read_by_evlib_is_the_same(tmp_path: Path, batch: EventBatch) -> None:
    evlib = pytest.importorskip("evlib")
    path = tmp_path / "ours.raw"
    evt3.write(path, [batch], SIZE)
    frame = evlib.load_events(str(path)).collect()
    t = frame["t"].dt.total_microseconds().to_numpy() if frame["t"].dtype != "i8" else frame["t"].to_numpy()
    np.testing.assert_array_equal(t, batch.t)
    np.testing.assert_array_equal(frame["x"].to_numpy(), batch.x)
    np.testing.assert_array_equal(frame["y"].to_numpy(), batch.y)
    np.testing.assert_array_equal(frame["polarity"].to_numpy() > 0, batch.p)


def test_aedat2_of_a_davis_when_read_by_tonic_is_the_same(tmp_path: Path) -> None:
    io = pytest.importorskip("tonic.io")
    size = Geometry(346, 260)
    batch = events(500, size=size)
    path = tmp_path / "a.aedat"
    builders.aedat2_davis(path, batch, size, "Davis346red")
    path.write_bytes(
        path.read_bytes().replace(b"# Timestamps", b"# Creation time: System.currentTimeMillis() 17\r\n# T", 1)
    )
    _, _, theirs = io.read_davis_346(str(path))
    theirs = np.delete(theirs, [1, 2])  # it takes frames and special events for events of pixels
    assert_columns(theirs, sensors.read(path))


def test_aedat3_when_read_by_tonic_is_the_same(tmp_path: Path) -> None:
    io = pytest.importorskip("tonic.io")
    batch = events(500, size=Geometry(128, 128))
    path = tmp_path / "a.aedat"
    builders.aedat3(path, batch, source="DVS128")
    blob = path.read_bytes()
    inertia = blob.index(b"#!END-HEADER\r\n") + 14  # the inertia packet, which it takes for events
    path.write_bytes(blob[:inertia] + blob[inertia + 64 :])
    raw = io.get_aer_events_from_file(str(path), 3.1, inertia)
    address = raw["address"]
    theirs = {"t": raw["timeStamp"], "x": address >> 17, "y": (address >> 2) & 0x1FFF, "p": (address >> 1) & 1}
    assert_columns(theirs, sensors.read(path))


def test_nmnist_when_read_by_tonic_is_the_same(tmp_path: Path) -> None:
    io = pytest.importorskip("tonic.io")
    path = tmp_path / "a.bin"
    builders.nmnist(path, events(500, size=Geometry(34, 34)))
    path.write_bytes(path.read_bytes() + bytes([3, 240, 0, 0, 0]) + bytes([5, 6, 0x80, 0x40, 0]))  # an overflow
    assert_columns(io.read_mnist_file(str(path), dtype=io.events_struct), sensors.read(path))
