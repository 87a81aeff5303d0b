"""The front of a pixel, compiled: light to filtered log intensity, with nothing but IEEE additions and products.

Logarithm and exponential are short series of our own rather than a library's, which differ in the last bit from one
processor to the next: the same pictures give the same events on every machine, and the loops run eight pixels at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hil.types import Float32Array, Int32Array

__all__ = ["follow", "lin_log"]

LINEAR_BELOW = np.float32(20.0)
"""Grey level under which v2e's lin-log mapping is a line to 0, so that 8-bit steps in the dark make no storm."""
SLOPE_BELOW = np.float32(np.log(20.0) / 20.0)
DARK = np.float32(20.0)
"""Bandwidth and noise follow (grey + 20) / 275, v2e's rescaled intensity."""
WHITE = np.float32(275.0)

BITS_OF_LINEAR_BELOW = LINEAR_BELOW.view(np.int32)
MANTISSA_BITS, EXPONENT_BIAS = np.int32(23), np.int32(127)
MANTISSA_MASK = np.int32((1 << 23) - 1)
ULP = np.float32(2.0**-23)
LN_2 = np.float32(np.log(2.0))
ONE, TWO, SIXTEENTH = np.float32(1.0), np.float32(2.0), np.float32(1.0 / 16.0)
THIRD, FIFTH, SEVENTH, NINTH = (np.float32(1.0 / n) for n in (3, 5, 7, 9))
HALF, SIXTH, TWENTYFOURTH = (np.float32(1.0 / n) for n in (2, 6, 24))


@njit(cache=True, nogil=True, error_model="numpy")
def _lin_log(grey: np.float32, bits: np.int32) -> np.float32:
    """Return ln(grey) from the bits of a float32, to 2e-6: ln(1 + m) = 2 atanh(m / (2 + m)); linear below 20."""
    below = grey if grey < LINEAR_BELOW else LINEAR_BELOW  # noqa: FURB136  (mypy knows no min of numpy scalars)
    bits = bits if bits > BITS_OF_LINEAR_BELOW else BITS_OF_LINEAR_BELOW  # noqa: FURB136
    mantissa = np.float32(bits & MANTISSA_MASK) * ULP
    exponent = np.float32((bits >> MANTISSA_BITS) - EXPONENT_BIAS)
    z = mantissa / (TWO + mantissa)
    z2 = z * z
    series = ONE + z2 * (THIRD + z2 * (FIFTH + z2 * (SEVENTH + z2 * NINTH)))
    return np.float32(exponent * LN_2 + TWO * z * series + (below - LINEAR_BELOW) * SLOPE_BELOW)


@njit(cache=True, nogil=True, error_model="numpy")
def _decay(rate: np.float32) -> np.float32:
    """Return exp(-rate) for a rate of 0 or more, to 2e-6: the sixteenth power of a Taylor series."""
    y = rate * SIXTEENTH
    root = ONE / (ONE + y * (ONE + y * (HALF + y * (SIXTH + y * TWENTYFOURTH))))
    square = root * root
    fourth = square * square
    eighth = fourth * fourth
    return np.float32(eighth * eighth)


@njit(cache=True, nogil=True, error_model="numpy")
def lin_log(grey: Float32Array, bits: Int32Array, light: Float32Array) -> None:
    """Write v2e's lin-log of grey levels.

    Args:
        grey: (n_pixels,) 0 or more, 255 for white.
        bits: (n_pixels,) the same memory as int32.
        light: (n_pixels,) receives log intensity.
    """
    for i in range(grey.size):
        light[i] = _lin_log(grey[i], bits[i])


@njit(cache=True, nogil=True, error_model="numpy")
def follow(
    grey: Float32Array,
    bits: Int32Array,
    rate_in_white: float,
    leak: Float32Array,
    dt_us: float,
    light: Float32Array,
    output: Float32Array,
    change: Float32Array,
) -> None:
    """Low-pass log intensity that moves evenly from the last picture to this one; exact for a first-order filter.

    Args:
        grey: (n_pixels,) 0 or more, 255 for white.
        bits: (n_pixels,) the same memory as int32.
        rate_in_white: Interval / time constant in white light; 0 for a photoreceptor that is infinitely fast.
        leak: (n_pixels,) how far the memorised level sinks in a microsecond.
        dt_us: Length of the interval.
        light: (n_pixels,) log intensity at the last picture; updated.
        output: (n_pixels,) output of the photoreceptor; updated.
        change: (n_pixels,) receives how far the output moved, leak included.
    """
    interval, scale = np.float32(dt_us), np.float32(rate_in_white) / WHITE
    for i in range(grey.size):
        seen = _lin_log(grey[i], bits[i])
        now = seen
        if scale > 0:
            rate = (grey[i] + DARK) * scale
            decay = _decay(rate)
            now = seen + (output[i] - light[i]) * decay - (seen - light[i]) * ((ONE - decay) / rate)
        change[i] = now - output[i] + leak[i] * interval
        output[i] = now
        light[i] = seen
