"""Builds the transfer matrix of an array by merging rectangles of it: exact, and O(n^3) for n x n cells.

A rectangle is known by what its four sides see of each other. A word line is fed from the left: the left side takes
voltages and answers currents, the right side takes the currents drawn there and answers voltages. A bit line drains
downwards: the bottom takes voltages and answers currents, the top takes currents and answers voltages. In this mixed
form a zero resistance and a zero conductance are ordinary numbers, and joining two rectangles along a side inverts
``1 + Y Z`` with Y and Z positive semidefinite, which is never singular.

Leaves are grown cell by cell, tiles are merged from leaves in stacks of equal shape, and the array from its tiles
without what nobody will ask there: its top and right sides are open, its bottom is grounded. Arrays of equal shape and
wires go through all of this as one stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

import numpy as np
from numba import njit

from emulators.wires.values import Wires
from hil.types import Float64Array

__all__ = ["merged_matrices", "merged_transfer_matrix"]

Side: TypeAlias = Literal["left", "bottom", "top", "right"]
Places: TypeAlias = Mapping[Side, slice]

SIDES: tuple[Side, ...] = ("left", "bottom", "top", "right")
TILE = 32
LEAVES_ACROSS_TILE = 4


@dataclass(frozen=True, slots=True, eq=False)
class _Rectangle:
    """What the sides of a stack of alike rectangles answer to what they take.

    Attributes:
        response: (arrays, ..., answers, takes).
        answers: Where the answers of each side are; sides nobody asks may be left out.
        takes: Where the inputs of each side are; sides that are open or grounded may be left out.
    """

    response: Float64Array
    answers: Places
    takes: Places

    def block(self, answer: Side, take: Side) -> Float64Array:
        """Return how one side answers to another."""
        return self.response[..., self.answers[answer], self.takes[take]]

    def stacked(self, *index: slice | int) -> _Rectangle:
        """Return some rectangles of every array."""
        return _Rectangle(self.response[:, *index], self.answers, self.takes)

    def only(self, answers: set[Side], takes: set[Side]) -> _Rectangle:
        """Return the rectangle with fewer answers and inputs."""
        rows, columns = _compacted(self.answers, answers), _compacted(self.takes, takes)
        response = np.empty((*self.response.shape[:-2], _size(rows), _size(columns)))
        for answer, row in rows.items():
            for take, column in columns.items():
                response[..., row, column] = self.block(answer, take)
        return _Rectangle(response, rows, columns)


def merged_transfer_matrix(g_siemens: Float64Array, wires: Wires) -> Float64Array:
    """Return the (rows, columns) transfer matrix; arguments are checked and of topology ``passive2d``."""
    transfer: Float64Array = _matrices(g_siemens[None], wires, {"bottom"})["bottom"][0]
    return transfer


def merged_matrices(g_siemens: Float64Array, wires: Wires) -> tuple[Float64Array, Float64Array]:
    """Return what alike arrays answer to their rows.

    Args:
        g_siemens: (arrays, rows, columns), checked.
        wires: Of topology ``passive2d``.

    Returns:
        (arrays, rows, columns) transfer matrices and the (arrays, rows, rows) symmetric matrices A of the row currents,
        ``I_rows = V @ A``.
    """
    found = _matrices(g_siemens, wires, {"bottom", "left"})
    return found["bottom"], found["left"]


def _matrices(g: Float64Array, wires: Wires, asked: set[Side]) -> dict[Side, Float64Array]:
    """Return what the asked sides of the whole arrays answer to their rows, without the padding."""
    rows, columns = g.shape[1:]
    tiles = _tiles(g, wires)
    whole = _merged(tiles, slice(0, tiles.response.shape[1]), slice(0, tiles.response.shape[2]), asked)
    kept = {"bottom": slice(0, columns), "left": slice(-rows, None)}
    return {
        side: np.ascontiguousarray(whole.block(side, "left")[:, kept[side], -rows:].swapaxes(1, 2)) for side in asked
    }


def _merged(tiles: _Rectangle, down: slice, across: slice, asked: set[Side]) -> _Rectangle:
    """Merge a range of tiles, halving its longer side."""
    height, width = down.stop - down.start, across.stop - across.start
    if height == width == 1:
        return _tile(tiles, down.start, across.start, asked)
    if width >= height:
        middle = across.start + width // 2
        left = _merged(tiles, down, slice(across.start, middle), asked)
        return _join_beside(left, _merged(tiles, down, slice(middle, across.stop), asked))
    middle = down.start + height // 2
    upper = _merged(tiles, slice(down.start, middle), across, asked)
    return _join_below(upper, _merged(tiles, slice(middle, down.stop), across, asked))


def _tile(tiles: _Rectangle, row: int, column: int, asked: set[Side]) -> _Rectangle:
    """Return one tile without the sides that lie on the array's edge and where nothing is taken or asked."""
    rows, columns = tiles.response.shape[1:3]
    open_sides: set[Side] = {"top"} if row == 0 else set()
    open_sides |= {"right"} if column == columns - 1 else set()
    answers = set(SIDES) - open_sides - ({"left"} - asked if column == 0 else set())
    takes = set(SIDES) - open_sides - ({"bottom"} if row == rows - 1 else set())
    return tiles.stacked(row, column).only(answers, takes)


def _tiles(g: Float64Array, wires: Wires) -> _Rectangle:
    """Return all tiles, (arrays, down, across); rows of zeros above and columns of zeros right change nothing."""
    sizes = g.shape[1:]
    leaf = [max(1, ceil(size / ceil(size / TILE) / LEAVES_ACROSS_TILE)) for size in sizes]
    padding = [-size % (cells * LEAVES_ACROSS_TILE) for size, cells in zip(sizes, leaf, strict=True)]
    padded = np.pad(g, ((0, 0), (padding[0], 0), (0, padding[1])))
    response = _leaves(
        padded, leaf[0], leaf[1], wires.r_first_ohm, wires.r_word_line_ohm, wires.r_bit_line_ohm, wires.r_last_ohm
    )
    sides = _places({"left": leaf[0], "bottom": leaf[1], "top": leaf[1], "right": leaf[0]})
    stack = _Rectangle(response, sides, sides)
    across = LEAVES_ACROSS_TILE
    while across > 1:
        every, even, odd = slice(None), slice(0, None, 2), slice(1, None, 2)
        stack = _join_beside(stack.stacked(every, even), stack.stacked(every, odd))
        stack = _join_below(stack.stacked(even), stack.stacked(odd))
        across //= 2
    return stack


def _join_beside(left: _Rectangle, right: _Rectangle) -> _Rectangle:
    rows, left_rows, right_rows = _joined_places(left.answers, right.answers, "right", "left")
    columns, left_columns, right_columns = _joined_places(left.takes, right.takes, "right", "left")
    i, w = _joint(left, right, "right", "left", left_columns, right_columns)
    joined = np.empty((*i.shape[:-2], _size(rows), _size(columns)))
    _answer(left, "right", i, left_rows, left_columns, joined)
    _answer(right, "left", w, right_rows, right_columns, joined)
    return _Rectangle(joined, rows, columns)


def _join_below(upper: _Rectangle, lower: _Rectangle) -> _Rectangle:
    rows, upper_rows, lower_rows = _joined_places(upper.answers, lower.answers, "bottom", "top")
    columns, upper_columns, lower_columns = _joined_places(upper.takes, lower.takes, "bottom", "top")
    i, w = _joint(lower, upper, "top", "bottom", lower_columns, upper_columns)
    joined = np.empty((*i.shape[:-2], _size(rows), _size(columns)))
    _answer(lower, "top", i, lower_rows, lower_columns, joined)
    _answer(upper, "bottom", w, upper_rows, upper_columns, joined)
    return _Rectangle(joined, rows, columns)


def _answer(
    part: _Rectangle, joint: Side, drive: Float64Array, rows: Places, columns: Places, joined: Float64Array
) -> None:
    """Fill in what one of two joined parts answers, driven at the joint and at its own sides."""
    for answer, row in rows.items():
        np.matmul(part.block(answer, joint), drive, out=joined[..., row, :])
        for take, column in columns.items():
            joined[..., row, column] += part.block(answer, take)


def _joint(
    a: _Rectangle, b: _Rectangle, a_side: Side, b_side: Side, a_columns: Places, b_columns: Places
) -> tuple[Float64Array, Float64Array]:
    """Return the currents i and voltages w at the joint for every input of the joined rectangle.

    ``a`` answers w = A x_a + Z i and ``b`` answers i = Y w + B x_b, so (1 - Y Z) i = Y A x_a + B x_b; the signs of Y
    and Z differ.
    """
    y, z = b.block(b_side, b_side), a.block(a_side, a_side)
    passed = y @ a.response[..., a.answers[a_side], :]
    system = -passed[..., a.takes[a_side]]
    size = system.shape[-1]
    system[..., range(size), range(size)] += 1.0
    right = np.empty((*system.shape[:-1], _size(a_columns) + _size(b_columns)))
    for take, column in a_columns.items():
        right[..., column] = passed[..., a.takes[take]]
    for take, column in b_columns.items():
        right[..., column] = b.block(b_side, take)
    i = np.asarray(np.linalg.solve(system, right), np.float64)
    w = z @ i
    for take, column in a_columns.items():
        w[..., column] += a.block(a_side, take)
    return i, w


def _joined_places(
    first: Places, second: Places, first_joint: Side, second_joint: Side
) -> tuple[Places, Places, Places]:
    """Return where each side of the joined rectangle is, and where the sides of its two parts went."""
    whole: dict[Side, slice] = {}
    parts: tuple[dict[Side, slice], dict[Side, slice]] = ({}, {})
    start = 0
    for side in SIDES:
        begin = start
        for part, old, joint in ((parts[0], first, first_joint), (parts[1], second, second_joint)):
            if side in old and side != joint:
                part[side] = slice(start, start + old[side].stop - old[side].start)
                start = part[side].stop
        if start > begin:
            whole[side] = slice(begin, start)
    return whole, *parts


def _places(sizes: Mapping[Side, int]) -> Places:
    places, start = {}, 0
    for side, size in sizes.items():
        places[side] = slice(start, start + size)
        start += size
    return places


def _compacted(places: Places, kept: set[Side]) -> Places:
    return _places({side: place.stop - place.start for side, place in places.items() if side in kept})


def _size(places: Places) -> int:
    return sum(place.stop - place.start for place in places.values())


@njit(cache=True, nogil=True, fastmath={"contract"})
def _leaves(
    g: Float64Array, height: int, width: int, r_first: float, r_word: float, r_bit: float, r_last: float
) -> Float64Array:
    """Grow every leaf cell by cell; returns (arrays, down, across, sides, sides), sides in the order of SIDES."""
    arrays, rows, columns = g.shape
    size = 2 * (height + width)
    leaves = np.zeros((arrays, rows // height, columns // width, size, size))
    gain = np.empty(size)
    for array in range(arrays):
        for i in range(rows):
            for j in range(columns):
                leaf = leaves[array, i // height, j // width]
                row, column = i % height, j % width
                left, right = row, height + 2 * width + row
                bottom, top = height + column, height + width + column
                if column == 0:
                    leaf[right, left] = leaf[left, right] = 1.0
                if row == 0:
                    leaf[bottom, top] = leaf[top, bottom] = 1.0
                leaf[right, right] -= r_first if j == 0 else r_word
                _add_cell(leaf, right, bottom, g[array, i, j], gain)
                _add_wire(leaf, bottom, r_last if i == rows - 1 else r_bit, gain)
    return leaves


@njit(cache=True, fastmath={"contract"})
def _add_cell(leaf: Float64Array, right: int, bottom: int, g: float, gain: Float64Array) -> None:
    """Connect the right end of a row to the bottom end of a column by a conductance."""
    through = g / (1.0 - g * leaf[right, right])
    for x in range(gain.size):
        gain[x] = through * leaf[right, x]
    gain[bottom] -= through
    for y in range(gain.size):
        moved = leaf[y, right] + (1.0 if y == bottom else 0.0)
        if moved != 0.0:
            for x in range(gain.size):
                leaf[y, x] += moved * gain[x]


@njit(cache=True, fastmath={"contract"})
def _add_wire(leaf: Float64Array, bottom: int, r: float, gain: Float64Array) -> None:
    """Put a resistance below the bottom end of a column."""
    drop = r / (1.0 - r * leaf[bottom, bottom])
    for x in range(gain.size):
        gain[x] = drop * leaf[bottom, x]
    for y in range(gain.size):
        moved = leaf[y, bottom]
        if moved != 0.0:
            for x in range(gain.size):
                leaf[y, x] += moved * gain[x]
