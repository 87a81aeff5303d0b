"""DAT: both event types, both versions, and headers that say little."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sensors
from hil.errors import DamagedFileError, FormatError
from hil.types import Geometry


def dat_file(folder: Path, header: bytes, kind: bytes, events: list[tuple[int, int]]) -> Path:
    path = folder / "a.dat"
    path.write_bytes(header + kind + np.array(events, "<u4").tobytes())
    return path


@pytest.mark.parametrize("kind", [0, 12])
def test_both_event_types_read_the_same(tmp_path: Path, kind: int) -> None:
    address = (1 << 28) | (200 << 14) | 300
    path = dat_file(tmp_path, b"% Version 2\n% Width 640\n% Height 480\n", bytes([kind, 8]), [(5, address)])
    recording = sensors.open(path)
    (batch,) = recording
    assert recording.geometry == Geometry(640, 480)
    assert (batch.t.item(), batch.x.item(), batch.y.item(), batch.p.item()) == (5, 300, 200, True)


def test_version_1_has_shorter_addresses(tmp_path: Path) -> None:
    address = (1 << 17) | (200 << 9) | 300
    path = dat_file(tmp_path, b"% Version 1\n", b"\0\x08", [(5, address)])
    (batch,) = sensors.open(path)
    assert (batch.x.item(), batch.y.item(), batch.p.item()) == (300, 200, True)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(10, 10, Geometry(304, 240)), (400, 10, Geometry(640, 480)), (10, 700, Geometry(1280, 720))],
)
def test_geometry_when_the_header_has_none_is_the_smallest_that_fits(
    tmp_path: Path, x: int, y: int, expected: Geometry
) -> None:
    path = dat_file(tmp_path, b"% Version 2\n", b"\x0c\x08", [(5, (y << 14) | x)])
    recording = sensors.open(path)
    assert recording.geometry == expected
    assert "smallest" in recording.assumed  # type: ignore[attr-defined]


def test_triggers_are_named_for_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="trigger"):
        sensors.open(dat_file(tmp_path, b"% Version 2\n", b"\x0e\x08", [(5, 1)]))


def test_polarity_that_is_neither_is_damage(tmp_path: Path) -> None:
    path = dat_file(tmp_path, b"% Version 2\n% Width 640\n% Height 480\n", b"\x0c\x08", [(5, 7 << 28)])
    with pytest.raises(DamagedFileError, match="polarity"):
        sensors.read(path)


def test_start_that_faery_took_off_is_put_back(tmp_path: Path) -> None:
    header = b"% Version 2\n% Width 640\n% Height 480\n% T0 1000\n"
    assert sensors.read(dat_file(tmp_path, header, b"\x0c\x08", [(5, 1)])).t.tolist() == [1005]


@pytest.mark.parametrize(("after", "said"), [(b"", "ends with its header"), (b"\x0c\x10" + bytes(16), "16 bytes")])
def test_header_of_events_with_something_else_behind_it_is_named(tmp_path: Path, after: bytes, said: str) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes(b"% Data file containing CD events.\n% Version 2\n" + after)
    with pytest.raises(DamagedFileError, match=said):
        sensors.open(path)
