"""Columns as other programs write them: text in many shapes, NumPy archives, HDF5."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sensors
from hil.errors import DamagedFileError, FormatError, InputError, MissingDependencyError
from hil.types import EventBatch, Geometry
from sensors.formats import npz, text
from tests.sensors.formats import builders
from tests.sensors.formats.samples import SIZE, assert_same, events

SHAPES = {
    "t,x,y,p": "t,x,y,p\n10,1,2,1\n20,3,4,0\n",
    "named and sized": "t,x@640,y@480,on\r\n10,1,2,1\r\n20,3,4,0\r\n",
    "other order": "x,y,polarity,timestamp\n1,2,1,10\n3,4,0,20\n",
    "seconds and spaces": "0.000010 1 2 1\n0.00002 3 4 0\n",
    "size on a line": "640 480\n0.000010 1 2 1\n0.000020 3 4 0\n",
    "comments": "# width 640, height 480\n# made by hand\n10 1 2 1\n\n20 3 4 -1\n",
    "metavision": "%geometry:640,480\n1,2,1,10\n3,4,0,20\n",
    "semicolons and words": "t;x;y;p\n10;1;2;True\n20;3;4;False\n",
    "no newline at the end": "10,1,2,on\n20,3,4,off",
    "an index in front": "i,t,x,y,p\n0,10,1,2,1\n1,20,3,4,0\n",
    "a byte order mark": "\ufefft,x,y,p\n10,1,2,1\n20,3,4,0\n",
    "signed": "t,x,y,p\n10,1,2,+1\n20,3,4,-1\n",
    "tabs": "10\t1\t2\t1\n20\t3\t4\t0\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_text_in_many_shapes_reads_the_same(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(SHAPES[shape].encode())
    recording = sensors.open(path)
    read = recording.read()  # type: ignore[attr-defined]
    assert recording.format == "csv"
    assert (read.t.tolist(), read.x.tolist(), read.y.tolist()) == ([10, 20], [1, 3], [2, 4])
    assert read.p.tolist() == [True, False]
    stated = any(word in SHAPES[shape] for word in ("640",))
    assert (recording.geometry == Geometry(640, 480)) == stated


@given(st.integers(0, 10**12), st.integers(0, 9))
def test_seconds_as_text_become_exact_microseconds(
    tmp_path_factory: pytest.TempPathFactory, t_us: int, zeros: int
) -> None:
    path = tmp_path_factory.mktemp("s") / "a.csv"
    path.write_text(f"{t_us // 10**6}.{t_us % 10**6:06d}{'0' * zeros},1,2,1\n")
    assert sensors.read(path).t.tolist() == [t_us]


def test_time_units_and_order_are_what_the_options_say(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1 2 1 1500\n")
    options = {"order": "xypt", "time_unit": "ns"}
    assert sensors.read(path, format_name="csv", options=options).t.tolist() == [1]
    options["time_unit"] = "ms"
    assert sensors.read(path, format_name="csv", options=options).t.tolist() == [1_500_000]


@pytest.mark.parametrize(
    "content",
    [
        "1,2,3\n4,5,6\n",
        "hello world, this is no recording\n",
        "a,b,c,d\n1,2,3,1\n",
        "1,2,3,7\n",
        "\0\1\2\3",
        "1.5,2.5,3.5,1\n",
    ],
)
def test_text_that_is_no_events_is_of_no_known_format(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(FormatError):
        sensors.open(path)


def test_line_that_is_no_event_is_damage_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,1,2,1\n2,3,x,0\n3,4,5,1\n")
    with pytest.raises(DamagedFileError) as caught:
        sensors.read(path)
    assert caught.value.offset_bytes == 8
    recording = sensors.open(path, salvage=True)
    assert [batch.t.tolist() for batch in recording] == [[1, 3]]
    assert recording.lost is not None
    assert recording.lost.spans == ((8, 8, "a line is no event"),)


def test_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1,1,2,1\n" + b"7" * 3_000_000)
    recording = sensors.open(path, salvage=True)
    assert sum(len(batch) for batch in recording) == 1
    assert recording.lost is not None
    assert recording.lost.as_document()["bytes"] == 3_000_000


def test_huge_number_is_damage_and_not_another_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,1,2,1\n99999999999999999999999,1,2,1\n")
    with pytest.raises(DamagedFileError):
        sensors.read(path)


def test_written_text_is_read_by_numpy(tmp_path: Path) -> None:
    batch = events(200)
    text.write(tmp_path / "a.csv", [batch], SIZE)
    table = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1, dtype=np.int64)
    np.testing.assert_array_equal(table, np.stack([batch.t, batch.x, batch.y, batch.p], axis=1))


def test_archive_of_numpy_is_read_whatever_its_names_and_types(tmp_path: Path) -> None:
    batch = events(1000)
    np.savez_compressed(
        tmp_path / "a.npz", ts=batch.t / 1e6, xs=batch.x.astype("i4"), ys=batch.y, pol=batch.p * 2 - 1.0
    )
    assert_same(sensors.read(tmp_path / "a.npz"), batch)
    table = np.empty(1000, [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")])
    for name in ("t", "x", "y", "p"):
        table[name] = getattr(batch, name)
    np.savez(tmp_path / "b.npz", events=table)
    assert_same(sensors.read(tmp_path / "b.npz"), batch)


def test_written_archive_is_read_by_numpy(tmp_path: Path) -> None:
    batch = events(1000)
    npz.write(tmp_path / "a.npz", [batch[:300], batch[300:]], SIZE)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        for name in ("t", "x", "y", "p"):
            np.testing.assert_array_equal(archive[name], getattr(batch, name))
        assert (int(archive["width"]), int(archive["height"])) == (SIZE.width, SIZE.height)


def test_archive_with_pickled_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, t=np.array([{}], object), x=np.zeros(1), y=np.zeros(1), p=np.zeros(1))
    with pytest.raises(InputError, match="numbers"):
        sensors.open(path)


@pytest.mark.parametrize(
    "header", ["{'descr': '<i8', 'fortran_order': False, 'shape': (3,", "(" * 9000, "[]", "{'a': 1}", "1 +"]
)
def test_archive_with_a_header_that_is_none_is_damaged(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.npz"
    text_bytes = header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("t", "x", "y", "p"):
            member = b"\x93NUMPY\x01\x00" + len(text_bytes).to_bytes(2, "little") + text_bytes
            archive.writestr(f"{name}.npy", member)
    with pytest.raises(DamagedFileError):
        sensors.open(path)


def test_archive_whose_columns_differ_in_length_is_damaged(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", t=np.zeros(3), x=np.zeros(3), y=np.zeros(2), p=np.zeros(3))
    with pytest.raises(DamagedFileError, match="length"):
        sensors.open(tmp_path / "a.npz")


def test_archive_whose_header_claims_more_than_there_is_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999,), }"
    member = header.ljust(127) + b"\n" + bytes(80)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("t", "x", "y", "p"):
            archive.writestr(f"{name}.npy", member)
    with pytest.raises(DamagedFileError, match="claim"):
        sensors.read(path, options={"width": "34", "height": "34"})


def test_npz_with_one_array_of_something_else_says_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", foo=np.arange(9))
    with pytest.raises(FormatError, match="no columns t, x, y, p and no structured array of them; it has foo"):
        sensors.read(tmp_path / "a.npz")


def test_hdf5_of_dsec_adds_its_offset_and_assumes_its_sensor(tmp_path: Path) -> None:
    batch = events(1000, start_us=5_000_000_000)
    builders.hdf5_dsec(tmp_path / "a.h5", batch, 5_000_000_000)
    recording = sensors.open(tmp_path / "a.h5")
    assert_same(recording.read(), batch)  # type: ignore[attr-defined]
    assert recording.geometry == Geometry(640, 480)
    assert "DSEC" in recording.assumed  # type: ignore[attr-defined]


def test_hdf5_with_a_broken_chunk_loses_only_its_events(tmp_path: Path) -> None:
    batch = events(1000)
    path = tmp_path / "a.h5"
    builders.hdf5_prophesee(path, batch, SIZE)
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        chunk = file["CD/events"].id.get_chunk_info(1)
    blob = bytearray(path.read_bytes())
    blob[chunk.byte_offset + 2 : chunk.byte_offset + 40] = b"\xff" * 38
    path.write_bytes(blob)
    with pytest.raises(DamagedFileError):
        sensors.read(path)
    recording = sensors.open(path, salvage=True)
    assert_same(EventBatch.concatenate(list(recording)), EventBatch.concatenate([batch[:256], batch[512:]]))
    assert recording.lost is not None
    assert recording.lost.events == 256


def test_hdf5_without_all_its_chunks_is_damaged(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("t", "x", "y", "p"):
            file.create_dataset(f"events/{name}", shape=(10**12,), dtype="u2", chunks=(1000,))
    with pytest.raises(DamagedFileError, match="chunks"):
        sensors.read(tmp_path / "a.h5")


def test_hdf5_compressed_by_what_is_not_installed_names_it(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    batch = events(1000)
    builders.hdf5_prophesee(tmp_path / "a.h5", batch, SIZE)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((10,))
        properties.set_filter(0x8ECF, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        del file["CD/events"]
        dtype = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
        space = h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,))
        h5py.h5d.create(file["CD"].id, b"events", h5py.h5t.py_create(dtype), space, dcpl=properties)
    with pytest.raises(MissingDependencyError, match="36559"):
        sensors.open(tmp_path / "a.h5")


def test_hdf5_of_something_else_is_named(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(FormatError, match="weights"):
        sensors.open(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("path_inside", "order", "dtype"), [("events", "txyp", "<u4"), ("davis/left/events", "xytp", "<f8")]
)
def test_hdf5_tables_of_four_columns_are_read_as_v2e_and_mvsec_order_them(
    tmp_path: Path, path_inside: str, order: str, dtype: str
) -> None:
    h5py = pytest.importorskip("h5py")
    batch = events(3000)
    scale, off = (1e-6, -1) if dtype == "<f8" else (1, 0)
    columns = {"t": batch.t * scale, "x": batch.x, "y": batch.y, "p": np.where(batch.p, 1, off)}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        table = np.stack([columns[name] for name in order], axis=1).astype(dtype)
        file.create_dataset(path_inside, data=table, chunks=(500, 4), compression="gzip")
    assert_same(sensors.read(tmp_path / "a.h5"), batch)


def test_archive_of_one_structured_array_is_read_whatever_its_name(tmp_path: Path) -> None:
    batch = events(100)
    array = np.empty(len(batch), [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")])
    for name in "txyp":
        array[name] = getattr(batch, name)
    np.savez(tmp_path / "a.npz", array)
    assert_same(sensors.read(tmp_path / "a.npz"), batch)


def test_coordinate_that_is_no_number_is_outside_the_sensor(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", t=np.arange(3), x=np.array([1.0, np.nan, 2.0]), y=np.ones(3), p=np.ones(3))
    with pytest.raises(DamagedFileError, match="event 1 lies outside"):
        sensors.read(tmp_path / "a.npz")
    recording = sensors.open(tmp_path / "a.npz", salvage=True)
    assert len(EventBatch.concatenate(list(recording))) == 2
    assert recording.lost is not None
    assert recording.lost.events == 1


def test_archive_of_members_that_are_no_arrays_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("t", "x", "y", "p", "note.npy.txt"):
            archive.writestr(name, b"no array")
    with pytest.raises(FormatError, match="no columns"):
        sensors.open(tmp_path / "a.npz", format_name="npz")
