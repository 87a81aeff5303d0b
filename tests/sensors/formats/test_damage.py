"""Every format, damaged in every usual way: a clear error at a byte, or a salvage whose account adds up, in time."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sensors
from hil.errors import DamagedFileError, HilError
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4, dat, evt2, evt3, npz, text
from tests.sensors.formats import builders, ros_bags
from tests.sensors.formats.samples import assert_same, events
from tests.sensors.formats.test_conformance import evt3_payloads

SIZE = Geometry(34, 34)
BIG = Geometry(240, 180)
Make = Callable[[Path], EventBatch]


def _ours(write: Callable[..., int], **settings: object) -> Make:
    def make(path: Path) -> EventBatch:
        batch = events(2000)
        write(path, [batch], SIZE, **settings)
        return batch

    return make


def _built(write: Callable[..., object], *more: object, size: Geometry = SIZE) -> Make:
    def make(path: Path) -> EventBatch:
        batch = events(2000, size=size)
        write(path, batch, *more)
        return batch

    return make


def _bag(write: Callable[..., None]) -> Make:
    def make(path: Path) -> EventBatch:
        batch = events(2000)
        write(path, evt3_payloads(batch), SIZE)
        return batch

    return make


FORMATS: dict[str, tuple[str, Make]] = {
    "aedat2": (".aedat", _built(builders.aedat2_davis, BIG, size=BIG)),
    "aedat3": (".aedat", _built(builders.aedat3, size=BIG)),
    "aedat4": (".aedat4", _ours(aedat4.write, packet_events=100)),
    "aedat4 none": (".aedat4", _ours(aedat4.write, packet_events=100, compression="none")),
    "aedat4 zstd": (".aedat4", _ours(aedat4.write, packet_events=100, compression="zstd")),
    "csv": (".csv", _ours(text.write)),
    "dat": (".dat", _ours(dat.write)),
    "es": (".es", _built(builders.es_dvs, SIZE)),
    "evt2": (".raw", _ours(evt2.write)),
    "evt21": (".raw", _built(builders.evt21, SIZE)),
    "evt3": (".raw", _ours(evt3.write)),
    "hdf5": (".h5", _built(builders.hdf5_prophesee, SIZE)),
    "mcap": (".mcap", _bag(ros_bags.write_mcap)),
    "nmnist": (".bin", _built(builders.nmnist)),
    "npz": (".npz", _ours(npz.write)),
    "ros1": (".bag", _bag(ros_bags.write_ros1)),
    "ros2": (".db3", _bag(ros_bags.write_ros2)),
}


@pytest.fixture(scope="module", params=FORMATS)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, EventBatch]:
    suffix, make = FORMATS[request.param]
    path = tmp_path_factory.mktemp("sound") / f"sound{suffix}"
    batch = make(path)
    assert_same(sensors.read(path), batch)  # compiles, or loads what was compiled
    return request.param, path, batch


def outcome(path: Path, *, salvage: bool, format_name: str | None = None) -> tuple[EventBatch | None, object]:
    """Read a file; return its events and account, or None and the error."""
    started = time.process_time()
    try:
        recording = sensors.open(path, salvage=salvage, format_name=format_name)
        batch = EventBatch.concatenate(list(recording))
        result: tuple[EventBatch | None, object] = (batch, recording.lost)
        assert not len(batch) or int(batch.x.max()) < recording.geometry.width
        assert not len(batch) or int(batch.y.max()) < recording.geometry.height
    except HilError as error:
        result = (None, error)
    if isinstance(result[1], HilError):
        assert result[1].exit_code == 2
        assert "\n" not in str(result[1])
    assert time.process_time() - started < 5
    return result


def check_account(path: Path, batch: EventBatch | None, lost: object) -> None:
    """Compare the account with the file: spans in order, inside, apart."""
    if batch is None or lost is None:
        return
    document = lost.as_document()  # type: ignore[attr-defined]
    assert 0 <= document["bytes"] <= path.stat().st_size
    end = 0
    for offset, length, why in lost.spans:  # type: ignore[attr-defined]
        assert length >= 0
        assert why
        assert "further" in why or offset >= end - 1
        end = offset + length
        assert end <= path.stat().st_size


def damaged(tmp_path: Path, source: Path, blob: bytes) -> Path:
    path = tmp_path / f"damaged{source.suffix}"
    path.write_bytes(blob)
    return path


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_truncated_file_is_refused_or_salvaged(
    sound: tuple[str, Path, EventBatch], tmp_path: Path, part: float
) -> None:
    name, source, batch = sound
    blob = source.read_bytes()
    cut = int(len(blob) * part) | 1
    path = damaged(tmp_path, source, blob[:cut])
    read, error = outcome(path, salvage=False)
    assert read is None, "a cut file must not pass as sound"
    assert isinstance(error, HilError)
    assert str(error).startswith(f"{path}: ")
    salvaged, lost = outcome(path, salvage=True)
    check_account(path, salvaged, lost)
    if salvaged is not None and name not in ("hdf5", "ros2"):
        assert_same(salvaged, batch[: len(salvaged)])  # what is before the cut, and nothing else
        assert len(salvaged) >= (part - 0.25) * len(batch) or name == "npz"


def test_every_format_salvages_a_truncated_tail_or_says_why_not(
    sound: tuple[str, Path, EventBatch], tmp_path: Path
) -> None:
    name, source, batch = sound
    path = damaged(tmp_path, source, source.read_bytes()[:-3])
    read, error = outcome(path, salvage=False)
    assert read is None
    salvaged, _ = outcome(path, salvage=True)
    if name in ("hdf5", "npz", "ros2"):  # their indexes are at the end, or spread through the file
        assert salvaged is None or len(salvaged) <= len(batch)
    else:
        assert salvaged is not None
        assert len(salvaged) >= 0.9 * len(batch)
    assert isinstance(error, DamagedFileError)


def test_empty_file_is_refused(sound: tuple[str, Path, EventBatch], tmp_path: Path) -> None:
    path = damaged(tmp_path, sound[1], b"")
    assert outcome(path, salvage=False)[0] is None
    assert outcome(path, salvage=True)[0] is None


def test_wrong_magic_is_refused(sound: tuple[str, Path, EventBatch], tmp_path: Path) -> None:
    name, source, _ = sound
    blob = b"\xde\xad\xbe\xef" * 8 + source.read_bytes()[32:]
    path = damaged(tmp_path, source, blob)
    if name != "nmnist":  # which has none
        assert outcome(path, salvage=False)[0] is None
        assert outcome(path, salvage=True)[0] is None


@pytest.mark.parametrize("fill", ["random", "zeros", "ones"])
def test_garbage_payload_ends_in_an_error_or_a_salvage(
    sound: tuple[str, Path, EventBatch], tmp_path: Path, fill: str
) -> None:
    _, source, _ = sound
    blob = bytearray(source.read_bytes())
    start, stop = len(blob) // 3, 2 * len(blob) // 3
    junk = {"random": np.random.default_rng(1).bytes(stop - start), "zeros": bytes(stop - start)}
    blob[start:stop] = junk.get(fill, b"\xff" * (stop - start))
    path = damaged(tmp_path, source, bytes(blob))
    for salvage in (False, True):
        read, lost = outcome(path, salvage=salvage)
        check_account(path, read, lost)


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(sorted(FORMATS)))
def test_flipped_bits_end_in_an_error_or_a_salvage(
    tmp_path_factory: pytest.TempPathFactory, seed: int, name: str
) -> None:
    suffix, make = FORMATS[name]
    source = _cached(tmp_path_factory, name, suffix, make)
    rng = np.random.default_rng(seed)
    blob = bytearray(source.read_bytes())
    for position in rng.integers(0, len(blob), int(rng.integers(1, 20))):
        blob[position] ^= 1 << int(rng.integers(8))
    path = source.with_name(f"flipped{suffix}")
    path.write_bytes(blob)
    for salvage in (False, True):
        read, lost = outcome(path, salvage=salvage)
        assert salvage or read is None or lost is None
        check_account(path, read, lost)


@given(data=st.binary(max_size=400), name=st.sampled_from(sorted({name.split()[0] for name in FORMATS} - {"hdf5"})))
def test_any_bytes_read_as_any_format_end_in_an_error_or_events(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.bin"
    path.write_bytes(data)
    for salvage in (False, True):
        read, lost = outcome(path, salvage=salvage, format_name=name)
        check_account(path, read, lost)


@pytest.mark.parametrize("value", [struct.pack("<i", 2**31 - 1), struct.pack("<q", -(2**40))], ids=["huge", "negative"])
def test_sizes_when_huge_or_negative_end_in_an_error_or_a_salvage(
    sound: tuple[str, Path, EventBatch], tmp_path: Path, value: bytes
) -> None:
    _, source, _ = sound
    blob = source.read_bytes()
    anywhere = np.random.default_rng(len(blob)).integers(0, len(blob) - 8, 12).tolist()
    for position in [*range(0, 96, 8), *range(len(blob) - 96, len(blob) - 8, 16), *anywhere]:
        path = damaged(tmp_path, source, blob[:position] + value + blob[position + len(value) :])
        for salvage in (False, True):
            read, lost = outcome(path, salvage=salvage)
            assert salvage or lost is None or read is None
            check_account(path, read, lost)


def _cached(factory: pytest.TempPathFactory, name: str, suffix: str, make: Make) -> Path:
    folder = factory.getbasetemp() / "flip sources"
    folder.mkdir(exist_ok=True)
    source = folder / f"{name}{suffix}"
    if not source.exists():
        make(source)
        sensors.read(source)
    return source


RECORDS = {"dat": (8, 2), "nmnist": (5, 0), "aedat2": (8, 2)}


@pytest.mark.parametrize("name", RECORDS)
def test_one_wild_time_costs_only_its_own_event(tmp_path: Path, name: str) -> None:
    suffix, make = FORMATS[name]
    path = tmp_path / f"a{suffix}"
    batch = make(path)
    record, _ = RECORDS[name]
    blob = bytearray(path.read_bytes())
    start = len(blob) - record * 1000
    time_at = {"dat": 3, "nmnist": 2, "aedat2": 4}[name]  # the byte that holds the highest bits of the time
    blob[start + time_at] ^= 0x20
    path.write_bytes(blob)
    read, error = outcome(path, salvage=False)
    assert read is None
    assert isinstance(error, DamagedFileError)
    assert abs(error.offset_bytes - start) <= record
    salvaged, lost = outcome(path, salvage=True)
    assert salvaged is not None
    assert len(salvaged) == len(batch) - 1
    assert lost.events == 1  # type: ignore[attr-defined]
    assert lost.spans[0][:2] == (start, record)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["dat", "nmnist", "csv", "evt2", "aedat2"])
def test_halves_in_the_wrong_order_lose_one_of_them_and_say_so(tmp_path: Path, name: str) -> None:
    suffix, make = FORMATS[name]
    path = tmp_path / f"a{suffix}"
    batch = make(path)
    blob = path.read_bytes()
    head = {"dat": blob.find(b"\n", blob.find(b"Height")) + 3, "csv": blob.find(b"\n") + 1, "nmnist": 0}
    head["evt2"] = blob.find(b"% end\n") + 6
    head["aedat2"] = blob.rfind(b"\r\n", 0, 300) + 2
    body = blob[head[name] :]
    middle = body.find(b"\n", len(body) // 2) + 1 if name == "csv" else len(body) // 2 // 40 * 40
    if name == "evt2":  # events before the first time-high word have no time
        words = np.frombuffer(body, "<u4")
        middle = 4 * int(np.flatnonzero(words[middle // 4 :] >> 28 == 8)[0] + middle // 4)
    path.write_bytes(blob[: head[name]] + body[middle:] + body[:middle])
    read, error = outcome(path, salvage=False)
    assert read is None
    assert "goes back" in str(error)
    salvaged, lost = outcome(path, salvage=True)
    assert salvaged is not None
    assert lost is not None
    assert lost.events == len(batch) - len(salvaged)  # type: ignore[attr-defined]
    assert 0.4 < len(salvaged) / len(batch) < 0.6


@pytest.mark.parametrize("name", ["dat", "nmnist", "evt2", "es", "csv", "npz", "aedat2"])
def test_event_outside_the_sensor_is_refused_and_salvage_loses_only_it(tmp_path: Path, name: str) -> None:
    suffix, make = FORMATS[name]
    path = tmp_path / f"a{suffix}"
    batch = make(path)
    blob = bytearray(path.read_bytes())
    if name == "dat":
        blob[-8 * 500 + 4] = 200
    elif name == "nmnist":
        blob[-5 * 500] = 200
    elif name == "evt2":
        words = np.frombuffer(bytes(blob[blob.find(b"% end\n") + 6 :]), "<u4").copy()
        at = int(np.flatnonzero(words >> 28 < 2)[500])
        words[at] |= 0x7FF
        blob[blob.find(b"% end\n") + 6 :] = words.tobytes()
    elif name == "es":
        blob[-5 * 3 + 1] = 200
    elif name == "aedat2":
        blob[-8 * 500] = 0x7F
    elif name == "csv":
        lines = bytes(blob).split(b"\n")
        fields = lines[500].split(b",")
        lines[500] = b",".join([fields[0], b"99", *fields[2:]])
        blob = bytearray(b"\n".join(lines))
    else:
        columns = dict(np.load(path))
        columns["x"][500] = 99
        np.savez(path, **columns)
        blob = bytearray(path.read_bytes())
    path.write_bytes(blob)
    read, error = outcome(path, salvage=False)
    assert read is None
    assert "outside" in str(error)
    salvaged, lost = outcome(path, salvage=True)
    assert salvaged is not None
    if name != "es":  # where bytes are looked for an event, one by one
        assert len(salvaged) == len(batch) - 1
        assert lost.events == 1  # type: ignore[attr-defined]


def test_salvage_of_endless_garbage_keeps_a_bounded_account(tmp_path: Path) -> None:
    path = tmp_path / "garbage.dat"
    path.write_bytes(b"% Version 2\n% Width 34\n% Height 34\n\x0c\x08" + np.random.default_rng(0).bytes(8 * 100_000))
    read, lost = outcome(path, salvage=True)
    assert read is not None
    assert lost is not None
    assert len(lost.spans) < 1100  # type: ignore[attr-defined]
    assert len(read) + lost.events == 100_000  # type: ignore[attr-defined]
    assert 8 * len(read) + lost.as_document()["bytes"] == 8 * 100_000  # type: ignore[attr-defined]
