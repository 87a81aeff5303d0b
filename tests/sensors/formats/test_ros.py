"""Bags of event messages, written by a library nobody here wrote."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard

import sensors
from hil.errors import DamagedFileError, FormatError
from hil.types import EventBatch
from tests.sensors.formats import ros_bags
from tests.sensors.formats.samples import SIZE, assert_same, events
from tests.sensors.formats.test_conformance import evt3_payloads


def parts(batch: EventBatch, size: int = 300) -> list[EventBatch]:
    return [batch[start : start + size] for start in range(0, len(batch), size)]


@pytest.mark.parametrize("compression", ["none", "bz2", "lz4"])
def test_ros1_chunks_are_read_however_they_are_compressed(tmp_path: Path, compression: str) -> None:
    batch = events(3000)
    path = tmp_path / "a.bag"
    ros_bags.write_ros1(path, evt3_payloads(batch), SIZE, compression=compression)  # type: ignore[arg-type]
    assert_same(sensors.read(path), batch)


@pytest.mark.parametrize("write", [ros_bags.write_ros1, ros_bags.write_ros2, ros_bags.write_mcap])
def test_mono_messages_are_read_from_every_container(tmp_path: Path, write: object) -> None:
    batch = events(1000)
    path = tmp_path / "a.bag"
    write(path, [ros_bags.mono_payload(part) for part in parts(batch)], SIZE, encoding="mono")  # type: ignore[operator]
    assert_same(sensors.read(path), batch)


def test_libcaer_messages_add_their_time_base_and_overflow(tmp_path: Path) -> None:
    t = np.array([5, 2**31 - 1, 3], np.int64)
    words = np.stack([(np.arange(3) << 17) | (7 << 2) | 2, t], axis=1).astype("<u4")
    ros_bags.write_mcap(tmp_path / "a.mcap", [words.tobytes()], SIZE, encoding="libcaer", time_base=10**12)
    read = sensors.read(tmp_path / "a.mcap")
    assert read.t.tolist() == [10**9 + 5, 10**9 + 2**31 - 1, 10**9 + 2**31 + 3]
    assert (read.x.tolist(), read.y.tolist(), read.p.all()) == ([0, 1, 2], [7, 7, 7], True)


def test_compressed_libcaer_messages_follow_their_codec(tmp_path: Path) -> None:
    words = [0x0001, 0x1005, 0x2003, 0x3804, 0x3005, 0x2006, 0x4808, 0x5003, 0x5080]
    payload = np.array(words, "<u2").tobytes()
    ros_bags.write_mcap(tmp_path / "a.mcap", [payload] * 2, SIZE, encoding="libcaer_cmp", time_base=10**6)
    read = sensors.read(tmp_path / "a.mcap", options={})[:5]
    assert set(read.t.tolist()) == {10**6 + 4096 + 5}
    assert read.x.tolist() == [3, 3, 6, 6, 6]
    assert read.y.tolist() == [4, 5, 8, 9, 23]
    assert read.p.tolist() == [True, False, True, True, True]


def dvs_array(batch: EventBatch, *, cdr: bool) -> bytes:
    """Return a ``dvs_msgs/EventArray``, packed by hand."""
    head = struct.pack("<IIII", 1, 2, 3, 4) + b"cam\0" if not cdr else struct.pack("<III", 1, 2, 4) + b"cam\0"
    out = (b"\0\1\0\0" if cdr else b"") + head + struct.pack("<III", SIZE.height, SIZE.width, len(batch))
    for t, x, y, p in zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True):
        gap = bytes(-(len(out) - 4) % 2) if cdr else b""
        out += gap + struct.pack("<HH", x, y)
        out += (bytes(-(len(out) - 4) % 4) if cdr else b"") + struct.pack("<II?", t // 10**6, t % 10**6 * 1000, p)
    return out


@pytest.mark.parametrize("cdr", [False, True])
def test_event_arrays_are_unpacked_in_both_serialisations(cdr: bool) -> None:
    from sensors.formats.account import LossAccount
    from sensors.formats.ros_messages import EventMessages
    from sensors.formats.sink import Sink

    batch = events(50, start_us=3_000_000)
    messages = EventMessages("dvs_msgs/msg/EventArray", cdr=cdr)
    data = dvs_array(batch, cdr=cdr)
    assert messages.geometry(data) == SIZE
    sink = Sink(LossAccount(), salvage=False, capacity=0)
    messages.commit(data, SIZE, sink, 0, len(data))
    (read,) = sink.batches(final=True)
    assert_same(read, batch)


def test_topic_when_asked_for_must_hold_events(tmp_path: Path) -> None:
    path = tmp_path / "a.bag"
    ros_bags.write_ros1(path, evt3_payloads(events(300)), SIZE)
    assert len(sensors.read(path, options={"topic": ros_bags.TOPIC})) == 300
    with pytest.raises(FormatError, match="no events"):
        sensors.read(path, options={"topic": "/chatter"})
    with pytest.raises(FormatError, match="chatter"):
        sensors.read(path, options={"topic": "/nothing"})


def test_unknown_encoding_is_named(tmp_path: Path) -> None:
    ros_bags.write_mcap(tmp_path / "a.mcap", [b"1234"], SIZE, encoding="evt9")
    with pytest.raises(FormatError, match="evt9"):
        sensors.read(tmp_path / "a.mcap")


@pytest.mark.parametrize("write", [ros_bags.write_ros1, ros_bags.write_mcap])
def test_broken_message_costs_only_its_events(tmp_path: Path, write: object) -> None:
    batch = events(3000)
    path = tmp_path / "a.bag"
    payloads = [ros_bags.mono_payload(part) for part in parts(batch)]
    payloads[4] = payloads[4][:-3]
    write(path, payloads, SIZE, encoding="mono")  # type: ignore[operator]
    with pytest.raises(DamagedFileError):
        sensors.read(path)
    recording = sensors.open(path, salvage=True)
    expected = EventBatch.concatenate([batch[:1200], batch[1500:]])
    assert_same(EventBatch.concatenate(list(recording)), expected)
    assert recording.lost is not None
    assert recording.lost.as_document()["bytes"] > 0


def with_chunk(path: Path, compression: str, *, checksum_off_by: int = 0) -> None:
    """Write the only chunk of an MCAP file anew, compressed and with a checksum."""
    blob = path.read_bytes()
    at = 8
    while blob[at] != 6:
        at += 9 + struct.unpack_from("<Q", blob, at + 1)[0]
    end = at + 9 + struct.unpack_from("<Q", blob, at + 1)[0]
    raw = blob[at + 9 + 28 + 4 + 8 : end]
    packed = {"": raw, "lz4": lz4.frame.compress(raw), "zstd": zstandard.ZstdCompressor().compress(raw)}[compression]
    head = struct.pack("<QQQI", 0, 0, len(raw), zlib.crc32(raw) + checksum_off_by)
    content = (
        head + struct.pack("<I", len(compression)) + compression.encode() + struct.pack("<Q", len(packed)) + packed
    )
    path.write_bytes(blob[:at] + struct.pack("<BQ", 6, len(content)) + content + blob[end:])


@pytest.mark.parametrize("compression", ["", "lz4", "zstd"])
def test_mcap_chunks_are_read_however_they_are_compressed(tmp_path: Path, compression: str) -> None:
    batch = events(300)
    path = tmp_path / "a.mcap"
    ros_bags.write_mcap(path, [ros_bags.mono_payload(batch)], SIZE, encoding="mono")
    with_chunk(path, compression)
    assert_same(sensors.read(path), batch)


def test_mcap_chunk_with_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    ros_bags.write_mcap(path, [ros_bags.mono_payload(events(300))], SIZE, encoding="mono")
    with_chunk(path, "", checksum_off_by=1)
    with pytest.raises(DamagedFileError, match="checksum"):
        sensors.read(path)


def test_ros2_database_with_a_broken_page_gives_messages_before_and_behind_it(tmp_path: Path) -> None:
    batch = events(60_000)
    path = tmp_path / "a.db3"
    ros_bags.write_ros2(path, [ros_bags.mono_payload(part) for part in parts(batch, 500)], SIZE, encoding="mono")
    blob = bytearray(path.read_bytes())
    page = 4096
    leaves = [at for at in range(page, len(blob), page) if blob[at] == 0x0D]
    blob[leaves[len(leaves) // 2]] = 0x99  # a table leaf of no known kind
    path.write_bytes(blob)
    with pytest.raises(DamagedFileError):
        sensors.read(path)
    recording = sensors.open(path, salvage=True)
    read = EventBatch.concatenate(list(recording))
    assert 0 < len(read) < len(batch)
    assert int(read.t[-1]) > int(batch.t[-1]) * 0.8
    assert recording.lost is not None


def test_what_a_broken_database_quotes_is_one_line_and_commands_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.db3"
    ros_bags.write_ros2(path, [ros_bags.mono_payload(events(100))], SIZE, encoding="mono")
    blob = path.read_bytes()
    path.write_bytes(blob.replace(b"timestamp INTEGER NOT NULL", b'"\x1b[31m          \n NOT NULL', 1))
    with pytest.raises(DamagedFileError, match="malformed database schema") as caught:
        sensors.open(path)
    assert str(caught.value).isprintable()
