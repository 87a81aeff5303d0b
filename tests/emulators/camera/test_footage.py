"""Pictures from files: arrays, animations and films, as other programs write them."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.camera.footage import Footage, still
from emulators.camera.frames import resampled
from emulators.scenes.catalogue import open_scene
from hil.errors import FormatError, InvalidValueError, MissingDependencyError
from hil.types import Geometry


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (6, 16, 24), dtype=np.uint8)


def test_array_of_pictures_is_a_thousand_a_second(tmp_path, pictures):
    np.save(tmp_path / "a.npy", pictures)
    footage = Footage(tmp_path / "a.npy")
    assert footage.geometry == Geometry(24, 16)
    frames = list(footage.frames())
    assert [frame.t_us for frame in frames] == [0, 1000, 2000, 3000, 4000, 5000]
    assert all(np.array_equal(frame.luminance, p) for frame, p in zip(frames, pictures, strict=True))


def test_array_with_times_keeps_them_unless_a_rate_is_asked_for(tmp_path, pictures):
    np.savez(tmp_path / "a.npz", frames=pictures / 255.0, t_us=np.arange(6) * 700 + 5)
    assert [f.t_us for f in Footage(tmp_path / "a.npz").frames()] == [5, 705, 1405, 2105, 2805, 3505]
    assert [f.t_us for f in Footage(tmp_path / "a.npz", frames_per_s=50.0).frames()][:3] == [0, 20_000, 40_000]
    assert len(list(Footage(tmp_path / "a.npz", duration_s=0.0015).frames())) == 3


def test_colour_becomes_grey_and_size_becomes_the_sensor(tmp_path):
    colour = np.zeros((2, 16, 24, 3), np.uint8)
    colour[..., 1] = 200
    np.save(tmp_path / "c.npy", colour)
    frame = next(Footage(tmp_path / "c.npy", Geometry(6, 4)).frames())
    assert frame.luminance.shape == (4, 6)
    assert np.allclose(frame.luminance, 0.587 * 200 / 255, atol=1e-6)


def test_resampling_keeps_the_mean_light_and_the_places():
    picture = np.random.default_rng(0).random((31, 47))
    smaller = resampled(picture, 10, 13)
    assert smaller.mean() == pytest.approx(picture.mean(), rel=1e-5)
    assert np.allclose(resampled(picture[:30, :46], 15, 23), picture[:30, :46].reshape(15, 2, 23, 2).mean((1, 3)))
    assert resampled(picture, 62, 94)[5, 7] == pytest.approx(picture[2, 3])


def test_animation_keeps_its_own_times(tmp_path, pictures):
    from PIL import Image

    images = [Image.fromarray(picture) for picture in pictures]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=30)
    frames = list(Footage(tmp_path / "a.gif").frames())
    assert [frame.t_us for frame in frames] == [0, 30_000, 60_000, 90_000, 120_000, 150_000]
    assert np.abs(frames[3].luminance.astype(int) - pictures[3]).mean() < 8  # a palette of 256 greys
    assert still(tmp_path / "a.gif") is None


def test_single_picture_is_looked_around_in(tmp_path, pictures):
    from PIL import Image

    Image.fromarray(pictures[0]).save(tmp_path / "p.png")
    assert np.array_equal(still(tmp_path / "p.png"), pictures[0])
    show = open_scene(str(tmp_path / "p.png"), seed=0, duration_s=0.05, geometry=Geometry(40, 30))
    assert sum(len(batch) for batch in show.source) > 1000


def test_film_is_decoded_with_its_times(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "f.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for k in range(5):
            picture = np.full((32, 48, 3), 40 + 40 * k, np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())
    frames = list(Footage(tmp_path / "f.mp4").frames())
    assert [frame.t_us for frame in frames] == [0, 40_000, 80_000, 120_000, 160_000]
    levels = [frame.luminance.mean() for frame in frames]
    assert (np.diff(levels) > 25).all()


def test_film_without_pyav_says_what_to_install(tmp_path, monkeypatch):
    import sys

    (tmp_path / "f.mp4").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match="video"):
        list(Footage(tmp_path / "f.mp4").frames())


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.png", "a.mp4"])
@pytest.mark.parametrize("content", [b"", b"no pictures at all, only words"])
def test_file_without_pictures_is_refused(tmp_path, name, content):
    if name.endswith("mp4"):
        pytest.importorskip("av")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError):
        open_scene(str(tmp_path / name), seed=0).source.geometry  # noqa: B018


@pytest.mark.parametrize(
    "stored",
    [
        {"other": np.zeros((2, 2, 2))},
        {"frames": np.zeros((2, 2))},
        {"frames": np.zeros((2, 2, 2)), "t_us": np.zeros(3)},
    ],
)
def test_array_of_another_shape_is_refused(tmp_path, stored):
    np.savez(tmp_path / "a.npz", **stored)
    with pytest.raises(FormatError):
        list(Footage(tmp_path / "a.npz").frames())


def test_footage_at_no_rate_is_refused(tmp_path):
    with pytest.raises(InvalidValueError, match="frames_per_s"):
        Footage(tmp_path / "a.npy", frames_per_s=0.0)
