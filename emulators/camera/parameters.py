"""What an event pixel is made of: every number of the camera model, with its unit and where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Self

from hil.errors import InvalidValueError

__all__ = ["CameraParameters"]


@dataclass(frozen=True, slots=True)
class CameraParameters:
    """Settings of the pixel model; the defaults are those of a DVS in good light.

    The model and its defaults follow v2e (Hu, Liu and Delbruck, CVPR Workshops 2021, section 4) and the circuit it
    describes (Lichtsteiner, Posch and Delbruck, IEEE JSSC 43(2), 2008). Contrast is in natural-log units, so a
    threshold of 0.2 fires on a 22 % change.

    Attributes:
        threshold_on: Rise of log intensity that makes an ON event.
        threshold_off: Fall of log intensity that makes an OFF event, as a positive number.
        threshold_mismatch: Standard deviation of either threshold from pixel to pixel, in the same unit.
        cutoff_hz: Bandwidth of a photoreceptor in white light; it falls with the light, to 20/275 of this in the
            dark. 0 means infinitely fast.
        leak_rate_hz: ON events a second of a pixel in constant light, from the leak of its reset switch.
        leak_spread_decades: Standard deviation of log10 of the leak rate from pixel to pixel.
        shot_noise_rate_hz: Noise events a second of a pixel in the dark, both polarities together; a quarter of it
            in white light. A pixel with a lower threshold has more, one with a higher threshold less.
        refractory_us: How long a pixel is held in reset after an event; it sees no change meanwhile.
        hot_pixel_share: Share of pixels that fire all the time, 0 to 1.
        hot_pixel_rate_hz: ON events a second of a hot pixel.
    """

    threshold_on: float = 0.2
    threshold_off: float = 0.2
    threshold_mismatch: float = 0.03
    cutoff_hz: float = 300.0
    leak_rate_hz: float = 0.1
    leak_spread_decades: float = 0.1
    shot_noise_rate_hz: float = 1.0
    refractory_us: float = 500.0
    hot_pixel_share: float = 0.0
    hot_pixel_rate_hz: float = 100.0

    def __post_init__(self) -> None:
        """Refuse settings that no pixel can have."""
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            least = 0.01 if name in ("threshold_on", "threshold_off") else 0.0
            if not (math.isfinite(value) and value >= least):
                raise InvalidValueError(f"camera parameter {name} must be at least {least:g}, but is {value}")
        if self.hot_pixel_share > 1.0:
            raise InvalidValueError(f"share of hot pixels must be between 0 and 1, but is {self.hot_pixel_share}")

    @classmethod
    def ideal(cls) -> Self:
        """Return a camera without mismatch, noise, leak, delay or dead time."""
        return cls(
            threshold_mismatch=0.0,
            cutoff_hz=0.0,
            leak_rate_hz=0.0,
            shot_noise_rate_hz=0.0,
            leak_spread_decades=0.0,
            refractory_us=0.0,
        )
