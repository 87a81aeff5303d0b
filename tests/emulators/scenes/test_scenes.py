"""Scenes: smooth, repeatable, of the right size, and as different from each other as their labels say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emulators.camera import Camera, CameraParameters, Frame, FunctionScene, Scene
from emulators.scenes import gestures, gratings, shapes
from emulators.scenes.catalogue import SCENES, open_scene
from emulators.scenes.drawing import Plane
from emulators.scenes.motion import minimum_jerk, shifted
from emulators.scenes.panorama import Panorama, dead_leaves
from emulators.scenes.reel import Reel, Take
from hil.errors import InvalidValueError, UnknownNameError
from hil.types import EventBatch, Geometry

SMALL = Geometry(40, 30)


def all_scenes() -> list[Scene]:
    return [
        shapes.ShapeScene("cross", SMALL),
        gestures.GestureScene("waving", geometry=SMALL),
        gratings.GratingScene(SMALL, heading_rad=0.7),
        Panorama(SMALL, duration_s=0.02),
        FunctionScene(lambda t_s: np.full((30, 40), 0.5 + t_s), SMALL, 0.1),
    ]


@pytest.mark.parametrize("scene", all_scenes(), ids=lambda scene: type(scene).__name__)
def test_scene_shows_the_same_light_in_order_every_time(scene):
    first = list(itertools.islice(scene.frames(), 5))
    again = list(itertools.islice(scene.frames(), 5))
    for one, other in zip(first, again, strict=True):
        assert one.t_us == other.t_us
        assert np.array_equal(one.luminance, other.luminance)
        assert one.luminance.shape == (30, 40)
        assert one.luminance.min() >= 0
    assert (np.diff([frame.t_us for frame in first]) > 0).all()


def test_disc_covers_its_area_wherever_it_stands():
    for middle in ((20.0, 15.0), (19.5, 14.7), (18.3, 15.25)):
        plane = Plane.of(SMALL, middle, 10.0)
        assert plane.cover(plane.disc(0.0, 0.0, 1.0)).sum() == pytest.approx(np.pi * 100, rel=2e-3)


def test_triangle_and_box_cover_their_area_however_they_are_turned():
    for turn_rad in (0.0, 0.3, 1.1):
        plane = Plane.of(SMALL, (20.0, 15.0), 10.0, turn_rad=turn_rad)
        assert plane.cover(plane.box(0.8, 0.5)).sum() == pytest.approx(4 * 0.8 * 0.5 * 100, rel=0.01)
        triangle = plane.cover(shapes._distance(plane, "triangle")).sum()
        assert triangle == pytest.approx(3 * np.sqrt(3) / 4 * 100, rel=0.02)


def test_shifted_picture_moves_by_the_fraction_of_a_pixel():
    drawing = np.zeros((80, 120))
    drawing[36:44, 56:64] = 1.0
    positions = np.array([[0.0, 0.0], [1.25, -2.5]])
    for picture, (right, down) in zip(shifted(drawing, positions, SMALL, 2), positions, strict=True):
        y, x = np.mgrid[:30, :40]
        assert picture.sum() == pytest.approx(16.0)
        assert (picture * x).sum() / picture.sum() == pytest.approx(19.5 + right, abs=1e-5)
        assert (picture * y).sum() / picture.sum() == pytest.approx(14.5 + down, abs=1e-5)


def test_drawing_that_does_not_cover_the_sensor_is_refused():
    with pytest.raises(InvalidValueError, match="cannot cover"):
        list(shifted(np.zeros((60, 80)), np.array([[0.5, 0.0]]), SMALL, 2))


def test_minimum_jerk_starts_and_ends_at_rest():
    s = np.linspace(0, 1, 1001)
    speed = np.gradient(minimum_jerk(s), s)
    assert speed[0] == pytest.approx(0, abs=1e-4)
    assert speed[-1] == pytest.approx(0, abs=1e-4)
    assert speed.max() == pytest.approx(15 / 8, rel=1e-3)  # Flash and Hogan (1985)


def test_dead_leaves_have_the_spectrum_of_natural_images():
    """Power falls as frequency to the -2, within what natural scenes themselves spread (Ruderman, 1997)."""
    image = np.log(dead_leaves(512, 512, rng=np.random.default_rng(3), smallest=2.0))
    power = np.abs(np.fft.fft2(image - image.mean())) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512)))
    band = (frequency > 0.01) & (frequency < 0.2)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert -2.8 < slope < -1.6


def test_panorama_moves_at_the_asked_for_speed_and_makes_events_everywhere():
    scene = Panorama(Geometry(64, 48), duration_s=0.3, seed=2, speed_px_s=300.0)
    path = scene._path(np.arange(0, 30, 1e-3))
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) / 1e-3
    assert np.sqrt((speed**2).mean()) == pytest.approx(300.0, rel=0.1)
    events = Camera(scene.geometry).record(scene.frames())
    seen = np.zeros((48, 64), bool)
    seen[events.y, events.x] = True
    assert seen.mean() > 0.9


def test_grating_drifts_towards_its_heading():
    """The crest that an ON front leads moves right at the grating's speed."""
    scene = gratings.GratingScene(Geometry(48, 8), 0.0, period_px=24.0, speed_px_s=96.0, contrast=0.8)
    events = Camera(scene.geometry, CameraParameters.ideal()).record(scene.frames())
    on = events.select(events.p & (events.t > 50_000))
    phase = np.angle(np.exp(2j * np.pi * (on.x - 96.0 * on.t * 1e-6) / 24.0).mean())
    spread = np.abs(np.exp(2j * np.pi * (on.x - 96.0 * on.t * 1e-6) / 24.0).mean())
    assert spread > 0.5  # ON events stand still in the frame that moves along
    assert np.isfinite(phase)
    backwards = np.abs(np.exp(2j * np.pi * (on.x + 96.0 * on.t * 1e-6) / 24.0).mean())
    assert backwards < 0.1


@pytest.mark.parametrize("module", [shapes, gestures])
def test_recording_of_each_label_differs_and_comes_back_with_its_seed(module):
    counts = set()
    for label in module.LABELS:
        first, again = (module.recording(label, seed=5, geometry=SMALL) for _ in range(2))
        assert np.array_equal(first.t, again.t)
        assert first.t[-1] < module.DURATION_US
        counts.add(len(first))
    assert len(counts) == len(module.LABELS)
    assert set(module.CAPTIONS) == set(module.LABELS)


@pytest.mark.slow
def test_gestures_of_new_people_are_told_apart_by_their_nearest_neighbour():
    def features(label, seed):
        events = gestures.recording(label, seed=seed, geometry=Geometry(32, 24))
        bins = np.minimum(events.t * 4 // gestures.DURATION_US, 3)
        counts = np.histogramdd((bins, events.y, events.x), (4, 8, 8))[0]
        return np.sort(np.sqrt(counts), axis=0).ravel()  # sorted over time: the phase is random

    known = [(label, features(label, seed)) for label in gestures.LABELS for seed in range(8)]
    hits = []
    for label in gestures.LABELS:
        for seed in range(100, 103):
            new = features(label, seed)
            hits.append(min(known, key=lambda pair, x=new: np.abs(pair[1] - x).sum())[0] == label)
    assert np.mean(hits) >= 0.7


def test_reel_plays_takes_back_to_back_without_a_change_between_them():
    dark = FunctionScene(lambda _: np.full((30, 40), 0.1), SMALL, 0.1)
    bright = FunctionScene(lambda _: np.full((30, 40), 0.9), SMALL, 0.1)
    step = FunctionScene(lambda t_s: np.full((30, 40), 0.1 + 5 * t_s), SMALL, 0.1)
    reel = Reel((Take("dark", dark), Take("bright", bright), Take("step", step)), 100_000, CameraParameters.ideal())
    events = EventBatch.concatenate(list(reel))
    assert reel.labels == ("dark", "bright", "step")
    assert events.t[0] >= 200_000
    assert events.t[-1] < 300_000


def test_reel_of_nothing_is_refused():
    with pytest.raises(InvalidValueError, match="takes of one size"):
        Reel((), 1000)


@pytest.mark.parametrize("name", sorted(set(SCENES) - {"digits"}))
def test_scene_by_name_lasts_as_asked_and_fills_the_sensor_asked_for(name):
    show = open_scene(name, seed=1, duration_s=1.0, geometry=SMALL)
    assert show.source.geometry == SMALL
    assert show.duration_us == 1_000_000
    assert len(show.labels) * show.take_us in (0, 1_000_000)
    events = next(iter(show.source))
    assert len(events)


def test_digits_by_name_are_held_out_ones_in_windows_of_315_ms():
    pytest.importorskip("sklearn")
    show = open_scene("digits", seed=3, duration_s=1.3)
    assert (show.take_us, len(show.labels)) == (315_000, 4)
    assert set(show.labels) <= set("0123456789")


def test_camera_of_a_scene_can_be_changed_by_name():
    quiet = open_scene("panorama", seed=1, duration_s=0.02, geometry=SMALL, camera={"threshold_on": 2.0})
    usual = open_scene("panorama", seed=1, duration_s=0.02, geometry=SMALL)
    on = [sum(int(batch.p.sum()) for batch in show.source) for show in (quiet, usual)]
    assert on[0] < on[1] / 5
    with pytest.raises(UnknownNameError, match="threshold_on"):
        open_scene("panorama", seed=1, camera={"threshhold_on": 2.0})


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"name_or_path": "digits", "geometry": SMALL}, "34 x 34"),
        ({"name_or_path": "shapes", "duration_s": 0.0}, "positive"),
        ({"name_or_path": "panorama", "duration_s": -1.0}, "positive"),
        ({"name_or_path": "shapes", "frames_per_s": 30.0}, "frame rate"),
        ({"name_or_path": "no such scene"}, "known: digits"),
    ],
)
def test_scene_that_cannot_be_had_is_refused(asked, says):
    with pytest.raises((InvalidValueError, UnknownNameError), match=says):
        open_scene(**asked, seed=0)


def test_unknown_label_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="triangle"):
        shapes.recording("heptagon", seed=0)
    with pytest.raises(UnknownNameError, match="clapping"):
        gestures.recording("yawning", seed=0)


def test_frame_is_a_plain_pair():
    assert Frame(3, np.zeros((1, 1))) == (3, np.zeros((1, 1)))
