"""Parses lines of numbers into events, because Python takes a microsecond for what takes a dozen nanoseconds here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import Int64Array
from sensors.formats.kernels.marks import mark
from sensors.formats.sink import Columns
from sensors.formats.verdicts import BAD_LINE, OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["MOST_FIELDS", "decode", "encode"]

LONGEST_LINE = 1 << 12
MOST_FIELDS = 16
SPACE, TAB, RETURN, NEWLINE, COMMA, SEMICOLON, POINT = 0x20, 0x09, 0x0D, 0x0A, 0x2C, 0x3B, 0x2E
HASH, PERCENT, MINUS, PLUS, ZERO = 0x23, 0x25, 0x2D, 0x2B, 0x30
LETTER_F, LETTER_O, LETTER_T = 0x66, 0x6F, 0x74
LARGEST = 1 << 62


@njit(cache=True, nogil=True)
def _between(byte: int) -> bool:
    return byte in (SPACE, TAB, RETURN, COMMA, SEMICOLON)


@njit(cache=True, nogil=True)
def _number(words: npt.NDArray[np.uint8], start: int, stop: int, decimals: int) -> tuple[bool, int]:
    """Parse a decimal in units of ten to the power ``-decimals``, rounded half up; say whether it is one."""
    negative = words[start] == MINUS
    i = start + 1 if words[start] in (MINUS, PLUS) else start
    value = np.int64(0)
    digits = 0
    places = -1
    up = False
    while i < stop:
        byte = words[i]
        if byte == POINT and places < 0:
            places = 0
        elif ZERO <= byte <= ZERO + 9:
            digit = np.int64(byte) - ZERO
            digits += 1
            if places < decimals:
                if value > LARGEST // 10:
                    return False, 0
                value = 10 * value + digit
                places += places >= 0
            elif places == decimals:
                up = digit >= 5
                places += 1
        else:
            return False, 0
        i += 1
    for _ in range(max(places, 0), decimals):
        if value > LARGEST // 10:
            return False, 0
        value *= 10
    value += up
    return digits > 0, -value if negative else value


@njit(cache=True, nogil=True)
def _polarity(words: npt.NDArray[np.uint8], start: int, stop: int) -> tuple[bool, bool]:
    """Parse 1, 0, -1, true, false, on or off; say whether it is one of them."""
    first = words[start] | 0x20
    length = stop - start
    if first == LETTER_T and length == 4:
        return True, True
    if first == LETTER_F and length == 5:
        return True, False
    if first == LETTER_O and length in (2, 3):
        return True, length == 2
    good, value = _number(words, start, stop, np.int64(0))
    return good and -1 <= value <= 1, value == 1


@njit(cache=True, nogil=True)
def decode(
    words: npt.NDArray[np.uint8],
    base: int,
    limits: Int64Array,
    state: Int64Array,
    room: Columns,
    marks: Int64Array,
) -> tuple[int, int, int, int]:
    """Follow the contract of ``words.Kernel``: one event a line; empty lines and those after # or % are passed over.

    Limits are width, height, which field holds t, x, y and p, how many decimals make a microsecond, what the time is
    divided by on top, and the size of the file; state is the latest time, and space
    for where ``MOST_FIELDS`` fields start and end.
    """
    salvage = room.offset.size > 0
    filled = marked = start = np.int64(0)
    fields = state[1:]
    needed = max(limits[2], limits[3], limits[4], limits[5]) + 1
    while start < words.size:
        stop = start
        while stop < words.size and words[stop] != NEWLINE:
            stop += 1
        if stop == words.size and stop - start < LONGEST_LINE:
            break
        after = min(stop + 1, words.size)
        count = 0
        i = start
        while i < stop:
            while i < stop and _between(words[i]):
                i += 1
            first = i
            while i < stop and not _between(words[i]):
                i += 1
            if i > first and count < MOST_FIELDS:
                fields[2 * count], fields[2 * count + 1] = first, i
            count += i > first
        if count == 0 or words[fields[0]] in (HASH, PERCENT):
            start = after
            continue
        verdict = np.int64(SOUND)
        t_us = column = row = np.int64(0)
        polarity = False
        if count < needed:
            verdict = np.int64(BAD_LINE)
        else:
            good_t, t_us = _number(words, fields[2 * limits[2]], fields[2 * limits[2] + 1], limits[6])
            t_us //= limits[7]
            good_x, column = _number(words, fields[2 * limits[3]], fields[2 * limits[3] + 1], np.int64(0))
            good_y, row = _number(words, fields[2 * limits[4]], fields[2 * limits[4] + 1], np.int64(0))
            good_p, polarity = _polarity(words, fields[2 * limits[5]], fields[2 * limits[5] + 1])
            if not (good_t and good_x and good_y and good_p):
                verdict = np.int64(BAD_LINE)
            elif column < 0 or row < 0 or column >= limits[0] or row >= limits[1]:
                verdict = np.int64(OUT_OF_RANGE)
            elif t_us < state[0] and not salvage:
                verdict = np.int64(TIME_BACK)
        if verdict != SOUND:
            if not salvage:
                return start, filled, 0, verdict
            if marked == len(marks):
                return start, filled, marked, SOUND
            length = min(base + after, limits[8]) - base - start
            marked = mark(marks, marked, base + start, length, verdict, np.int64(1))
            start = after
            continue
        if filled == room.t.size:
            return start, filled, marked, SOUND
        state[0] = max(state[0], t_us)
        room.t[filled], room.x[filled], room.y[filled], room.p[filled] = t_us, column, row, polarity
        if salvage:
            room.offset[filled], room.end[filled] = base + start, min(base + after, limits[8])
        filled += 1
        start = after
    return start, filled, marked, SOUND


@njit(cache=True, nogil=True)
def _digits(text: npt.NDArray[np.uint8], position: int, value: int) -> int:
    if value < 0:
        text[position] = MINUS
        position += 1
        value = -value
    length = 1
    rest = value // 10
    while rest:
        rest //= 10
        length += 1
    for i in range(position + length - 1, position - 1, -1):
        text[i] = ZERO + value % 10
        value //= 10
    return position + length


@njit(cache=True, nogil=True)
def encode(
    t: Int64Array,
    x: npt.NDArray[np.uint16],
    y: npt.NDArray[np.uint16],
    p: npt.NDArray[np.bool_],
    text: npt.NDArray[np.uint8],
) -> int:
    """Write lines ``t,x,y,p`` into (at least 40 * n_events,) bytes; return how many were written."""
    position = 0
    for i in range(t.size):
        position = _digits(text, position, t[i])
        text[position] = COMMA
        position = _digits(text, position + 1, np.int64(x[i]))
        text[position] = COMMA
        position = _digits(text, position + 1, np.int64(y[i]))
        text[position] = COMMA
        text[position + 1] = ZERO + p[i]
        text[position + 2] = NEWLINE
        position += 3
    return position
