"""``hil emulate`` as a script sees it: the document, the files, the exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from experiments.recordings import labels_beside, shipped
from hil.cli import main
from hil.registry import open_recording
from hil.types import EventBatch


def run(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def read(path) -> EventBatch:
    recording = open_recording(path)
    with_all = EventBatch.concatenate(list(recording))
    recording.close()
    return with_all


def test_document_says_what_is_in_the_file(capsys, tmp_path):
    out = tmp_path / "s.aedat4"
    code, stdout, _ = run(capsys, "emulate", "shapes", "--out", out, "--duration-s", "1", "--seed", "4", "--json")
    document = json.loads(stdout)
    events = read(out)
    assert code == 0
    assert document == {
        "scene": "shapes",
        "out": str(out),
        "seed": 4,
        "width": 64,
        "height": 64,
        "events": len(events),
        "on": int(events.p.sum()),
        "off": int((~events.p).sum()),
        "t_first_us": int(events.t[0]),
        "t_last_us": int(events.t[-1]),
        "labels": str(tmp_path / "s.labels.json"),
        "assumed_frames_per_s": None,
    }
    labels = labels_beside(out)
    assert labels is not None
    assert labels.starts_us == (0, 500_000)


def test_pictures_from_a_file_become_events_and_the_camera_can_be_set(capsys, tmp_path):
    frames = np.linspace(0.1, 0.9, 20)[:, None, None] * np.ones((1, 8, 12))
    np.savez(tmp_path / "f.npz", frames=frames)
    counts = {}
    for threshold in (0.1, 0.4):
        setting = f"threshold_on={threshold}"
        code, stdout, _ = run(
            capsys, "emulate", tmp_path / "f.npz", "--out", tmp_path / "e.csv", "--camera", setting, "--json"
        )
        assert code == 0
        counts[threshold] = json.loads(stdout)["on"]
        assert json.loads(stdout)["labels"] is None
    assert counts[0.1] > 2 * counts[0.4] > 0


@pytest.mark.parametrize("flag", [(), ("--frames-per-s", 500)])
def test_frame_rate_that_nobody_gave_is_said(capsys, tmp_path, flag):
    np.save(tmp_path / "f.npy", np.linspace(0.1, 0.9, 20)[:, None, None] * np.ones((1, 8, 12)))
    arguments = ("emulate", tmp_path / "f.npy", "--out", tmp_path / "e.csv", *flag)
    said = run(capsys, *arguments)[1]
    document = json.loads(run(capsys, *arguments, "--json")[1])
    assert document["assumed_frames_per_s"] == (None if flag else 1000.0)
    assert ("1000 frames a second assumed; --frames-per-s sets it" in said) == (not flag)
    assert document["t_last_us"] <= 19 * (2000 if flag else 1000)


def test_times_of_the_file_are_no_assumption(capsys, tmp_path):
    frames = np.linspace(0.1, 0.9, 20)[:, None, None] * np.ones((1, 8, 12))
    np.savez(tmp_path / "f.npz", frames=frames, t_us=np.arange(20) * 5000)
    stdout = run(capsys, "emulate", tmp_path / "f.npz", "--out", tmp_path / "e.csv", "--json")[1]
    assert json.loads(stdout)["assumed_frames_per_s"] is None


@pytest.mark.parametrize(("duration", "assumed"), [({"duration": 20}, None), ({}, 25.0)])
def test_animation_without_durations_is_assumed_at_25_frames_a_second(capsys, tmp_path, duration, assumed):
    pictures = [Image.fromarray(np.full((8, 12), 12 * k, np.uint8)) for k in range(20)]
    pictures[0].save(tmp_path / "f.gif", save_all=True, append_images=pictures[1:], **duration)
    stdout = run(capsys, "emulate", tmp_path / "f.gif", "--out", tmp_path / "e.csv", "--json")[1]
    document = json.loads(stdout)
    assert document["assumed_frames_per_s"] == assumed
    assert document["t_last_us"] <= 19 * (40_000 if assumed else 20_000)


def test_scene_in_which_nothing_changes_is_written_and_said(capsys, tmp_path):
    np.save(tmp_path / "f.npy", np.full((5, 8, 12), 0.5))
    code, stdout, _ = run(capsys, "emulate", tmp_path / "f.npy", "--out", tmp_path / "e.aedat4", "--camera",
                          "leak_rate_hz=0", "--camera", "shot_noise_rate_hz=0")  # fmt: skip
    assert code == 0
    assert "nothing changed" in stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch", "--out", "x.aedat4"],
        ["shapes", "--out", "x.jpeg"],
        ["shapes", "--out", "x.aedat4", "--width", "5"],
        ["shapes", "--out", "x.aedat4", "--camera", "threshold_on"],
        ["shapes", "--out", "x.aedat4", "--camera", "colour=3"],
        ["shapes", "--out", "x.aedat4", "--duration-s", "-1"],
        ["shapes"],
    ],
)
def test_wrong_use_is_exit_code_2_and_one_line(capsys, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = run(capsys, "emulate", *arguments)
    assert code == 2
    assert stdout == ""
    assert len(stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_shipped_recording_is_what_its_command_writes(capsys, tmp_path):
    """To the last event on the machine it was made on; elsewhere a logarithm may differ in its last bit."""
    pytest.importorskip("sklearn")
    out = tmp_path / "digits.aedat4"
    code, _, _ = run(capsys, "emulate", "digits", "--out", out)
    assert code == 0
    made, kept = read(out), read(shipped("digits"))
    assert labels_beside(out) == labels_beside(shipped("digits"))
    assert len(made) == pytest.approx(len(kept), rel=1e-3)
    frames = [
        np.histogramdd((events.t // 315_000, events.p, events.y, events.x), (64, 2, 34, 34))[0].ravel()
        for events in (made, kept)
    ]
    assert np.abs(frames[0] - frames[1]).sum() <= 0.01 * len(kept)
