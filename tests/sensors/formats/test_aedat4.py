"""AEDAT4: what we write others read, what others write we read, and damage is found and stepped over."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import dv_processing as dv
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sensors
from hil.errors import DamagedFileError, FormatError, HilError, InvalidValueError
from hil.ports import SourceFormat
from hil.testing.sources import SourceFormatTests
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4
from sensors.formats.aedat4_writer import Compression
from tests.sensors.formats.samples import SIZE, assert_same, events

COMPRESSIONS: tuple[Compression, ...] = ("none", "lz4", "zstd")


def packet_starts(blob: bytes) -> list[int]:
    position = 18 + struct.unpack_from("<I", blob, 14)[0]
    index = struct.unpack_from("<q", blob, 54)[0]
    starts = []
    while position < index:
        starts.append(position)
        position += 8 + struct.unpack_from("<i", blob, position + 4)[0]
    return starts


@pytest.fixture(params=COMPRESSIONS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, EventBatch]:
    batch = events(1000)
    path = tmp_path / "sound.aedat4"
    aedat4.write(path, [batch], SIZE, compression=request.param, packet_events=100)
    return path, batch


class TestConformance(SourceFormatTests):
    def source_format(self) -> SourceFormat:
        return aedat4.FORMAT

    def write(self, folder: Path) -> tuple[Path, EventBatch]:
        batch = events()
        aedat4.write(folder / "a.aedat4", [batch], SIZE)
        return folder / "a.aedat4", batch


def test_written_file_when_read_by_dv_processing_has_the_same_events(written: tuple[Path, EventBatch]) -> None:
    path, batch = written
    reader = dv.io.MonoCameraRecording(str(path))
    assert tuple(reader.getEventResolution()) == (SIZE.width, SIZE.height)
    assert tuple(reader.getTimeRange()) == (batch.t[0], batch.t[-1])
    columns = []
    while (store := reader.getNextEventBatch()) is not None:
        columns.append(store.numpy().copy())
    read = np.concatenate(columns)
    for name, column in (("timestamp", batch.t), ("x", batch.x), ("y", batch.y), ("polarity", batch.p)):
        np.testing.assert_array_equal(read[name], column)


@pytest.mark.parametrize("compression", [dv.CompressionType.NONE, dv.CompressionType.LZ4, dv.CompressionType.ZSTD])
def test_file_of_dv_processing_when_read_has_the_same_events(tmp_path: Path, compression: dv.CompressionType) -> None:
    batch = events(25_000, start_us=1_700_000_000_000_000)
    config = dv.io.MonoCameraWriter.Config("camera", compression)
    config.addEventStream((SIZE.width, SIZE.height))
    writer = dv.io.MonoCameraWriter(str(tmp_path / "dv.aedat4"), config)
    store = dv.EventStore()
    for t, x, y, p in zip(batch.t, batch.x, batch.y, batch.p, strict=True):
        store.push_back(int(t), int(x), int(y), bool(p))
    writer.writeEvents(store)
    del writer
    assert_same(sensors.open(tmp_path / "dv.aedat4").read(), batch)


def test_writer_when_events_are_none_makes_a_file_of_no_events(tmp_path: Path) -> None:
    assert aedat4.write(tmp_path / "none.aedat4", [], SIZE) == 0
    assert len(sensors.open(tmp_path / "none.aedat4").read()) == 0


def test_writer_when_batches_go_back_in_time_refuses_and_leaves_no_file(tmp_path: Path) -> None:
    batch = events(10)
    with pytest.raises(InvalidValueError, match="follow each other"):
        aedat4.write(tmp_path / "bad.aedat4", [batch, batch], SIZE)
    assert list(tmp_path.iterdir()) == []


def test_writer_when_an_event_lies_outside_the_sensor_refuses(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="sensor"):
        aedat4.write(tmp_path / "bad.aedat4", [events(10)], Geometry(5, 5))


@pytest.mark.parametrize("extra_bytes", [0, 5, 50])
def test_reader_when_the_file_is_cut_raises_or_salvages_what_is_whole(
    written: tuple[Path, EventBatch], tmp_path: Path, extra_bytes: int
) -> None:
    path, batch = written
    blob = path.read_bytes()
    start = packet_starts(blob)[3]
    damaged = tmp_path / "cut.aedat4"
    damaged.write_bytes(blob[: start + extra_bytes])
    with pytest.raises(DamagedFileError, match="cut short"):
        sensors.open(damaged).read()
    recording = sensors.open(damaged, salvage=True)
    assert_same(recording.read(), batch[:300])
    spans = recording.lost.spans if recording.lost else ()
    assert [span[:2] for span in spans] == [(start, extra_bytes)] * (extra_bytes > 0)


def test_reader_when_only_the_index_is_broken_salvages_every_event(
    written: tuple[Path, EventBatch], tmp_path: Path
) -> None:
    path, batch = written
    damaged = tmp_path / "index.aedat4"
    damaged.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match="index"):
        sensors.open(damaged).read()
    recording = sensors.open(damaged, salvage=True)
    assert_same(recording.read(), batch)
    assert recording.lost is not None
    assert recording.lost.events == 0


def test_reader_when_a_packet_is_garbage_salvages_all_others_and_counts(
    written: tuple[Path, EventBatch], tmp_path: Path
) -> None:
    path, batch = written
    blob = bytearray(path.read_bytes())
    starts = packet_starts(bytes(blob))
    blob[starts[4] + 8 : starts[5]] = np.random.default_rng(0).bytes(starts[5] - starts[4] - 8)
    damaged = tmp_path / "garbage.aedat4"
    damaged.write_bytes(blob)
    with pytest.raises(DamagedFileError) as caught:
        sensors.open(damaged).read()
    assert caught.value.offset_bytes == starts[4]
    recording = sensors.open(damaged, salvage=True)
    assert_same(recording.read(), EventBatch.concatenate([batch[:400], batch[500:]]))
    assert recording.lost is not None
    assert recording.lost.events == 100
    assert [span[:2] for span in recording.lost.spans] == [(starts[4], starts[5] - starts[4])]


@pytest.mark.parametrize("size", [0, -1, -(2**31), 1, 2**31 - 1])
def test_reader_when_a_size_lies_salvages_all_other_packets(
    written: tuple[Path, EventBatch], tmp_path: Path, size: int
) -> None:
    path, batch = written
    blob = bytearray(path.read_bytes())
    starts = packet_starts(bytes(blob))
    struct.pack_into("<i", blob, starts[4] + 4, size)
    struct.pack_into("<q", blob, 54, -1)  # no index either: packets are found by their marks
    cut = packet_starts(path.read_bytes())[-1]
    damaged = tmp_path / "size.aedat4"
    damaged.write_bytes(blob[:cut])
    with pytest.raises(DamagedFileError):
        sensors.open(damaged).read()
    recording = sensors.open(damaged, salvage=True)
    assert_same(recording.read(), EventBatch.concatenate([batch[:400], batch[500:900]]))
    assert recording.lost is not None
    assert [span[:2] for span in recording.lost.spans] == [(starts[4], starts[5] - starts[4])]


def test_reader_when_packets_are_swapped_reports_time_going_back(
    written: tuple[Path, EventBatch], tmp_path: Path
) -> None:
    path, batch = written
    blob = path.read_bytes()
    starts = packet_starts(blob)
    a, b, c = starts[4:7]
    index = struct.unpack_from("<q", blob, 54)[0]
    swapped = bytearray(blob[:a] + blob[b:c] + blob[a:b] + blob[c:index])
    struct.pack_into("<q", swapped, 54, -1)
    damaged = tmp_path / "swapped.aedat4"
    damaged.write_bytes(swapped)
    with pytest.raises(DamagedFileError, match="goes back"):
        sensors.open(damaged).read()
    recording = sensors.open(damaged, salvage=True)
    read = recording.read()
    assert recording.lost is not None
    assert recording.lost.events == len(batch) - len(read) == 100


@given(seed=st.integers(0, 2**32 - 1), flips=st.integers(1, 8))
def test_reader_when_bits_flip_anywhere_ends_in_an_error_or_an_account(
    tmp_path_factory: pytest.TempPathFactory, seed: int, flips: int
) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("flip") / "flipped.aedat4"
    aedat4.write(path, [events(500)], SIZE, compression=COMPRESSIONS[seed % 3], packet_events=100)
    blob = bytearray(path.read_bytes())
    for position in rng.integers(0, len(blob), flips):
        blob[position] ^= 1 << int(rng.integers(8))
    path.write_bytes(blob)
    started = time.process_time()
    for salvage in (False, True):
        try:
            recording = sensors.open(path, salvage=salvage)
            EventBatch.concatenate(list(recording))
        except HilError:
            continue
        lost = recording.lost
        assert lost is None or salvage
        assert lost is None or lost.as_document()["bytes"] <= len(blob)
    assert time.process_time() - started < 5


def test_reader_when_a_small_packet_claims_to_be_huge_refuses_it(tmp_path: Path) -> None:
    import lz4.frame

    path = tmp_path / "bomb.aedat4"
    aedat4.write(path, [events(10)], SIZE)
    blob = bytearray(path.read_bytes())
    start = packet_starts(bytes(blob))[0]
    bomb = lz4.frame.compress(bytes(300 << 20), block_size=lz4.frame.BLOCKSIZE_MAX4MB)
    struct.pack_into("<q", blob, 54, -1)
    path.write_bytes(bytes(blob[:start]) + struct.pack("<ii", 0, len(bomb)) + bomb)
    with pytest.raises(DamagedFileError, match="more than"):
        sensors.open(path).read()


def test_file_of_another_version_is_of_no_known_format(tmp_path: Path) -> None:
    path = tmp_path / "new.aedat4"
    path.write_bytes(b"#!AER-DAT9.9\r\n" + bytes(100))
    with pytest.raises(FormatError):
        sensors.open(path)


def test_salvage_when_the_index_claims_more_than_fits_does_not_count_it_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    batch = events(2000, size=SIZE)
    aedat4.write(path, [batch], SIZE, packet_events=100, compression="none")
    blob = path.read_bytes()
    claims = struct.pack("<q", 100)  # how many events a packet holds, which the index says once a packet
    at = blob.rindex(claims)
    path.write_bytes(blob[:at] + struct.pack("<q", 1 << 40) + blob[at + 8 :])
    recording = sensors.open(path, salvage=True)
    assert len(EventBatch.concatenate(list(recording))) == 1900
    assert recording.lost is not None
    assert recording.lost.events is None


def test_file_with_frames_inertia_triggers_and_a_second_camera_says_which_events_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    config = dv.io.MonoCameraWriter.Config("camera", dv.CompressionType.LZ4)
    config.addEventStream((34, 34))
    config.addEventStream((64, 48), "others")
    config.addFrameStream((34, 34))
    config.addImuStream()
    config.addTriggerStream()
    writer = dv.io.MonoCameraWriter(str(path), config)
    batches = {"events": events(500), "others": events(700, size=Geometry(64, 48), seed=3)}
    for name, batch in batches.items():
        store = dv.EventStore()
        for event in zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True):
            store.push_back(*event)
        writer.writeEvents(store, name)
    writer.writeFrame(dv.Frame(5, np.zeros((34, 34), np.uint8)))
    writer.writeTrigger(dv.Trigger(7, dv.TriggerType.EXTERNAL_SIGNAL_RISING_EDGE))
    del writer
    recording = sensors.open(path)
    assert_same(recording.read(), batches["events"])  # type: ignore[attr-defined]
    assert "stream 0 of the streams of events [0, 3]" in recording.assumed  # type: ignore[attr-defined]
    assert_same(sensors.read(path, options={"stream": "3"}), batches["others"])
