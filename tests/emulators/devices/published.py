"""The published device models once more, straight from the formulas: draws without any of our classes."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

DAY = 86400.0


def _polynomial(x, *coefficients):
    return sum(c * x**k for k, c in enumerate(coefficients))


def nonnegative(mean, sigma, z):
    """Cut a Gaussian at zero such that mean and sigma are as asked for, found by a root search."""

    def moments(alpha):
        m = alpha * norm.cdf(alpha) + norm.pdf(alpha)
        return m, np.sqrt((1 + alpha**2) * norm.cdf(alpha) + alpha * norm.pdf(alpha) - m**2)

    if mean / sigma > 6:
        return mean + sigma * z
    alpha = brentq(lambda a: moments(a)[0] / moments(a)[1] - mean / sigma, -0.1, 10)
    return np.maximum((alpha + z) * sigma / moments(alpha)[1], 0)


def nandakumar(g, t, n, rng):
    """Nandakumar et al., ICECS 2019, in microsiemens."""
    x = g / 25.0
    programmed = nonnegative(g, _polynomial(x, 0.26348, 1.9650, -1.1731), rng.standard_normal(n))
    mu = np.clip(-0.0155 * np.log(x) + 0.0244, 0.049, 0.1)
    sigma = np.clip(-0.0125 * np.log(x) - 0.0059, 0.008, 0.045)
    nu = np.abs(mu + sigma * rng.standard_normal(n))
    drifted = programmed * ((t + 20.0) / 20.0) ** -nu
    quality = np.minimum(0.0088 / np.maximum((programmed / 25.0) ** 0.65, 1e-3), 0.2)
    noise = quality * np.sqrt(np.log((t + 20.0 + 250e-9) / (2 * 250e-9)))
    return np.maximum(drifted * (1 + noise * rng.standard_normal(n)), 0)


def _hermes(g_max, t0, program, low_sigma, border, high_sigma, low_q, q_border, high_q):  # noqa: PLR0917
    def draw(g, t, n, rng):
        x = g / g_max
        programmed = nonnegative(g, _polynomial(x, *program), rng.standard_normal(n))
        mu = np.clip(-0.0387 * np.log(x) - 0.0182, 0.072, 0.13) if x < 0.0945 else -0.0436 * x**2 - 0.0126 * x + 0.0736
        sigma = (
            np.clip(low_sigma[0] * np.log(x) + low_sigma[1], low_sigma[2], 0.04)
            if x < border
            else _polynomial(x, *high_sigma)
        )
        nu = np.abs(mu + sigma * rng.standard_normal(n))
        drifted = programmed * ((t + t0) / t0) ** -nu
        y = np.maximum(programmed / g_max, 1e-7)
        low = np.clip(low_q[0] * np.log(y) + low_q[1], low_q[2], 0.04)
        quality = np.where(y < q_border, low, _polynomial(y, *high_q))
        noise = quality * np.sqrt(np.log((t + t0 + 512e-9) / (2 * 512e-9)))
        return np.maximum(drifted * (1 + noise * rng.standard_normal(n)), 0)

    return draw


hermes = _hermes(
    20.7,
    300.0,
    (0.16603222, 4.71806468, -8.48101252, 4.68961419),
    (-0.0117, -0.0057, 0.0091),
    0.3055,
    (0.0073, 0.0093, -0.0118),
    (-0.0117, -0.0069, 0.015),
    0.16,
    (0.0123, 0.0211, -0.0280, 0.0069),
)
hermes_single = _hermes(
    10.35,
    200.0,
    (0.15781817, 2.32443916, -2.16310839, 0.68841818),
    (-0.0120, -0.0023, 0.0124),
    0.3039,
    (0.0104, 0.0116, -0.0165),
    (-0.0078, 0.0038, 0.0179),
    0.1591,
    (0.0088, 0.0768, -0.1352, 0.0664),
)


def joshi(g, t, n, rng):
    """Joshi et al., Nature Communications 2020, Fig. 3b."""
    return nonnegative(g, -0.00178767 * g**2 + 0.07585724 * g + 0.28638599, rng.standard_normal(n))


def milo(g, t, n, rng):
    """Milo et al., IRPS 2021, Fig. 4."""
    return g + (4.782321 - 0.009107 * g) * rng.standard_normal(n)


def wan(g, t, n, rng):
    """Wan et al., Nature 2022, Extended Data Fig. 3; between 1 s and 1 day linear in log t."""
    x = g / 40.0
    first = 1.536e-4 * g**3 - 0.01167 * g**2 + 0.2374 * g + 1.053
    day = 0.701 + 22.086 * x - 50.773 * x**2 + 47.095 * x**3 - 16.458 * x**4
    part = np.clip(np.log(max(t, 1.0)) / np.log(DAY), 0, 1)
    return nonnegative(g, (1 - part) * first + part * day, rng.standard_normal(n))


def sonos(g, t, n, rng):
    """Agrawal et al., IEDM 2022: currents in nA at 0.1 V; up to one day."""
    current, day = 100.0 * g, min(t / DAY, 1.0)
    drift = _polynomial(
        current, 1.72684e-01, 5.72552e-02, -6.85715e-04, 3.50271e-06, -9.37682e-09, 1.40575e-11, -1.19803e-14,
        5.41293e-18, -8.85448e-22, -1.66869e-25, 5.95180e-29,
    )  # fmt: skip
    mean = current + day * drift
    a, b = 19.88665 + day * (25.59102 - 19.88665), 176.3115 + day * (186.85544 - 176.3115)
    held = nonnegative(mean, a * (1 - np.exp(-mean / b)), rng.standard_normal(n))
    noise = 12.58037 * (1 - np.exp(-held / 215.36557))
    return np.maximum(held + noise * rng.standard_normal(n), 0) / 100.0


def gong(g, t, n, rng):
    """Gong, Rasch et al., IEDM 2022: soft-bounds pulses until a read lies within 4 uS, at most 50."""
    wanted, slack = (g - 50.0) / 40.0, 4.0 / 40.0
    step = 0.4622 * np.exp(0.7125 * rng.standard_normal(n))
    upper = np.maximum(np.abs(1 + 0.4295 * rng.standard_normal(n)), 1e-3)
    lower = np.minimum(-np.abs(-1 + 0.5990 * rng.standard_normal(n)), -1e-3)
    hidden = np.clip(rng.uniform(-1, 1, n), lower, upper)
    shown = hidden.copy()
    for _ in range(50):
        for sign, bound in ((1, upper), (-1, lower)):
            move = (np.abs(shown - wanted) > slack) & ((wanted > shown) if sign > 0 else (wanted < shown))
            jump = sign * step * (1 - hidden / bound) * (1 + 0.2174 * rng.standard_normal(n))
            if sign > 0:
                moved, changed = np.clip(hidden + jump, lower, upper), move
            else:
                move &= ~changed
                moved = np.clip(hidden + jump, lower, upper)
            hidden = np.where(move, moved, hidden)
            shown = np.where(move, hidden + 0.5841 * 0.4622 * rng.standard_normal(n), shown)
    return np.maximum(50.0 + 40.0 * shown, 0)


PUBLISHED = {
    "pcm_nandakumar2019": nandakumar,
    "pcm_joshi2020": joshi,
    "hermes": hermes,
    "hermes_single": hermes_single,
    "rram_milo2021": milo,
    "rram_wan2022": wan,
    "sonos": sonos,
}
