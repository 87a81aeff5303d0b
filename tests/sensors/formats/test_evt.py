"""Prophesee's RAW encodings: wraps, late events, odd headers, and words nobody should send."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import sensors
from hil.errors import DamagedFileError, InputError
from hil.types import EventBatch, Geometry
from sensors.formats import evt2, evt3
from tests.sensors.formats import builders
from tests.sensors.formats.samples import SIZE, assert_same, events

EVT3_HEADER = b"% evt 3.0\n% geometry 640x480\n% end\n"
EVT2_HEADER = b"% evt 2.0\n% geometry 640x480\n% end\n"


def evt3_file(folder: Path, words: list[int], header: bytes = EVT3_HEADER) -> Path:
    path = folder / "words.raw"
    path.write_bytes(header + np.array(words, "<u2").tobytes())
    return path


def evt2_file(folder: Path, words: list[int], header: bytes = EVT2_HEADER) -> Path:
    path = folder / "words.raw"
    path.write_bytes(header + np.array(words, "<u4").tobytes())
    return path


def cd(us: int, x: int, y: int, p: int) -> int:
    return (p << 28) | (us << 22) | (x << 11) | y


def test_evt3_words_when_decoded_follow_the_vendors_rules(tmp_path: Path) -> None:
    words = [0x8001, 0x6002, 0x0005, 0x2003, 0x2804, 0x3810, 0x4005, 0x4000, 0x5001, 0x8002, 0x2007]
    read = sensors.read(evt3_file(tmp_path, words))
    base = 1 << 12
    assert read.t.tolist() == [base + 2] * 5 + [2 << 12]  # a new high time makes the low part 0
    assert read.x.tolist() == [3, 4, 16, 18, 40, 7]
    assert set(read.y.tolist()) == {5}
    assert read.p.tolist() == [False, True, True, True, True, False]


def test_evt3_vectors_when_they_go_on_without_a_base_take_the_next_columns(tmp_path: Path) -> None:
    words = [0x8000, 0x0001, 0x3020, 0x4001, 0x4001, 0x5001, 0x4001, 0x4000, 0x5000]
    assert sensors.read(evt3_file(tmp_path, words)).x.tolist() == [32, 44, 56, 64]


@pytest.mark.parametrize("vector_events", [1, 2, 5])
def test_evt3_vectors_when_written_from_few_neighbours_on_are_the_same_to_us_and_to_evlib(
    tmp_path: Path, vector_events: int
) -> None:
    evlib = pytest.importorskip("evlib")
    batch = _crowded_rows()
    path = tmp_path / "a.raw"
    evt3.write(path, [batch], Geometry(1280, 720), vector_events=vector_events)
    assert_same(sensors.read(path), batch)
    frame = evlib.load_events(str(path)).collect()
    np.testing.assert_array_equal(frame["x"].to_numpy(), batch.x)
    np.testing.assert_array_equal(frame["polarity"].to_numpy() > 0, batch.p)


def _crowded_rows() -> EventBatch:
    """Return events of which many share a row and a polarity, up to the last columns."""
    rng = np.random.default_rng(3)
    rows = [np.unique(rng.integers(0, 1280, 60)) for _ in range(300)] + [np.arange(1240, 1280)] * 20
    sizes = np.array([len(row) for row in rows])
    t = np.repeat(np.cumsum(rng.integers(1, 300, len(rows))), sizes)
    y = np.repeat(rng.integers(0, 720, len(rows)), sizes).astype(np.uint16)
    return EventBatch(t, np.concatenate(rows).astype(np.uint16), y, np.repeat(rng.random(len(rows)) < 0.5, sizes))


def test_evt3_start_when_in_the_middle_of_a_stream_is_passed_over(tmp_path: Path) -> None:
    words = [0x2003, 0x6005, 0x0009, 0x2004, 0x8001, 0x2005]
    read = sensors.read(evt3_file(tmp_path, words))
    assert (read.x.tolist(), read.y.tolist()) == ([5], [9])


def test_evt3_when_no_word_says_the_time_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="time"):
        sensors.read(evt3_file(tmp_path, [0x0001, 0x2002] * 50))


def test_evt3_exposure_rows_make_no_events(tmp_path: Path) -> None:
    words = [0x8001, 0x0001, 0x2002, 0x1005, 0x2003, 0x0006, 0x2004]
    assert sensors.read(evt3_file(tmp_path, words)).x.tolist() == [2, 4]


def test_evt3_triggers_and_counters_make_no_events(tmp_path: Path) -> None:
    words = [0x8001, 0x0001, 0x2002, 0xA001, 0xE014, 0xF123, 0xF456, 0x7007, 0x2004]
    assert sensors.read(evt3_file(tmp_path, words)).x.tolist() == [2, 4]


def test_evt3_time_low_when_it_steps_back_without_events_is_sound(tmp_path: Path) -> None:
    words = [0x8B2D, 0x6320, 0x0001, 0x2001, 0x632B, 0x6320, 0x2002]
    assert sensors.read(evt3_file(tmp_path, words)).x.tolist() == [1, 2]


@pytest.mark.parametrize(("late_us", "sound"), [(11, True), (16, True), (17, False)])
def test_evt3_events_when_a_little_late_are_put_in_order_and_later_ones_refused(
    tmp_path: Path, late_us: int, sound: bool
) -> None:
    words = [0x8001, 0x0001, 0x6064, 0x2001, 0x6064 - late_us, 0x2002, 0x6065, 0x2003]
    path = evt3_file(tmp_path, words)
    if not sound:
        with pytest.raises(DamagedFileError, match="goes back") as caught:
            sensors.read(path)
        assert caught.value.offset_bytes == len(EVT3_HEADER) + 2 * 5
        return
    for read in (sensors.read(path), EventBatch.concatenate(list(sensors.open(path)))):
        assert read.x.tolist() == [2, 1, 3]
        assert np.all(np.diff(read.t) >= 0)
    salvaged = sensors.open(path, salvage=True)
    assert_same(EventBatch.concatenate(list(salvaged)), sensors.read(path))
    assert salvaged.lost is None


def test_late_events_when_in_every_chunk_come_out_as_sorted(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    t = np.arange(300_000) + rng.integers(0, 15, 300_000)
    words, high = [], -1
    for us in t.tolist():
        if us >> 6 != high:
            high = us >> 6
            words.append((8 << 28) | high)
        words.append(cd(us & 63, us % 640, us % 480, us & 1))
    path = evt2_file(tmp_path, words)
    batches = list(sensors.open(path))
    read = EventBatch.concatenate(batches)
    assert len(batches) > 2
    np.testing.assert_array_equal(read.t, np.sort(t))
    np.testing.assert_array_equal(read.x, np.sort(t) % 640)


@pytest.mark.parametrize("word", [0x1 << 12 | 5, 0x9000, 0xB000, 0xC123, 0xD000])
def test_evt3_reserved_words_are_damage_except_exposure_rows(tmp_path: Path, word: int) -> None:
    path = evt3_file(tmp_path, [0x8001, 0x0001, 0x2001, word, 0x0002, 0x2002])
    if word >> 12 == 1:
        assert len(sensors.read(path)) == 2
        return
    with pytest.raises(DamagedFileError, match="no known type"):
        sensors.read(path)


def test_evt3_column_behind_a_damaged_word_is_lost_until_the_row_is_known_again(tmp_path: Path) -> None:
    path = evt3_file(tmp_path, [0x8001, 0x0001, 0x2001, 0x9000, 0x2002, 0x2003, 0x0002, 0x2004])
    recording = sensors.open(path, salvage=True)
    assert recording.read().x.tolist() == [1, 4]  # type: ignore[attr-defined]
    lost = recording.lost
    assert lost is not None
    assert lost.as_document()["bytes"] == 6


@pytest.mark.parametrize(
    "words", [[0x8001, 0x01E0, 0x2001], [0x8001, 0x0001, 0x2280], [0x8001, 0x0001, 0x3260, 0x4001, 0x4000, 0x5080]]
)
def test_evt3_events_outside_the_sensor_are_damage(tmp_path: Path, words: list[int]) -> None:
    path = evt3_file(tmp_path, [*words, 0x0001, 0x2001])
    sound = words[-3:] == [0x4001, 0x4000, 0x5080]  # column 608 + 31 is the last
    if sound:
        assert sensors.read(path).x.tolist() == [608, 639, 1]
    else:
        with pytest.raises(DamagedFileError, match="outside"):
            sensors.read(path)


@pytest.mark.parametrize(("module", "period_us"), [(evt2, 1 << 34), (evt3, 1 << 24)])
def test_clock_when_it_starts_over_goes_on(tmp_path: Path, module: object, period_us: int) -> None:
    t = np.arange(0, 5 * period_us, period_us // 9)
    n = len(t)
    batch = EventBatch(t, np.full(n, 3, np.uint16), np.full(n, 4, np.uint16), np.ones(n, bool))
    path = tmp_path / "long.raw"
    module.write(path, [batch], SIZE)  # type: ignore[attr-defined]
    assert_same(sensors.read(path), batch)


def test_evt2_reads_both_polarities_and_passes_over_other_words(tmp_path: Path) -> None:
    words = [0x80000001, cd(5, 7, 8, 1), 0xA0000000, 0xE0000000, 0xF0000000, cd(6, 9, 10, 0)]
    read = sensors.read(evt2_file(tmp_path, words))
    assert read.t.tolist() == [69, 70]
    assert read.p.tolist() == [True, False]


def test_evt2_unknown_word_is_damage_with_its_place(tmp_path: Path) -> None:
    path = evt2_file(tmp_path, [0x80000001, cd(5, 7, 8, 1), 0x50000000, cd(6, 9, 10, 0)])
    with pytest.raises(DamagedFileError) as caught:
        sensors.read(path)
    assert caught.value.offset_bytes == len(EVT2_HEADER) + 8
    recording = sensors.open(path, salvage=True)
    assert sum(len(batch) for batch in recording) == 2
    assert recording.lost is not None
    assert recording.lost.spans[0][:2] == (len(EVT2_HEADER) + 8, 4)


def test_evt21_when_a_word_holds_a_mask_makes_its_events(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    words = [(0x80000001 << 32), ((0x10000000 | (2 << 22) | (32 << 11) | 7) << 32) | 0x80000005]
    path.write_bytes(b"% evt 2.1\n% geometry 640x480\n% end\n" + np.array(words, "<u8").tobytes())
    read = sensors.read(path)
    assert read.x.tolist() == [32, 34, 63]
    assert set(read.t.tolist()) == {66}
    assert read.p.all()


def test_evt21_in_legacy_order_reads_the_same(tmp_path: Path) -> None:
    batch = events(500)
    builders.evt21(tmp_path / "a.raw", batch, SIZE, legacy=True)
    assert_same(sensors.read(tmp_path / "a.raw"), batch)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"% format EVT3;height=320;width=320\n% end\n", Geometry(320, 320)),
        (b"% evt 3.0\n% geometry 1280x720\n", Geometry(1280, 720)),
        (b"% evt 3.0\n% system_ID 48\n", Geometry(1280, 720)),
        (b"% evt 2.0\n% system_ID 21\n", Geometry(640, 480)),
        (b"% evt 3.0\n% system_ID 64\n", Geometry(320, 320)),
    ],
)
def test_geometry_is_what_the_header_or_the_system_says(tmp_path: Path, header: bytes, expected: Geometry) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(header + bytes(4))
    recording = sensors.open(path)
    assert recording.geometry == expected
    assert recording.assumed == ""  # type: ignore[attr-defined]


def test_geometry_when_nothing_says_it_is_assumed_aloud(tmp_path: Path) -> None:
    path = evt3_file(tmp_path, [0x8001, 0x0001, 0x2001], b"% evt 3.0\n")
    recording = sensors.open(path)
    assert recording.geometry == Geometry(1280, 720)
    assert "1280 x 720" in recording.assumed  # type: ignore[attr-defined]
    given = sensors.open(path, options={"width": "640", "height": "480"})
    assert given.geometry == Geometry(640, 480)
    assert given.assumed == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("header", [b"% evt 9.0\n", b"% format HISTO3D\n", b"% something else\n"])
def test_header_of_another_encoding_is_of_no_known_format(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(header + bytes(64))
    with pytest.raises(InputError):
        sensors.open(path)


def test_payload_that_starts_with_a_percent_sign_is_no_header(tmp_path: Path) -> None:
    words = [0x80000001, *[cd(5, 4, 0x25, 0)] * 4]
    header = b"% evt 2.0\n% geometry 640x480\n"
    path = evt2_file(tmp_path, [*words[1:2], *words], header)
    assert path.read_bytes()[len(header)] == 0x25
    assert len(sensors.read(path)) == 4


def test_late_evt3_start_is_written_and_read(tmp_path: Path) -> None:
    batch = events(100, start_us=913_716_224)
    evt3.write(tmp_path / "late.raw", [batch], SIZE)
    assert_same(sensors.read(tmp_path / "late.raw"), batch)


def test_evt3_base_column_that_runs_far_off_the_sensor_never_comes_back_on_it(tmp_path: Path) -> None:
    empty = [0x4000, 0x4000, 0x5000] * 2100  # 2100 times 32 columns is beyond 16 bits
    path = evt3_file(tmp_path, [0x8001, 0x0001, 0x3000, *empty, 0x4001, 0x4000, 0x5000, *[0x2001] * 10])
    with pytest.raises(DamagedFileError, match="outside"):
        sensors.read(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_halves_of_words_are_told_by_the_times_where_the_header_does_not_say(tmp_path: Path, *, legacy: bool) -> None:
    batch = events(2000, size=Geometry(640, 480))
    path = tmp_path / "a.raw"
    builders.evt21(path, batch, Geometry(640, 480), legacy=legacy)
    header, _, words = path.read_bytes().partition(b"% end\n")
    path.write_bytes(re.sub(rb"endianness=\w+;", b"", header) + b"% end\n" + words)
    recording = sensors.open(path)
    assert_same(recording.read(), batch)  # type: ignore[attr-defined]
    assert ("swapped" if legacy else "usual") in recording.assumed  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["aedat4", "dat", "evt2", "evt3", "npz", "text"])
def test_recording_without_events_is_written_and_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.bin"
    assert import_module(f"sensors.formats.{name}").write(path, [], Geometry(64, 48)) == 0
    recording = sensors.open(path)
    assert (list(recording), recording.geometry, recording.lost) == ([], Geometry(64, 48), None)


def test_sensor_that_is_too_small_in_the_header_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    batch = events(200)
    evt2.write(path, [batch], Geometry(34, 34))
    path.write_bytes(path.read_bytes().replace(b"width=34", b"width=10"))
    with pytest.raises(DamagedFileError, match="outside the sensor of 10 x 34; say its true size with width and"):
        sensors.read(path)
    assert_same(sensors.read(path, options={"width": "34"}), batch)
