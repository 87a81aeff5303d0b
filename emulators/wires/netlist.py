"""Writes arrays as a SPICE netlist and reads back what a simulator printed, so that anyone can check our solver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emulators.wires.cases import Case
from emulators.wires.values import Wires
from hil.errors import FormatError
from hil.types import Float64Array

__all__ = ["netlist", "parse_currents"]

OPEN_OHM = 1e30
"""An open transistor: conducts fifteen decades less than any device."""

PRINTED = re.compile(r"^(vector|i\(v(?P<kind>in|c)(?P<array>[a-z]?)(?P<line>\d+)\)) = (?P<value>\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Names:
    """Node and device names of one array; nodes that a zero resistance joins have one name."""

    wires: Wires
    prefix: str
    rows: int

    def word(self, i: int, j: int) -> str:
        if self.wires.r_word_line_ohm:
            return f"w{self.prefix}{i}_{j}"
        return f"w{self.prefix}{i}" if self.wires.r_first_ohm else f"in{i}"

    def bit(self, i: int, j: int) -> str:
        if self.wires.r_bit_line_ohm:
            return f"b{self.prefix}{i}_{j}"
        return f"b{self.prefix}{j}" if self.wires.r_last_ohm else f"out{self.prefix}{j}"

    def cell(self, i: int, j: int) -> str:
        return f"rg{self.prefix}{i}_{j}"


def netlist(case: Case) -> str:
    """Return a netlist for ngspice that solves every vector of a case and prints all currents.

    The vectors are applied one after the other; an open cell of a gated array is a resistor of 1e30 ohm.
    """
    lines = [f"* {case.name}: {len(case.arrays)} array(s), {len(case.voltage_volt)} vector(s), by neuromorphic-hil"]
    lines += [f"vin{i} in{i} 0 dc {float(volt)!r}" for i, volt in enumerate(case.voltage_volt[0])]
    for prefix, g in _prefixed(case):
        lines += _array(g, case.voltage_volt[0], _Names(case.wires, prefix, len(g)))
    lines += [".options reltol=1e-12 abstol=1e-20 vntol=1e-15", ".control", "set numdgt=16"]
    lines += _commands(case)
    return "\n".join([*lines, "quit", ".endc", ".end", ""])


def parse_currents(printed: str, case: Case) -> tuple[Float64Array, Float64Array]:
    """Return signed (n, columns) column currents and (n, rows) row currents from what a simulator printed.

    Raises:
        FormatError: Currents are missing or are not numbers.
    """
    n, rows = case.voltage_volt.shape
    columns = next(iter(case.arrays.values())).shape[1]
    signs = dict(zip((prefix for prefix, _ in _prefixed(case)), case.signs, strict=True))
    row, column, found, vector = np.zeros((n, rows)), np.zeros((n, columns)), 0, -1
    for match in PRINTED.finditer(printed):
        if match["kind"] is None:
            vector = int(match["value"])
        elif match["kind"] == "in":
            row[vector, int(match["line"])] = -float(match["value"])
        else:
            column[vector, int(match["line"])] += signs[match["array"]] * float(match["value"])
        found += match["kind"] is not None
    expected = n * (rows + columns * len(signs))
    if found != expected:
        last = " | ".join(printed.strip().splitlines()[-3:])
        message = f"the simulator must print {expected} currents, but printed {found}; its last lines: {last}"
        raise FormatError(message)
    return column, row


def _prefixed(case: Case) -> list[tuple[str, Float64Array]]:
    """Return the arrays with a letter for their nodes: none, or p and n."""
    return [(key.partition("_")[2][:1], g) for key, g in case.arrays.items()]


def _array(g: Float64Array, volt: Float64Array, names: _Names) -> Iterator[str]:
    rows, columns = g.shape
    for i in range(rows):
        for j in range(columns):
            yield from _segments(i, j, names)
            if g[i, j] > 1 / OPEN_OHM:
                ohm = _cell_ohm(g[i, j], volt[i], names.wires)
                yield f"{names.cell(i, j)} {names.word(i, j)} {names.bit(i, j)} {ohm!r}"
    for j in range(columns):
        if names.wires.r_last_ohm:
            yield f"rs{names.prefix}{j} {names.bit(rows - 1, j)} out{names.prefix}{j} {names.wires.r_last_ohm!r}"
        yield f"vc{names.prefix}{j} out{names.prefix}{j} 0 0"


def _segments(i: int, j: int, names: _Names) -> Iterator[str]:
    """Yield the wires that lead to a cell, where they resist."""
    wires, prefix = names.wires, names.prefix
    if not j and wires.r_first_ohm:
        yield f"rd{prefix}{i} in{i} {names.word(i, 0)} {wires.r_first_ohm!r}"
    if j and wires.r_word_line_ohm:
        yield f"rw{prefix}{i}_{j} {names.word(i, j - 1)} {names.word(i, j)} {wires.r_word_line_ohm!r}"
    if i and wires.r_bit_line_ohm:
        yield f"rb{prefix}{i}_{j} {names.bit(i - 1, j)} {names.bit(i, j)} {wires.r_bit_line_ohm!r}"


def _cell_ohm(siemens: float, volt: float, wires: Wires) -> float:
    return OPEN_OHM if wires.topology == "gated1t1r" and volt == 0 else 1.0 / float(siemens)


def _commands(case: Case) -> Iterator[str]:
    before = case.voltage_volt[0]
    for n, volt in enumerate(case.voltage_volt):
        for row in np.flatnonzero(volt != before).tolist():
            yield f"alter vin{row} = {float(volt[row])!r}"
        if case.wires.topology == "gated1t1r":
            yield from _gates(case, volt, np.flatnonzero((volt == 0) != (before == 0)).tolist())
        before = volt
        yield "op"
        yield f"echo vector = {n}"
        yield from (f"print i(vin{row})" for row in range(len(volt)))
        for prefix, g in _prefixed(case):
            yield from (f"print i(vc{prefix}{column})" for column in range(g.shape[1]))


def _gates(case: Case, volt: Float64Array, switched: list[int]) -> Iterator[str]:
    for prefix, g in _prefixed(case):
        names = _Names(case.wires, prefix, len(g))
        for row in switched:
            for j, siemens in enumerate(g[row].tolist()):
                if siemens > 1 / OPEN_OHM:
                    yield f"alter {names.cell(row, j)} = {_cell_ohm(siemens, float(volt[row]), case.wires)!r}"
