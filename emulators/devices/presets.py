"""Published devices by name; each number stands beside where it was published.

Conductances are absolute: a preset used between other levels than its own keeps the published spread at each
conductance, and is not rescaled to another maximum.
"""

from __future__ import annotations

from typing import Final

from emulators.devices.conduction import CubicConduction
from emulators.devices.device import Device
from emulators.devices.laws import MICRO, Branches, LogBranch, PolynomialSpread, PowerLawDrift, TimedSpread
from emulators.devices.programming import SoftBounds, WriteVerify
from emulators.devices.read_noise import (
    AccumulatedNoise,
    CellNoise,
    Ladder,
    PowerQuality,
    RelativeNoise,
    SaturatingNoise,
)
from emulators.devices.sonos import NANOAMPERE_PER_SIEMENS, READ_VOLT, SonosDrift, SonosSpread

__all__ = [
    "hermes",
    "hermes_single",
    "hfo2_gong2022",
    "ideal",
    "pcm_joshi2020",
    "pcm_nandakumar2019",
    "rram_milo2021",
    "rram_wan2022",
    "sonos",
]

DAY_S: Final = 86400.0
YEAR_S: Final = 365.25 * DAY_S

ideal = Device(
    name="ideal",
    about="a cell that holds what it is told, for ever",
    citation="none: the definition",
    g_min_siemens=0.0,
    g_max_siemens=1.0,
    off_siemens=1 * MICRO,
    on_siemens=100 * MICRO,
)

pcm_nandakumar2019 = Device(
    name="pcm_nandakumar2019",
    about="doped GST phase-change memory: programming error, drift, accumulated 1/f read noise",
    citation=(
        "Nandakumar et al., ICECS 2019, 727: 10,000 devices; parameters as in aihwkit (pcm.py). "
        "Off level of 0.25 uS assumed"
    ),
    g_min_siemens=0.0,
    g_max_siemens=25 * MICRO,
    off_siemens=0.25 * MICRO,
    on_siemens=25 * MICRO,
    spread=PolynomialSpread((0.26348, 1.9650, -1.1731), 25.0),
    drift=PowerLawDrift(
        mean=Branches(LogBranch(-0.0155, 0.0244, 0.049, 0.1)),
        deviation=Branches(LogBranch(-0.0125, -0.0059, 0.008, 0.045)),
        g_max_siemens=25 * MICRO,
        t0_s=20.0,
    ),
    read_noise=CellNoise(
        AccumulatedNoise(PowerQuality(0.0088, 0.65, 0.2), 25 * MICRO, t_read_s=250e-9, t0_s=20.0),
        Ladder(500e-9),
    ),
    characterised_s=YEAR_S,
)

pcm_joshi2020 = Device(
    name="pcm_joshi2020",
    about="phase-change memory: programming error 27 s after an iterative write",
    citation=(
        "Joshi et al., Nature Communications 11, 2473 (2020), Fig. 3b: quadratic fit of CrossSim 3 (PCM_Joshi.py), "
        "which models no drift because what is published does not suffice; on/off ratio of 100 as suggested there"
    ),
    g_min_siemens=0.0,
    g_max_siemens=25 * MICRO,
    off_siemens=0.25 * MICRO,
    on_siemens=25 * MICRO,
    spread=PolynomialSpread((0.28638599, 0.07585724, -0.00178767)),
)


def _hermes(
    name: str,
    devices: str,
    g_max_microsiemens: float,
    t0_s: float,
    spread: tuple[float, ...],
    deviation: Branches,
    quality: Branches,
    off_share: float,
) -> Device:
    """Return a unit cell of the HERMES chip, of one or two devices."""
    g_max = g_max_microsiemens * MICRO
    drift = PowerLawDrift(
        mean=Branches(LogBranch(-0.0387, -0.0182, 0.0720, 0.13), 0.0945, (0.0736, -0.0126, -0.0436)),
        deviation=deviation,
        g_max_siemens=g_max,
        t0_s=t0_s,
    )
    return Device(
        name=name,
        about=f"phase-change memory of the HERMES chip, {devices} a cell: programming error, drift, 1/f read noise",
        citation=(
            "Le Gallo et al., Nature Electronics 6, 680 (2023); Khaddam-Aljameh et al., JSSC 57, 1027 (2022); "
            "Vasilopoulos et al., TED (2023); parameters as in aihwkit (hermes.py). "
            f"Off level of {off_share:.1%} assumed: about the lowest whose published mean and spread fit above zero"
        ),
        g_min_siemens=0.0,
        g_max_siemens=g_max,
        off_siemens=off_share * g_max,
        on_siemens=g_max,
        spread=PolynomialSpread(spread, g_max_microsiemens),
        drift=drift,
        read_noise=CellNoise(AccumulatedNoise(quality, g_max, t_read_s=512e-9, t0_s=t0_s), Ladder(1024e-9)),
        characterised_s=YEAR_S,
    )


hermes = _hermes(
    "hermes",
    "two devices",
    20.7,
    300.0,
    (0.16603222, 4.71806468, -8.48101252, 4.68961419),
    Branches(LogBranch(-0.0117, -0.0057, 0.0091, 0.04), 0.3055, (0.0073, 0.0093, -0.0118)),
    Branches(LogBranch(-0.0117, -0.0069, 0.015, 0.04), 0.16, (0.0123, 0.0211, -0.0280, 0.0069)),
    0.01,
)

hermes_single = _hermes(
    "hermes_single",
    "one device",
    10.35,
    200.0,
    (0.15781817, 2.32443916, -2.16310839, 0.68841818),
    Branches(LogBranch(-0.0120, -0.0023, 0.0124, 0.04), 0.3039, (0.0104, 0.0116, -0.0165)),
    Branches(LogBranch(-0.0078, 0.0038, 0.0179, 0.04), 0.1591, (0.0088, 0.0768, -0.1352, 0.0664)),
    0.015,
)

rram_milo2021 = Device(
    name="rram_milo2021",
    about="multilevel HfO2 RRAM: programming error of the IGVVA-100 algorithm, measured I-V curves",
    citation=(
        "Milo et al., IRPS 2021, Fig. 4 (linear fit) and Fig. 1 (curves up to 0.5 V), fits of CrossSim 3 "
        "(RRAM_Milo.py); curves measured from 62.5 to 110 uS only"
    ),
    g_min_siemens=50 * MICRO,
    g_max_siemens=225 * MICRO,
    off_siemens=50 * MICRO,
    on_siemens=225 * MICRO,
    spread=PolynomialSpread((4.782321, -0.009107)),
    conduction=CubicConduction(
        second=(0.007063, 0.005711, 0.001541, 0.0001388),
        third=(1.2968e-03, 6.7919e-04, 8.8710e-05),
        most_volt=0.5,
    ),
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
    read_noise=CellNoise(RelativeNoise(0.01)),
    noise_is_measured_in=True,
    characterised_s=2 * DAY_S,
)

sonos = Device(
    name="sonos",
    about="40 nm SONOS charge-trap cells in subthreshold: write error, drift of mean and spread over five days, noise",
    citation=(
        "Agrawal et al., IEDM 2022, 21.7: 128 k devices, Figs. 10 and 11, fits of CrossSim 3 (SONOS.py), as "
        "conductances at 0.1 V; drift is covered up to 1800 nA"
    ),
    g_min_siemens=0.0,
    g_max_siemens=1800.0 / NANOAMPERE_PER_SIEMENS,
    off_siemens=0.01 * MICRO,
    on_siemens=16 * MICRO,
    spread=SonosSpread(),
    shift=SonosDrift(),
    read_noise=CellNoise(SaturatingNoise(12.58037 / NANOAMPERE_PER_SIEMENS, 215.36557 / NANOAMPERE_PER_SIEMENS)),
    read_volt=READ_VOLT,
    characterised_s=5 * DAY_S,
)

hfo2_gong2022 = Device(
    name="hfo2_gong2022",
    about="14 nm HfO2 RRAM array, written pulse by pulse: soft bounds, device and pulse variation",
    citation=(
        "Gong, Rasch et al., IEDM 2022, 33.7, baseline HfO2 array: relative parameters of aihwkit "
        "(ReRamArrayHfO2PresetDevice); 9.8 % of that array was corrupt (set stuck_between). The conductance range of "
        "10 to 90 uS, levels and tolerance are assumed"
    ),
    g_min_siemens=10 * MICRO,
    g_max_siemens=90 * MICRO,
    off_siemens=26 * MICRO,
    on_siemens=74 * MICRO,
    verify=WriteVerify(
        SoftBounds(
            step=0.4622,
            step_spread=0.7125,
            step_noise=0.2174,
            upper_spread=0.4295,
            lower_spread=0.5990,
            write_noise=0.5841,
        ),
        g_min_siemens=10 * MICRO,
        g_max_siemens=90 * MICRO,
        tolerance_siemens=4 * MICRO,
        most_pulses=50,
    ),
)
