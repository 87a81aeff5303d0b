"""Decodes ``libcaer_cmp``, the compressed messages of the ROS driver for iniVation cameras.

After event_camera_codecs (``libcaer_cmp_decoder.h``, ``libcaer_cmp_types.h``): 16-bit words like EVT 3.0's, but a
column is remembered and rows make events; the time starts over at the message's time base.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from sensors.formats.sink import Columns
from sensors.formats.verdicts import OUT_OF_RANGE, SOUND, UNKNOWN_WORD

__all__ = ["unpack"]

TIME_HIGH, TIME_LOW, ADDR_X, ADDR_Y, VECT_BASE_Y, VECT_8 = range(6)


@njit(cache=True, nogil=True)
def unpack(words: npt.NDArray[np.uint16], time_base_us: int, width: int, height: int, room: Columns) -> tuple[int, int]:
    """Fill the columns, up to 8 events a word; return how many events there are and what is wrong."""
    high_us = low_us = column = base_row = base_p = np.int64(0)
    filled = 0
    for i in range(words.size):
        kind = words[i] >> 12
        value = np.int64(words[i] & 0xFFF)
        if kind == TIME_HIGH:
            high_us = value << 12
        elif kind == TIME_LOW:
            low_us = value
        elif kind == ADDR_X:
            column = value & 0x7FF
        elif kind == VECT_BASE_Y:
            base_row, base_p = value & 0x7FF, value >> 11
        elif kind in (ADDR_Y, VECT_8):
            row = value & 0x7FF if kind == ADDR_Y else base_row
            polarity = value >> 11 if kind == ADDR_Y else base_p
            mask = np.int64(1) if kind == ADDR_Y else value & 0xFF
            if kind == VECT_8:
                base_row += 8
            while mask:
                if mask & 1:
                    if column >= width or row >= height:
                        return filled, OUT_OF_RANGE
                    room.t[filled] = time_base_us + (high_us | low_us)
                    room.x[filled], room.y[filled], room.p[filled] = column, row, polarity
                    filled += 1
                mask >>= 1
                row += 1
        else:
            return filled, UNKNOWN_WORD
    return filled, SOUND
