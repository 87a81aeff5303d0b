"""Events from a camera on this machine, through dv-processing's drivers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from hil.errors import DeadlineError, LinkError, MissingDependencyError, TargetUnavailableError
from hil.types import EventBatch, Geometry

__all__ = ["Camera", "CameraSource", "from_store", "open_camera"]


class Camera(Protocol):
    """What we ask of a camera: the part of dv-processing's ``CameraInputBase`` that concerns events."""

    def getEventResolution(self) -> tuple[int, int] | None:  # noqa: N802  (their name)
        """Return width and height, or None without an event stream."""
        ...

    def isRunning(self) -> bool:  # noqa: N802  (their name)
        """Say whether the camera is still connected."""
        ...

    def getNextEventBatch(self) -> Any:  # noqa: N802  (their name)
        """Return an ``EventStore`` without waiting, or None when there is nothing new."""
        ...


def open_camera(serial_number: str | None = None, *, silence_s: float | None = None) -> CameraSource:
    """Open a camera of iniVation: the first one found, or the one with that serial number.

    On Linux the camera's udev rules must be installed; ``dv_processing.io.camera.discover()`` lists what is seen.

    Args:
        serial_number: As ``discover`` shows it.
        silence_s: Longest wait for events; None waits for ever, because a still scene sends nothing.

    Raises:
        MissingDependencyError: dv-processing is not installed.
        TargetUnavailableError: There is no such camera, or it is in use.
    """
    try:
        import dv_processing
    except ImportError as error:
        raise MissingDependencyError.of("dv-processing", extra="live", purpose="a live camera") from error
    drivers = dv_processing.io.camera
    found = [str(device.serialNumber) for device in drivers.discover()]
    if not found or serial_number not in (None, *found):
        message = f"no camera {serial_number or 'at all'} is connected; found: {', '.join(found) or 'none'}"
        raise TargetUnavailableError(message)
    try:
        return CameraSource(drivers.open(serial_number or found[0]), silence_s=silence_s)
    except RuntimeError as error:
        reason = str(error).split("Stacktrace")[0].strip().splitlines()[-1]
        message = f"camera {serial_number or found[0]} cannot be opened: {reason}"
        raise TargetUnavailableError(message) from error


class CameraSource:
    """An ``EventSource`` that ends when its camera is unplugged.

    Args:
        camera: An open camera of dv-processing, or anything that behaves like one.
        poll_s: How long to rest when there is nothing new.
        silence_s: Longest wait for events; None waits for ever.

    Raises:
        TargetUnavailableError: The camera has no event stream.
    """

    def __init__(self, camera: Camera, *, poll_s: float = 0.0005, silence_s: float | None = None) -> None:
        size = camera.getEventResolution()
        if size is None:
            message = "the camera has no event stream"
            raise TargetUnavailableError(message)
        self.geometry = Geometry(int(size[0]), int(size[1]))
        self._camera = camera
        self._poll_s = poll_s
        self._silence_s = silence_s

    def __iter__(self) -> Iterator[EventBatch]:
        """Yield the events of each transfer.

        Raises:
            DeadlineError: The camera was silent for longer than ``silence_s``.
            LinkError: Times went back, or an event lies outside the sensor.
        """
        last_us: int | None = None
        heard_s = time.monotonic()
        while self._camera.isRunning():
            store = self._camera.getNextEventBatch()
            if store is None or not store.size():
                if self._silence_s is not None and time.monotonic() - heard_s > self._silence_s:
                    message = f"the camera sent no events for {self._silence_s:g} s"
                    raise DeadlineError(message)
                time.sleep(self._poll_s)
                continue
            batch = self._checked(from_store(store), last_us)
            last_us, heard_s = int(batch.t[-1]), time.monotonic()
            yield batch
            heard_s = time.monotonic()

    def _checked(self, batch: EventBatch, last_us: int | None) -> EventBatch:
        if last_us is not None and batch.t[0] < last_us:
            raise LinkError(f"events must be in order, but the camera went from {last_us} us to {batch.t[0]} us")
        if batch.x.max() >= self.geometry.width or batch.y.max() >= self.geometry.height:
            raise LinkError(f"an event lies outside the {self.geometry.width}x{self.geometry.height} sensor")
        return batch


def from_store(store: Any) -> EventBatch:
    """Return the events of a dv-processing ``EventStore``.

    Raises:
        LinkError: Its times go back.
    """
    coordinates = np.asarray(store.coordinates()).reshape(-1, 2).astype(np.uint16)
    times_us = np.asarray(store.timestamps(), np.int64).ravel()
    if (np.diff(times_us) < 0).any():
        raise LinkError("events must be in order, but times go back within one transfer of the camera")
    polarities = np.asarray(store.polarities()).ravel() != 0
    return EventBatch(times_us, coordinates[:, 0].copy(), coordinates[:, 1].copy(), polarities)
