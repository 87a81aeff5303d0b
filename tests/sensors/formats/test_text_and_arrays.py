"""Columns as other programs write them: text in many shapes, NumPy archives, HDF5."""

from __future__ import annotations

import zipfile
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import sensors
from hil.errors import DamagedFileError, FormatError, InputError, MissingDependencyError
from hil.types import EventBatch, Geometry
from sensors.cli.info import info_command
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
    "seconds that start whole": "0.00001,1,2,1\n.00002,3,4,0\n",
    "scientific": "t,x,y,p\n1.0e-5,1,2,1\n2E-05,3,4,0\n",
    "as numpy.savetxt writes": "1.000000000000000000e-05 1.0e+00 2.0e+00 1.0e+00\n2.0e-05 3.0e+00 4.0e+00 0.0e+00\n",
    "whole floats": "10.0,1.0,2.0,1.0\n20.0,3.0,4.0,0.0\n",
    "units in names": "x,y,p,timestamp_ns\n1,2,1,10000\n3,4,0,20999\n",
    "units in brackets": "time (ms), x, y, polarity\n0.01, 1, 2, 1\n0.02, 3, 4, 0\n",
    "names in a comment": "# x y p t[us]\n1 2 1 10\n3 4 0 20\n",
    "quoted names": '"t","x","y","p"\n10,1,2,1\n20,3,4,0\n',
    "an unnamed index": ",t,x,y,p\n0,10,1,2,1\n1,20,3,4,0\n",
    "a tabbed index": "\tt\tx\ty\tp\n0\t10\t1\t2\t1\n1\t20\t3\t4\t0\n",
    "a comma at the end": "t,x,y,p,\n10,1,2,1,\n20,3,4,0,\n",
    "no names and times last": "1,2,1,10\n3,4,0,20\n",
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


UNITS = {
    "seconds": ("0,1,2,1\n0.5,1,2,1\n1.25,1,2,1\n", [0, 500_000, 1_250_000], "in seconds, because they have fractions"),
    "one whole second": ("1.000000,1,2,1\n", [1_000_000], "in seconds"),
    "microseconds": ("5,1,2,1\n", [5], "in microseconds, because they are whole"),
    "floats": ("5.0,1,2,1\n7.0,1,2,1\n", [5, 7], "in microseconds"),
    "long floats": ("0.000000,1,2,1\n700000.000000,1,2,1\n", [0, 700_000], "in microseconds"),
    "epoch": ("1605537493.718345678,1,2,1\n", [1_605_537_493_718_346], "in seconds"),
    "nanoseconds": ("1605537493718345999,1,2,1\n", [1_605_537_493_718_345], "in nanoseconds"),
}


@pytest.mark.parametrize("case", UNITS)
def test_unit_of_times_is_told_by_the_numbers_and_said_aloud(tmp_path: Path, case: str) -> None:
    content, t, said = UNITS[case]
    path = tmp_path / "a.csv"
    path.write_text(content)
    recording = sensors.open(path)
    assert recording.read().t.tolist() == t  # type: ignore[attr-defined]
    assert f"times {said}" in recording.assumed  # type: ignore[attr-defined]
    assert "columns t, x, y, p, because" in recording.assumed  # type: ignore[attr-defined]
    shown = CliRunner().invoke(info_command, [str(path)]).output
    assert shown.count("assumed: ") == 3  # the size of the sensor, too


REFUSED = {
    "fractions of what": ("0.5,1,2,1\n86400000.5,1,2,1\n", "time_unit"),
    "fractions later on": ("5,1,2,1\n" * 9000 + "5.5,1,2,1\n", "time_unit"),
    "five unnamed fields": ("1,10,1,1,1\n", "order, such as txyp-"),
    "a field too few": ("t,x,y,p\n10,1,2,1\n20,3,4\n", "no event"),
    "two events on a line": ("t,x,y,p\n10,1,2,1\n20,3,4,0 30,5,6,1\n", "no event"),
    "an empty field": ("t,x,y,p\n10,1,2,1\n20,,3,1,\n", "no event"),
    "a place between pixels": ("t,x,y,p\n10,1.5,2,1\n", "no event"),
    "names for fewer fields": ("t,x,y,p\n10,1,2,1,5,6\n", "names 4 columns"),
    "other names": ("a,b,c,d\n1,2,3,1\n", "expected t, x, y and p"),
    "old line ends": ("10,1,2,1\r20,3,4,0\r", "old Macs"),
    "three numbers": ("1,2,3\n4,5,6\n", "an event has four"),
    "sixteen bits": ("t\0,\0x\0", "UTF-8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_text_that_could_be_read_wrongly_is_refused_with_what_to_do(tmp_path: Path, case: str) -> None:
    content, said = REFUSED[case]
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(FormatError, match=said):
        sensors.read(path, format_name="csv")


@pytest.mark.parametrize(
    ("magic", "said"), [(b"\x1f\x8b\x08", "gunzip"), (b"PK\3\4", "unzip"), (b"\x93NUMPY", "savez")]
)
def test_packed_file_says_how_to_unpack_it(tmp_path: Path, magic: bytes, said: str) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(magic + bytes(100))
    with pytest.raises(FormatError, match=said):
        sensors.open(path)


def test_text_without_events_has_none(tmp_path: Path) -> None:
    text.write(tmp_path / "a.csv", [], SIZE)
    recording = sensors.open(tmp_path / "a.csv")
    assert (list(recording), recording.geometry) == ([], SIZE)


@given(
    st.decimals(min_value="-1e12", max_value="1e12", allow_nan=False, allow_infinity=False),
    st.sampled_from(["{}", "{:e}", "{:E}", "{:f}", "{:+}"]),
)
def test_numbers_are_read_as_python_reads_them(
    tmp_path_factory: pytest.TempPathFactory, number: Decimal, shape: str
) -> None:
    path = tmp_path_factory.mktemp("n") / "a.csv"
    path.write_text(f"{shape.format(number)},1,2,1\n")
    scaled = abs(number) * 10**6
    expected = int(scaled.quantize(Decimal(1), ROUND_HALF_UP, Context(prec=200))) * (-1 if number < 0 else 1)
    options = {"order": "txyp", "time_unit": "s"}
    assert sensors.read(path, format_name="csv", options=options).t.tolist() == [expected]


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


ARRAYS = {
    "seconds": (lambda t: t / 1e6, lambda p: p, "in seconds"),
    "whole floats": (lambda t: t.astype("f8"), lambda p: 2.0 * p - 1, "in microseconds"),
    "nanoseconds": (lambda t: (t.astype("u8") + 10**15) * 1000, lambda p: p.astype("i1") * 2 - 1, "in nanoseconds"),
    "big-endian": (lambda t: t.astype(">i8"), lambda p: p.astype(">u2"), "in microseconds"),
}


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
@pytest.mark.parametrize("case", ARRAYS)
def test_unit_of_a_column_of_times_is_told_by_its_numbers(tmp_path: Path, case: str, kind: str) -> None:
    times, polarities, said = ARRAYS[case]
    batch = events(1000)
    columns = {"t": times(batch.t), "x": batch.x, "y": batch.y, "p": polarities(batch.p)}
    path = _save(tmp_path, columns, kind)
    recording = sensors.open(path)
    read = recording.read()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(read.t - read.t[0], batch.t - batch.t[0])
    np.testing.assert_array_equal(read.p, batch.p)
    whole_in_hdf5 = kind == "hdf5" and columns["t"].dtype.kind != "f" and case != "nanoseconds"
    assert whole_in_hdf5 or f"times {said}" in recording.assumed  # type: ignore[attr-defined]
    given = sensors.read(path, options={"time_unit": "us"}) if case == "whole floats" else read
    assert_same(given, read)


def _save(folder: Path, columns: dict[str, np.ndarray], kind: str) -> Path:
    if kind == "npz":
        np.savez(folder / "a.npz", **columns)
        return folder / "a.npz"
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.h5", "w") as file:
        for name, values in columns.items():
            file[f"events/{name}"] = values
    return folder / "a.h5"


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("x", np.array([1.0, 1.5, 2.0]), "event 1 lies between pixels"),
        ("p", np.array([1, 255, 1], np.uint8), "event 1 has a polarity that is none of 0, 1 and -1"),
        ("p", np.array([1, 7, 0]), "event 1 has a polarity"),
        ("p", np.array([1, np.nan, 0]), "event 1 has a polarity"),
    ],
)
@pytest.mark.parametrize("kind", ["npz", "hdf5"])
def test_column_that_would_be_read_wrongly_is_damage(
    tmp_path: Path, column: str, values: np.ndarray, said: str, kind: str
) -> None:
    columns = {name: np.array([1, 2, 3]) for name in "txy"} | {"p": np.array([0, 1, 1])} | {column: values}
    path = _save(tmp_path, columns, kind)
    with pytest.raises(DamagedFileError, match=said):
        sensors.read(path)
    recording = sensors.open(path, salvage=True)
    assert sum(len(batch) for batch in recording) == 2
    assert recording.lost is not None
    assert recording.lost.events == 1


def test_whole_times_that_get_fractions_are_damage(tmp_path: Path) -> None:
    t = np.arange(100_000.0)
    t[-1] += 0.5
    ones = np.ones(len(t), np.uint8)
    np.savez(tmp_path / "a.npz", t=t, x=ones, y=ones, p=ones)
    with pytest.raises(DamagedFileError, match="time_unit"):
        sensors.read(tmp_path / "a.npz")
    assert len(sensors.read(tmp_path / "a.npz", options={"time_unit": "us"})) == len(t)


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
