"""Published devices by name; each number stands beside where it was published."""

from __future__ import annotations

from typing import Final

from emulators.devices.device import Device
from emulators.devices.laws import MICRO, PolynomialSpread, RelativeReadNoise, TimedSpread

__all__ = ["ideal", "rram_wan2022"]

DAY_S: Final = 86400.0

ideal = Device(
    name="ideal",
    about="a cell that holds what it is told, for ever",
    citation="none: the definition",
    g_min_siemens=0.0,
    g_max_siemens=1.0,
    off_siemens=1 * MICRO,
    on_siemens=100 * MICRO,
)

rram_wan2022 = Device(
    name="rram_wan2022",
    about="HfOx RRAM of the NeuRRAM chip: programming error, relaxation over two days, short-term read noise",
    citation=(
        "Wan et al., Nature 608, 504 (2022), Extended Data Fig. 3: cubic fit at 1 s as in CrossSim 3 (RRAM_Wan.py), "
        "quartic fits at 1 and 2 days as in aihwkit (reram.py); the read noise of 1 % is aihwkit's recommendation, "
        "assumed, and part of the published spread"
    ),
    g_min_siemens=0.0,
    g_max_siemens=39.26 * MICRO,
    off_siemens=1 * MICRO,
    on_siemens=39 * MICRO,
    spread=TimedSpread(
        (1.0, DAY_S, 2 * DAY_S),
        (
            PolynomialSpread((1.053, 0.2374, -0.01167, 1.536e-4)),
            PolynomialSpread((0.701, 22.086, -50.773, 47.095, -16.458), 40.0),
            PolynomialSpread((0.782, 20.274, -43.507, 37.062, -11.934), 40.0),
        ),
    ),
    read_noise=RelativeReadNoise(0.01),
    noise_is_measured_in=True,
    characterised_s=2 * DAY_S,
)
