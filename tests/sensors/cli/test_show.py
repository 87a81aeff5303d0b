"""``hil show`` draws what is there: every picture is opened again and its colours counted."""

import numpy as np
import pytest

from hil.types import EventBatch, Geometry
from sensors.formats import npz

Image = pytest.importorskip("PIL.Image")


def colours(path):
    """Return how many pixels of a picture are rather blue, and how many rather red."""
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB")).astype(int)
    red, _, blue = picture.transpose(2, 0, 1)
    return int((blue - red > 60).sum()), int((red - blue > 60).sum())


def test_still_shows_events_of_both_polarities(hil_json, recording, tmp_path):
    out = tmp_path / "picture.png"
    code, document = hil_json("show", recording, "--out", out)
    assert (code, document["events"], document["frames"]) == (0, 6_000, 1)
    assert document["bytes"] == out.stat().st_size
    blue, red = colours(out)
    assert min(blue, red) > 1_000


def test_still_of_one_polarity_has_one_colour(hil_json, events, tmp_path):
    npz.write(tmp_path / "on.npz", [events.select(events.p)], Geometry(64, 48))
    hil_json("show", tmp_path / "on.npz", "--out", tmp_path / "on.png")
    blue, red = colours(tmp_path / "on.png")
    assert blue > 1_000
    assert red < 500  # the word OFF in the corner


def test_animation_has_frames_that_differ(hil_json, recording, tmp_path):
    out = tmp_path / "moving.gif"
    code, document = hil_json("show", recording, "--out", out)
    assert code == 0
    with Image.open(out) as image:
        assert image.n_frames == document["frames"] >= 40
        first = np.asarray(image.convert("RGB"))
        image.seek(20)
        assert (np.asarray(image.convert("RGB")) != first).any()


@pytest.mark.parametrize("suffix", [".apng", ".svg", ".pdf"])
def test_every_format_is_written(hil_json, recording, tmp_path, suffix):
    code, document = hil_json("show", recording, "--out", tmp_path / f"picture{suffix}")
    assert code == 0
    assert document["bytes"] > 1_000


@pytest.mark.parametrize("absolute", [False, True])
def test_stretch_is_counted_from_the_first_event_or_in_stream_time(hil_json, recording, events, tmp_path, absolute):
    first = int(events.t[0])
    shift = first if absolute else 0
    code, document = hil_json(
        "show", recording, "--out", tmp_path / "a.png", "--from-us", shift + 10_000, "--to-us", shift + 30_000
    )
    assert (code, document["from_us"], document["to_us"]) == (0, first + 10_000, first + 30_000)
    assert document["events"] == len(events.between(first + 10_000, first + 30_000))
    assert not document["cut"]


def test_long_recording_is_shown_for_ten_seconds_and_says_so(hil, tmp_path):
    times = np.arange(0, 30_000_000, 10_000)
    zeros = np.zeros(len(times), np.uint16)
    npz.write(tmp_path / "long.npz", [EventBatch(times, zeros, zeros, zeros == 0)], Geometry(8, 8))
    code, out, _ = hil("show", tmp_path / "long.npz", "--out", tmp_path / "long.png")
    assert code == 0
    assert "1,000 events" in out
    assert "goes on" in out


def test_cochlea_is_drawn_as_a_raster(hil_json, tmp_path):
    rng = np.random.default_rng(5)
    n = 5_000
    spikes = EventBatch(
        np.sort(rng.integers(0, 500_000, n)),
        rng.integers(0, 64, n).astype(np.uint16),
        rng.integers(0, 2, n).astype(np.uint16),
        rng.random(n) < 0.5,
    )
    npz.write(tmp_path / "ears.npz", [spikes], Geometry(64, 2))
    code, document = hil_json("show", tmp_path / "ears.npz", "--out", tmp_path / "ears.png")
    assert (code, document["height"]) == (0, 2)
    assert min(colours(tmp_path / "ears.png")) > 1_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "picture.bmp"], "suffix"),
        (["--from-us", "900000", "--to-us", "990000"], "no events between"),
        (["--from-us", "30000", "--to-us", "10000"], "no events between"),
    ],
)
def test_show_refuses_what_it_cannot_draw_in_one_line(hil, recording, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = hil("show", recording, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_show_never_overwrites_the_recording(hil, recording):
    mistaken = recording.rename(recording.with_suffix(".png"))
    before = mistaken.read_bytes()
    code, _, err = hil("show", mistaken, "--out", mistaken)
    assert (code, mistaken.read_bytes() == before) == (2, True)
    assert "overwrite" in err


def test_picture_goes_beside_the_caller_by_default(hil_json, recording, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hil_json("show", recording)[1]["out"] == "recording.png"
    assert (tmp_path / "recording.png").is_file()


@pytest.mark.parametrize("t", [[1_605_537_493_718_345], [-7], [1 << 52, 1 << 52, (1 << 52) + 1]])
def test_recording_of_hardly_any_events_is_drawn_whenever_it_was(hil_json, tmp_path, t):
    ones = np.ones(len(t), np.uint16)
    npz.write(tmp_path / "few.npz", [EventBatch(np.array(t), ones, ones, ones == 1)], Geometry(64, 48))
    for name in ("few.png", "few.gif"):
        code, document = hil_json("show", tmp_path / "few.npz", "--out", tmp_path / name)
        assert (code, document["events"], document["from_us"], document["to_us"]) == (0, len(t), t[0], t[-1] + 1)


def test_stretch_of_a_recording_that_starts_before_zero_is_in_stream_time(hil_json, events, tmp_path):
    early = EventBatch(events.t - events.t[0] - 50_000, events.x, events.y, events.p)
    npz.write(tmp_path / "a.npz", [early], Geometry(64, 48))
    arguments = ("show", tmp_path / "a.npz", "--out", tmp_path / "a.png", "--from-us", "-20000", "--to-us", "0")
    code, document = hil_json(*arguments)
    assert (code, document["from_us"], document["events"]) == (0, -20_000, len(early.between(-20_000, 0)))
