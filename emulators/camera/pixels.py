"""An event camera as a recipe, and one exposure of it as the state of its pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from emulators.camera.frames import Frame, Luminance, Scene, grey_levels
from emulators.camera.parameters import CameraParameters
from hil import rng as random
from hil.errors import InvalidValueError
from hil.types import EventBatch, Float32Array, Float64Array, Geometry, Int8Array

__all__ = ["Camera", "CameraSource", "Exposure"]

DARK, WHITE = 20.0, 275.0
"""Noise follows (grey + 20) / 275, v2e's rescaled intensity."""
SHOT_NOISE_IN_WHITE = 0.25
"""Noise rate in white light, relative to the dark (v2e's SHOT_NOISE_INTEN_FACTOR)."""
MISMATCH_FLOOR = 0.01
"""No threshold is lower than this, however large the mismatch."""
LONGEST_INTERVAL_US = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Camera:
    """An event camera: the same pictures give the same events, every time.

    Attributes:
        geometry: Size of the sensor.
        parameters: Its pixels.
        seed: Decides which camera it is: the mismatch of its pixels, and with the take, their noise.

    Example:
        >>> import numpy as np
        >>> from hil.types import Geometry
        >>> camera = Camera(Geometry(2, 1), CameraParameters.ideal(), seed=0)
        >>> events = camera.record([(0, np.full((1, 2), 0.2)), (1000, np.array([[0.2, 0.5]]))])
        >>> events.x.tolist(), events.p.tolist()
        ([1, 1, 1, 1], [True, True, True, True])
    """

    geometry: Geometry
    parameters: CameraParameters = field(default_factory=CameraParameters)
    seed: int = 0

    def expose(self, *, take: int = 0) -> Exposure:
        """Return the camera switched on: pixels at rest, waiting for a first picture."""
        return Exposure(self.geometry, self.parameters, seed=self.seed, take=take)

    def stream(self, frames: Iterable[Frame | tuple[int, Luminance]], *, take: int = 0) -> Iterator[EventBatch]:
        """Yield the events between each two pictures, in time order; a batch may be empty.

        Args:
            frames: Pictures and their times, in order.
            take: Tells recordings of one camera apart; each take has noise of its own.

        Raises:
            InvalidValueError: A picture is not after the one before, or is no picture of this sensor.
        """
        exposure = self.expose(take=take)
        for t_us, luminance in frames:
            yield exposure.see(luminance, t_us)

    def record(self, frames: Iterable[Frame | tuple[int, Luminance]], *, take: int = 0) -> EventBatch:
        """Return all events of a sequence of pictures; see ``stream``."""
        return EventBatch.concatenate(list(self.stream(frames, take=take)))


@dataclass(frozen=True, slots=True)
class CameraSource:
    """A camera in front of a scene: an event source that starts over whenever it is iterated.

    Attributes:
        scene: What it looks at; its size is the sensor's.
        parameters: The camera's pixels.
        seed: Decides mismatch and noise.
    """

    scene: Scene
    parameters: CameraParameters = field(default_factory=CameraParameters)
    seed: int = 0

    @property
    def geometry(self) -> Geometry:
        """Size of the sensor."""
        return self.scene.geometry

    def __iter__(self) -> Iterator[EventBatch]:
        """Yield the events between each two pictures where there are any."""
        camera = Camera(self.scene.geometry, self.parameters, self.seed)
        return (batch for batch in camera.stream(self.scene.frames()) if len(batch))


class Exposure:
    """The pixels of a camera that is switched on; each picture moves them on."""

    def __init__(self, geometry: Geometry, parameters: CameraParameters, *, seed: int, take: int = 0) -> None:
        n_pixels = geometry.width * geometry.height
        fixed = random.stream(seed, "camera", "mismatch")
        self._geometry = geometry
        self._parameters = parameters
        self._rng = random.stream(seed, "camera", "noise", take)
        self._threshold_on = _mismatched(parameters.threshold_on, parameters, n_pixels, fixed)
        self._threshold_off = _mismatched(parameters.threshold_off, parameters, n_pixels, fixed)
        spread = np.power(10.0, parameters.leak_spread_decades * fixed.standard_normal(n_pixels))
        self._shot_bound_hz = parameters.shot_noise_rate_hz * _most_often(
            self._threshold_on, self._threshold_off, parameters
        )
        hot = fixed.random(n_pixels) < parameters.hot_pixel_share
        leak_hz = np.where(hot, parameters.hot_pixel_rate_hz, spread * parameters.leak_rate_hz)
        self._leak_per_us = (leak_hz * self._threshold_on * 1e-6).astype(np.float32)
        resting = self._rng.random(n_pixels) * (leak_hz > 0)  # leaking pixels were switched on long ago
        self._level = (resting * self._threshold_on).astype(np.float32)
        self._held_us = np.zeros(n_pixels, np.float32)
        self._light, self._change = np.empty(n_pixels, np.float32), np.empty(n_pixels, np.float32)
        self._is_busy = np.empty(n_pixels, np.bool_)
        self._events = np.empty(n_pixels + 64, np.uint64)
        self._t_us: int | None = None

    def see(self, luminance: Luminance, t_us: int) -> EventBatch:
        """Return the events since the last picture; none on the first, which only sets the pixels to rest.

        Args:
            luminance: (height, width) uint8 with 255 as white, or floating point with 1.0 as white.
            t_us: When, after the last picture.

        Returns:
            Events from the last picture's time to before this one's, each at its own microsecond.

        Raises:
            InvalidValueError: The time does not go on, or this is no picture of the sensor.
        """
        from emulators.camera.photoreceptor import lin_log

        grey = grey_levels(luminance, self._geometry)
        if self._t_us is None:
            lin_log(grey, grey.view(np.int32), self._light)
            self._output, self._t_us = self._light.copy(), t_us
            return EventBatch.empty()
        start_us, dt_us = self._t_us, t_us - self._t_us
        if not 0 < dt_us <= LONGEST_INTERVAL_US:
            raise InvalidValueError(
                f"a picture must be 1 us to 35 min after the last, but {t_us} us is {dt_us} us after"
            )
        self._follow(grey, dt_us)
        self._t_us = t_us
        return self._fire(grey, start_us, dt_us)

    def _follow(self, grey: Float32Array, dt_us: int) -> None:
        from emulators.camera.photoreceptor import follow

        follow(
            grey,
            grey.view(np.int32),
            math.tau * self._parameters.cutoff_hz * dt_us * 1e-6,
            self._leak_per_us,
            float(dt_us),
            self._light,
            self._output,
            self._change,
        )

    def _fire(self, grey: Float32Array, start_us: int, dt_us: int) -> EventBatch:
        from emulators.camera.kernel import live, rest, sort_by_time, unpack

        noise_at, noise_kind = self._shot_noise(grey, dt_us)
        struck = noise_at[:-1].astype(np.int64)
        self._held_us[struck] = np.maximum(self._held_us[struck], np.float32(1e-30))  # noise makes a pixel busy
        pixels = (self._change, self._level, self._held_us, self._threshold_on, self._threshold_off)
        rest(*pixels, self._is_busy)
        busy = np.flatnonzero(self._is_busy)
        count = 0
        while len(busy):
            done, count = live(
                busy,
                *pixels,
                noise_at,
                noise_kind,
                self._geometry.width,
                dt_us,
                self._parameters.refractory_us,
                self._events,
                count,
            )
            busy = busy[done:]
            if len(busy):
                self._events = np.concatenate([self._events, np.empty_like(self._events)])
        packed = sort_by_time(self._events, count, np.empty(count, np.uint64), dt_us)
        return EventBatch.unchecked(*unpack(packed, start_us))

    def _shot_noise(self, grey: Float32Array, dt_us: int) -> tuple[Float64Array, Int8Array]:
        """Draw noise events of all pixels at once: a Poisson process over pixels and time, thinned by each one's rate.

        Returns:
            (n_noise + 1,) pixel plus fraction of the interval, increasing, ending in a sentinel; (n_noise,) 1 for ON.
        """
        bound_hz = self._shot_bound_hz
        candidates = self._rng.poisson(bound_hz * dt_us * 1e-6 * len(grey))
        at = np.sort(self._rng.random(candidates)) * len(grey)
        pixel = at.astype(np.int64)
        light = np.minimum((grey[pixel] + DARK) / WHITE, 1.0)
        half_hz = self._parameters.shot_noise_rate_hz / 2 * (1.0 - (1.0 - SHOT_NOISE_IN_WHITE) * light)
        on_hz = half_hz * self._parameters.threshold_on / self._threshold_on[pixel]
        both_hz = on_hz + half_hz * self._parameters.threshold_off / self._threshold_off[pixel]
        rank = self._rng.random(candidates) * bound_hz
        real = rank < both_hz
        return np.append(at[real], np.inf), (rank < on_hz)[real].astype(np.int8)


def _mismatched(nominal: float, parameters: CameraParameters, n_pixels: int, rng: np.random.Generator) -> Float32Array:
    drawn = nominal + parameters.threshold_mismatch * rng.standard_normal(n_pixels)
    return np.maximum(drawn, MISMATCH_FLOOR).astype(np.float32)


def _most_often(on: Float32Array, off: Float32Array, parameters: CameraParameters) -> float:
    """Return how much more often than nominal the most sensitive pixel fires from shot noise in the dark."""
    return float(parameters.threshold_on / on.min() + parameters.threshold_off / off.min()) / 2
