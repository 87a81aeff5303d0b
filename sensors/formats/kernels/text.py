"""Parses lines of numbers into events, because Python takes a microsecond for what takes a dozen nanoseconds here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from hil.types import Int64Array
from sensors.formats.kernels.marks import mark
from sensors.formats.sink import Columns
from sensors.formats.verdicts import BAD_LINE, FRACTION, OUT_OF_RANGE, SOUND, TIME_BACK

__all__ = ["MOST_FIELDS", "decode", "encode"]

LONGEST_LINE = 1 << 12
MOST_FIELDS = 16
SPACE, TAB, RETURN, NEWLINE, COMMA, SEMICOLON, POINT = 0x20, 0x09, 0x0D, 0x0A, 0x2C, 0x3B, 0x2E
HASH, PERCENT, MINUS, PLUS, ZERO = 0x23, 0x25, 0x2D, 0x2B, 0x30
LETTER_E, LETTER_F, LETTER_O, LETTER_T = 0x65, 0x66, 0x6F, 0x74
LARGEST = 1 << 62


@njit(cache=True, nogil=True)
def _is_space(byte: int) -> bool:
    return byte in (SPACE, TAB, RETURN)


@njit(cache=True, nogil=True)
def _split(words: npt.NDArray[np.uint8], start: int, stop: int, fields: Int64Array) -> int:
    """Note where the first ``MOST_FIELDS`` fields of a line start and end; return how many there are.

    Between fields stands one comma or semicolon, or spaces, or both; what is empty between commas is a field, too.
    """
    count = 0
    i = start
    while i < stop and _is_space(words[i]):
        i += 1
    while i < stop:
        first = i
        while i < stop and not (_is_space(words[i]) or words[i] in (COMMA, SEMICOLON)):
            i += 1
        if count < MOST_FIELDS:
            fields[2 * count], fields[2 * count + 1] = first, i
        count += 1
        while i < stop and _is_space(words[i]):
            i += 1
        if i < stop and words[i] in (COMMA, SEMICOLON):
            i += 1
            while i < stop and _is_space(words[i]):
                i += 1
    return count


@njit(cache=True, nogil=True)
def _number(words: npt.NDArray[np.uint8], start: int, stop: int, decimals: int) -> tuple[bool, int, bool]:
    """Parse a number such as -12, 0.5 or 1.2e-05 in units of ten to the power ``-decimals``, rounded half up.

    Returns:
        Whether it is one, its value, and whether nothing was rounded away.
    """
    if start == stop:
        return False, 0, False
    first = start + 1 if words[start] in (MINUS, PLUS) else start
    before = digits = np.int64(0)  # digits before the point, and all
    point = False
    end = first
    while end < stop and words[end] | 0x20 != LETTER_E:
        if words[end] == POINT and not point:
            point = True
        elif ZERO <= words[end] <= ZERO + 9:
            digits += 1
            before += not point
        else:
            return False, 0, False
        end += 1
    shift = np.int64(0)
    if end < stop:
        good, shift = _exponent(words, end + 1, stop)
        if not good:
            return False, 0, False
    taken = before + decimals + shift  # digits that count
    value = place = np.int64(0)
    up = False
    whole = True
    for i in range(first, end):
        if words[i] == POINT:
            continue
        digit = np.int64(words[i]) - ZERO
        if place < taken:
            if value > LARGEST // 10:
                return False, 0, False
            value = 10 * value + digit
        else:
            up = digit >= 5 if place == taken else up
            whole &= digit == 0
        place += 1
    while place < taken and value:
        if value > LARGEST // 10:
            return False, 0, False
        value *= 10
        place += 1
    value += up
    return digits > 0, -value if words[start] == MINUS else value, whole


@njit(cache=True, nogil=True)
def _exponent(words: npt.NDArray[np.uint8], start: int, stop: int) -> tuple[bool, int]:
    """Parse an integer of at most four digits; say whether it is one."""
    if start == stop:
        return False, 0
    first = start + 1 if words[start] in (MINUS, PLUS) else start
    value = np.int64(0)
    for i in range(first, stop):
        if not ZERO <= words[i] <= ZERO + 9:
            return False, 0
        value = min(10 * value + np.int64(words[i]) - ZERO, np.int64(9999))
    return 0 < stop - first <= 4, -value if words[start] == MINUS else value


@njit(cache=True, nogil=True)
def _polarity(words: npt.NDArray[np.uint8], start: int, stop: int) -> tuple[bool, bool]:
    """Parse 1, 0, -1, true, false, on or off; say whether it is one of them."""
    length = stop - start
    first = words[start] | 0x20 if length else 0
    if first == LETTER_T and length == 4:
        return True, True
    if first == LETTER_F and length == 5:
        return True, False
    if first == LETTER_O and length in (2, 3):
        return True, length == 2
    good, value, whole = _number(words, start, stop, np.int64(0))
    return good and whole and -1 <= value <= 1, value == 1


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
    divided by on top, the size of the file, how many fields a line has, and whether times must be whole; state is the
    latest time, and space for where ``MOST_FIELDS`` fields start and end.
    """
    salvage = room.offset.size > 0
    filled = marked = start = np.int64(0)
    fields = state[1:]
    while start < words.size:
        stop = start
        while stop < words.size and words[stop] != NEWLINE:
            stop += 1
        if stop == words.size and stop - start < LONGEST_LINE:
            break
        after = min(stop + 1, words.size)
        count = _split(words, start, stop, fields)
        if count == 0 or words[fields[0]] in (HASH, PERCENT):
            start = after
            continue
        verdict = np.int64(SOUND)
        t_us = column = row = np.int64(0)
        polarity = False
        if count != limits[9]:
            verdict = np.int64(BAD_LINE)
        else:
            good_t, t_us, whole_t = _number(words, fields[2 * limits[2]], fields[2 * limits[2] + 1], limits[6])
            t_us //= limits[7]
            good_x, column, whole_x = _number(words, fields[2 * limits[3]], fields[2 * limits[3] + 1], np.int64(0))
            good_y, row, whole_y = _number(words, fields[2 * limits[4]], fields[2 * limits[4] + 1], np.int64(0))
            good_p, polarity = _polarity(words, fields[2 * limits[5]], fields[2 * limits[5] + 1])
            if not (good_t and good_x and good_y and good_p and whole_x and whole_y):
                verdict = np.int64(BAD_LINE)
            elif limits[10] and not whole_t:
                verdict = np.int64(FRACTION)
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
