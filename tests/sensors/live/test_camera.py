"""A scripted camera behaves like one of dv-processing's; the source made of it is checked against the script."""

import numpy as np
import pytest

from hil.errors import DeadlineError, LinkError, TargetUnavailableError
from hil.types import EventBatch, Geometry
from sensors.live.camera import CameraSource, open_camera


class ScriptedCamera:
    """Gives one entry of a script per call: a store, or None for nothing new; unplugged at the end."""

    def __init__(self, script, size=(320, 240)):
        self.script = list(script)
        self.size = size

    def getEventResolution(self):  # noqa: N802
        return self.size

    def isRunning(self):  # noqa: N802
        return bool(self.script)

    def getNextEventBatch(self):  # noqa: N802
        return self.script.pop(0)


@pytest.fixture
def store_of(dv):
    def make(batch):
        store = dv.EventStore()
        for event in zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True):
            store.push_back(*event)
        return store

    return make


def test_camera_gives_every_event_of_its_script(events, dv, store_of, assert_same):
    few = events[:3000]
    camera = ScriptedCamera([None, store_of(few[:1000]), dv.EventStore(), None, store_of(few[1000:]), None])
    source = CameraSource(camera)
    assert source.geometry == Geometry(320, 240)
    batches = list(source)
    assert [len(batch) for batch in batches] == [1000, 2000]
    assert_same(EventBatch.concatenate(batches), few)


def test_silent_camera_is_a_deadline_error():
    camera = ScriptedCamera([None] * 10_000)
    with pytest.raises(DeadlineError, match=r"for 0\.02 s"):
        list(CameraSource(camera, silence_s=0.02))


def test_camera_whose_clock_goes_back_is_a_link_error(events, store_of):
    camera = ScriptedCamera([store_of(events[1000:1010]), store_of(events[:10])])
    with pytest.raises(LinkError, match="in order"):
        list(CameraSource(camera))


def test_camera_with_an_event_outside_its_sensor_is_a_link_error(store_of):
    outside = EventBatch(np.array([1]), np.array([320]), np.array([0]), np.array([True]))
    with pytest.raises(LinkError, match="outside"):
        list(CameraSource(ScriptedCamera([store_of(outside)])))


def test_camera_without_events_is_unavailable():
    with pytest.raises(TargetUnavailableError, match="no event stream"):
        CameraSource(ScriptedCamera([], size=None))


def test_opening_a_camera_that_is_not_there_says_what_is(dv, monkeypatch):
    monkeypatch.setattr(dv.io.camera, "discover", lambda: [])
    with pytest.raises(TargetUnavailableError, match="found: none"):
        open_camera("DVX-1")


def test_open_camera_takes_the_one_that_is_there(dv, monkeypatch):
    class Device:
        serialNumber = "DVX-7"  # noqa: N815  (their name)

    monkeypatch.setattr(dv.io.camera, "discover", lambda: [Device()])
    monkeypatch.setattr(dv.io.camera, "open", lambda _serial: ScriptedCamera([], size=(640, 480)))
    assert open_camera("DVX-7").geometry == Geometry(640, 480)
    with pytest.raises(TargetUnavailableError, match="found: DVX-7"):
        open_camera("DVX-8")
