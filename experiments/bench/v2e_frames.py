"""v2e's way from frames to events in plain numpy: what the camera model is compared with, in speed and in rates.

Written from the description in Hu, Liu and Delbruck, "v2e: From Video Frames to Realistic DVS Events" (CVPR Workshops
2021), section 4: lin-log intensity, a first-order low pass whose bandwidth follows the light, leak, per-pixel
thresholds, whole numbers of thresholds per frame, timestamps shared by all pixels, Poisson shot noise.
"""

from __future__ import annotations

import math

import numpy as np

from emulators.camera import CameraParameters
from hil import rng as random
from hil.types import BoolArray, EventBatch, Float64Array, Geometry

__all__ = ["FrameAlgorithm"]

LEAK_JITTER = 0.1


class FrameAlgorithm:
    """The state of v2e's pixels; each frame gives its events at one to a few shared times."""

    def __init__(self, geometry: Geometry, parameters: CameraParameters, *, seed: int) -> None:
        shape = (geometry.height, geometry.width)
        self._parameters = parameters
        self._rng = random.stream(seed, "v2e")
        draw = self._rng.standard_normal
        self._on = np.maximum(parameters.threshold_on + parameters.threshold_mismatch * draw(shape), 0.01)
        self._off = np.maximum(parameters.threshold_off + parameters.threshold_mismatch * draw(shape), 0.01)
        self._noise = 10 ** (parameters.leak_spread_decades * draw(shape))
        self._fired_us = np.full(shape, -np.inf)
        self._t_us: int | None = None

    def see(self, luminance: Float64Array, t_us: int) -> EventBatch:
        """Return the events of the frame that ends with this picture; luminance 1.0 is white."""
        grey = luminance * 255.0
        log_light = np.where(grey <= 20, grey * (math.log(20) / 20), np.log(np.maximum(grey, 20)))
        if self._t_us is None:
            self._output, self._memory, self._t_us = log_light, log_light.copy(), t_us
            return EventBatch.empty()
        dt_s = (t_us - self._t_us) * 1e-6
        self._output = self._low_pass(log_light, grey, dt_s)
        jitter = 1 - LEAK_JITTER * self._rng.standard_normal(grey.shape)
        self._memory -= dt_s * self._parameters.leak_rate_hz * self._noise * jitter * self._on
        events, last_us = self._signal(self._t_us, t_us)
        events += self._shot_noise(grey, dt_s, last_us)
        self._t_us = t_us
        return _batch(events)

    def _low_pass(self, log_light: Float64Array, grey: Float64Array, dt_s: float) -> Float64Array:
        if self._parameters.cutoff_hz <= 0:
            return log_light
        share = np.minimum((grey + 20) / 275 * dt_s * math.tau * self._parameters.cutoff_hz, 1.0)
        return (1 - share) * self._output + share * log_light

    def _signal(self, start_us: int, t_us: int) -> tuple[list[tuple[int, BoolArray, bool]], int]:
        distance = self._output - self._memory
        n_on = np.floor(np.maximum(distance, 0) / self._on).astype(np.int32)
        n_off = np.floor(np.maximum(-distance, 0) / self._off).astype(np.int32)
        steps = max(int(max(n_on.max(), n_off.max())), 1)
        events: list[tuple[int, BoolArray, bool]] = []
        for k in range(steps):
            now_us = start_us + (t_us - start_us) * (k + 1) // steps
            rested = now_us - self._fired_us > self._parameters.refractory_us
            on, off = (n_on > k) & rested, (n_off > k) & rested
            self._fired_us[on | off] = now_us
            self._memory += on * self._on - off * self._off
            events += [(now_us, on, True), (now_us, off, False)]
        return events, t_us

    def _shot_noise(self, grey: Float64Array, dt_s: float, t_us: int) -> list[tuple[int, BoolArray, bool]]:
        rate = self._parameters.shot_noise_rate_hz / 2 * dt_s * (1 - 0.75 * (grey + 20) / 275)
        drawn = self._rng.random(grey.shape)
        on = drawn > 1 - rate * self._parameters.threshold_on / self._on
        off = drawn < rate * self._parameters.threshold_off / self._off
        self._memory[on | off] = self._output[on | off]
        return [(t_us, on, True), (t_us, off, False)]


def _batch(events: list[tuple[int, BoolArray, bool]]) -> EventBatch:
    places = [np.nonzero(mask) for _, mask, _ in events]
    lengths = [len(y) for y, _ in places]
    y, x = (np.concatenate([place[axis] for place in places]).astype(np.uint16) for axis in (0, 1))
    t = np.repeat([t_us for t_us, _, _ in events], lengths)
    return EventBatch.unchecked(t, x, y, np.repeat([polarity for _, _, polarity in events], lengths))
