"""``hil info`` and ``hil convert``, as a script sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import sensors
from hil.cli.main import main
from sensors.formats import aedat4, evt2
from tests.sensors.formats import builders
from tests.sensors.formats.samples import SIZE, assert_same, events

KEYS = ["format", "width", "height", "events", "on", "off", "t_first_us", "t_last_us", "lost"]


def hil(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "a.aedat4"
    aedat4.write(path, [events(1000)], SIZE, packet_events=100)
    return path


def test_info_has_the_promised_keys(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = hil(capsys, "info", recording, "--json")
    document = json.loads(out)
    batch = events(1000)
    assert code == 0
    assert list(document) == KEYS
    assert document["events"] == 1000
    assert (document["on"], document["off"]) == (int(batch.p.sum()), int((~batch.p).sum()))
    assert (document["t_first_us"], document["t_last_us"]) == (int(batch.t[0]), int(batch.t[-1]))
    assert document["lost"] is None


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "wrong", "folder"])
def test_info_of_a_bad_file_is_one_line_and_exit_code_2(
    recording: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = recording.with_name("bad.aedat4")
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        blob = recording.read_bytes()
        path.write_bytes({"empty": b"", "truncated": blob[:-50], "wrong": b"hello" * 50}[damage])
    code, out, err = hil(capsys, "info", path, "--json")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("hil: ")


def test_info_of_a_salvaged_file_says_what_is_missing_and_where(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blob = bytearray(recording.read_bytes())
    blob[2000:2010] = bytes(10)
    recording.write_bytes(blob)
    assert hil(capsys, "info", recording)[0] == 2
    code, out, _ = hil(capsys, "info", recording, "--salvage", "--json")
    lost = json.loads(out)["lost"]
    assert code == 0
    assert lost["events"] == 1000 - json.loads(out)["events"]
    assert lost["bytes"] == sum(span["length_bytes"] for span in lost["spans"]) > 0
    assert "lost" in hil(capsys, "info", recording, "--salvage")[1]


def test_info_reads_headerless_cochlea_files_by_their_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = events(500)
    builders.nas(tmp_path / "spikes.aedat", batch, 34)
    options = ["address_bytes=2", "tick_us=0.2", "channels=34", "ears=2"]
    arguments = [part for option in options for part in ("--option", option)]
    too_few = hil(capsys, "info", tmp_path / "spikes.aedat", "--format", "nas", *arguments, "--json")
    assert too_few[0] == 2  # y of the sample goes beyond two ears
    batch = events(500, size=type(SIZE)(34, 2))
    builders.nas(tmp_path / "spikes.aedat", batch, 34)
    code, out, _ = hil(capsys, "info", tmp_path / "spikes.aedat", "--format", "nas", *arguments, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["width"], document["height"], document["events"]) == (34, 2, 500)
    assert document["t_last_us"] == int(batch.t[-1]) // 5


@pytest.mark.parametrize("option", ["nonsense", "=3", "no_such=1"])
def test_info_with_a_bad_option_is_exit_code_2(
    recording: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    code, _, err = hil(capsys, "info", recording, "--option", option)
    assert code == 2
    assert err.count("\n") == 1


def test_info_of_an_unknown_format_lists_the_known(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = hil(capsys, "info", recording, "--format", "aedat9")
    assert code == 2
    assert "aedat4" in err


@pytest.mark.parametrize("name", ["b.csv", "b.dat", "b.npz", "b.raw", "b.aedat4"])
def test_convert_and_back_gives_the_same_events(recording: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    there, back = recording.with_name(name), recording.with_name("back.aedat4")
    code, out, _ = hil(capsys, "convert", recording, there, "--json")
    assert code == 0
    assert json.loads(out)["events"] == 1000
    assert hil(capsys, "convert", there, back)[0] == 0
    assert_same(sensors.read(back), events(1000))


def test_convert_to_raw_is_evt3_or_what_is_asked_for_or_what_it_was(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recording.parent
    hil(capsys, "convert", recording, folder / "3.raw")
    hil(capsys, "convert", recording, folder / "2.raw", "--to", "evt2")
    hil(capsys, "convert", folder / "2.raw", folder / "again.raw")
    assert [sensors.open(folder / name).format for name in ("3.raw", "2.raw", "again.raw")] == ["evt3", "evt2", "evt2"]  # type: ignore[attr-defined]


def test_convert_refuses_what_the_target_cannot_hold_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "epoch.aedat4"
    aedat4.write(path, [events(100, start_us=1_700_000_000_000_000)], SIZE)
    code, _, err = hil(capsys, "convert", path, tmp_path / "b.dat")
    assert code == 2
    assert "--from-zero" in err
    assert not (tmp_path / "b.dat").exists()
    assert hil(capsys, "convert", path, tmp_path / "b.dat", "--from-zero")[0] == 0
    assert sensors.read(tmp_path / "b.dat").t[0] == 0


@pytest.mark.parametrize("target", ["b.xyz", "b"])
def test_convert_to_an_unknown_suffix_lists_the_known(
    recording: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    code, _, err = hil(capsys, "convert", recording, recording.with_name(target))
    assert code == 2
    assert ".npz" in err


def test_convert_onto_itself_is_refused(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = recording.read_bytes()
    assert hil(capsys, "convert", recording, recording)[0] == 2
    assert recording.read_bytes() == before


def test_convert_of_a_damaged_file_needs_salvage(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording.write_bytes(recording.read_bytes()[:-200])
    code, _, err = hil(capsys, "convert", recording, recording.with_name("b.csv"))
    assert (code, err.count("\n"), "--salvage" in err) == (2, 1, True)
    assert not recording.with_name("b.csv").exists()
    code, out, _ = hil(capsys, "convert", recording, recording.with_name("b.csv"), "--salvage", "--json")
    assert code == 0
    assert json.loads(out)["lost"] is not None


def test_listing_the_sources_compiles_and_imports_nothing_heavy() -> None:
    code = "import sys; from hil.registry import catalogue; catalogue('sources'); print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    for heavy in ("numba", "h5py", "rosbags", "lz4", "zstandard", "dv_processing"):
        assert f"'{heavy}'" not in out


@pytest.mark.slow
def test_converting_many_events_stays_small(tmp_path: Path) -> None:
    batch = events(4_000_000)
    evt2.write(tmp_path / "a.raw", [batch], SIZE)
    code = (
        "import re, sys; from hil.cli.main import _run; code = _run(sys.argv[1:]);"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024); sys.exit(code)"
    )
    peaks = []
    for source, target in (("a.raw", "b.npz"), ("b.npz", "c.aedat4"), ("c.aedat4", "d.csv"), ("d.csv", "e.dat")):
        arguments = ["convert", str(tmp_path / source), str(tmp_path / target), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=100
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert_same(sensors.read(tmp_path / "e.dat"), batch)
    assert max(peaks) < 300  # MB; the columns alone would be 52


def test_info_of_a_folder_says_what_to_name_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["info", str(tmp_path)])
    assert stopped.value.code == 2
    assert "is a folder; expected a recording" in capsys.readouterr().err


def test_convert_says_what_it_took_for_granted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("0.5,1,2,1\n0.75,3,4,0\n")
    code, out, _ = hil(capsys, "convert", tmp_path / "a.csv", tmp_path / "a.npz")
    assert (code, out.count("assumed: ")) == (0, 3)
    assert "times in seconds, because they have fractions" in out
