"""jAER's and cAER's recordings: chips, axes, polarities, overflows, and packets of other things."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import sensors
from hil.errors import DamagedFileError, FormatError, InputError
from hil.types import EventBatch, Geometry
from tests.sensors.formats import builders
from tests.sensors.formats.samples import assert_same, events


@pytest.mark.parametrize(
    ("chip", "size"),
    [("DAVIS240C", (240, 180)), ("Davis346red", (346, 260)), ("Davis640", (640, 480)), ("SBret10", (240, 180))],
)
def test_davis_events_are_read_and_its_frames_passed_over(tmp_path: Path, chip: str, size: tuple[int, int]) -> None:
    batch = events(1000, size=Geometry(*size))
    builders.aedat2_davis(tmp_path / "a.aedat", batch, Geometry(*size), chip)
    recording = sensors.open(tmp_path / "a.aedat")
    assert recording.geometry == Geometry(*size)
    assert_same(recording.read(), batch)  # type: ignore[attr-defined]


def test_dvs128_polarity_follows_jaer_and_can_be_turned(tmp_path: Path) -> None:
    batch = events(1000, size=Geometry(128, 128))
    builders.aedat2_dvs128(tmp_path / "a.aedat", batch)
    assert_same(sensors.read(tmp_path / "a.aedat"), batch)
    turned = sensors.read(tmp_path / "a.aedat", options={"on_bit": "1"})
    np.testing.assert_array_equal(turned.p, ~batch.p)


def test_aedat2_of_an_unknown_chip_asks_for_it(tmp_path: Path) -> None:
    batch = events(100, size=Geometry(128, 128))
    builders.aedat2_dvs128(tmp_path / "a.aedat", batch)
    blob = (tmp_path / "a.aedat").read_bytes()
    (tmp_path / "a.aedat").write_bytes(blob.replace(b"DVS128", b"XYZ999"))
    with pytest.raises(InputError, match="dvs128"):
        sensors.open(tmp_path / "a.aedat")
    assert_same(sensors.read(tmp_path / "a.aedat", options={"chip": "dvs128"}), batch)


def test_aedat2_data_that_starts_like_a_header_is_data(tmp_path: Path) -> None:
    size = Geometry(240, 180)
    x, y = 240 - 1 - 0x30, 180 - 1 - 0x8C  # address 0x23030000: '#'
    batch = EventBatch(np.array([1]), np.array([x], np.uint16), np.array([y], np.uint16), np.array([False]))
    builders.aedat2_davis(tmp_path / "a.aedat", batch, size)
    blob = (tmp_path / "a.aedat").read_bytes()
    assert blob[blob.rfind(b"\r\n") + 2] == ord("#")
    assert_same(sensors.read(tmp_path / "a.aedat"), batch)


def test_aedat2_clock_when_it_starts_over_goes_on(tmp_path: Path) -> None:
    t = np.arange(2**32 - 500, 2**32 + 500, 10)
    n = len(t)
    batch = EventBatch(t, np.arange(n, dtype=np.uint16), np.zeros(n, np.uint16), np.ones(n, bool))
    builders.aedat2_dvs128(tmp_path / "a.aedat", batch)
    assert_same(sensors.read(tmp_path / "a.aedat"), batch)


def test_aedat3_overflows_lift_the_time(tmp_path: Path) -> None:
    batch = events(1000, size=Geometry(240, 180), start_us=2**31 - 3000, step_us=10)
    split = int(np.searchsorted(batch.t, 2**31))
    path = tmp_path / "a.aedat"
    builders.aedat3(path, batch[:split], packet_events=50)
    more = tmp_path / "b.aedat"
    builders.aedat3(more, batch[split:], packet_events=50)
    tail = more.read_bytes()
    path.write_bytes(path.read_bytes() + tail[tail.index(b"#!END-HEADER\r\n") + 14 + 64 :])
    assert_same(sensors.read(path), batch)


def test_aedat3_events_marked_invalid_are_left_out(tmp_path: Path) -> None:
    batch = events(100, size=Geometry(240, 180))
    (start,) = builders.aedat3(tmp_path / "a.aedat", batch)
    blob = bytearray((tmp_path / "a.aedat").read_bytes())
    blob[start + 28 + 8 * 7] &= 0xFE
    struct.pack_into("<i", blob, start + 24, 99)
    (tmp_path / "a.aedat").write_bytes(blob)
    assert len(sensors.read(tmp_path / "a.aedat")) == 99


@pytest.mark.parametrize(("field", "value"), [(4, 0), (4, 12), (8, 0), (16, -1), (16, 2**31 - 1), (20, 101), (24, 500)])
def test_aedat3_packet_with_a_lying_header_is_damage_and_costs_only_itself(
    tmp_path: Path, field: int, value: int
) -> None:
    batch = events(500, size=Geometry(240, 180))
    starts = builders.aedat3(tmp_path / "a.aedat", batch)
    blob = bytearray((tmp_path / "a.aedat").read_bytes())
    struct.pack_into("<i", blob, starts[2] + field, value)
    (tmp_path / "a.aedat").write_bytes(blob)
    with pytest.raises(DamagedFileError) as caught:
        sensors.read(tmp_path / "a.aedat")
    assert caught.value.offset_bytes == starts[2]
    recording = sensors.open(tmp_path / "a.aedat", salvage=True)
    expected = EventBatch.concatenate([batch[:200], batch[300:]])
    assert_same(EventBatch.concatenate(list(recording)), expected)
    assert recording.lost is not None
    assert [span[:2] for span in recording.lost.spans] == [(starts[2], starts[3] - starts[2])]


def test_aedat3_of_an_unknown_source_asks_for_its_size(tmp_path: Path) -> None:
    batch = events(100, size=Geometry(34, 34))
    builders.aedat3(tmp_path / "a.aedat", batch, source="NewCamera")
    with pytest.raises(FormatError, match="NewCamera"):
        sensors.open(tmp_path / "a.aedat")
    assert_same(sensors.read(tmp_path / "a.aedat", options={"width": "34", "height": "34"}), batch)
