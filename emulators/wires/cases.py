"""Reads one array with its wires and inputs from JSON, the layout that ``hil crossbar`` takes and others can write.

Keys: ``G`` (rows, columns) siemens, or ``G_pos`` and ``G_neg`` for a differential pair of arrays; ``V`` (n, rows) volt;
``r_wl``, ``r_bl``, ``r_driver``, ``r_sense`` in ohm; optional ``kind`` (``single`` or ``differential``), ``topology``
and ``name``. Other keys are left alone, so that results may sit beside what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np

from emulators.wires.solver import solve
from emulators.wires.values import Solution, Topology, Wires, checked_conductance, checked_voltage
from hil.errors import FormatError, InvalidValueError
from hil.progress import OnProgress, ignore_progress
from hil.types import Float64Array

__all__ = ["Case", "parse_case", "read_case"]

SIGNS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "single": (("G", 1.0),),
    "differential": (("G_pos", 1.0), ("G_neg", -1.0)),
}
RESISTANCES = ("r_wl", "r_bl", "r_driver", "r_sense")
MOST_NUMBERS = 1 << 22
"""Of one matrix: an array of 2048 x 2048 takes about 2 GB to solve."""
MOST_VOLTAGES = 1 << 26
"""Across cells, for all vectors together: 0.5 GB, and a few times that while pictures are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One array, or a differential pair of arrays with drivers of their own, and the vectors to apply.

    Attributes:
        name: What to call it.
        arrays: (rows, columns) conductances of each array, by the key they came under.
        signs: Sign with which each array's column currents count.
        voltage_volt: (n, rows).
        wires: Of every array.
    """

    name: str
    arrays: Mapping[str, Float64Array]
    signs: tuple[float, ...]
    voltage_volt: Float64Array
    wires: Wires

    def solve_each(self, *, device_voltages: bool = False, on_progress: OnProgress = ignore_progress) -> list[Solution]:
        """Solve every array.

        Raises:
            InvalidValueError: There are too many cells and vectors to hold the voltage of each.
        """
        numbers = len(self.voltage_volt) * sum(g.size for g in self.arrays.values())
        if device_voltages and numbers > MOST_VOLTAGES:
            message = (
                f"cells times vectors must be at most {MOST_VOLTAGES} to hold every voltage, but are {numbers}; take "
                "fewer vectors"
            )
            raise InvalidValueError(message)
        settings = {"device_voltages": device_voltages}
        return [
            solve(g, self.voltage_volt, self.wires, **settings, on_progress=_part(on_progress, k, len(self.arrays)))
            for k, g in enumerate(self.arrays.values())
        ]

    def combine(self, solutions: list[Solution]) -> tuple[Float64Array, Float64Array]:
        """Return signed (n, columns) column currents and summed (n, rows) row currents."""
        column = sum(sign * each.column_current_ampere for sign, each in zip(self.signs, solutions, strict=True))
        row = sum(each.row_current_ampere for each in solutions)
        return cast("Float64Array", column), cast("Float64Array", row)


def _part(on_progress: OnProgress, before: int, parts: int) -> OnProgress:
    """Return a listener to one of a few equal parts of the work."""
    return lambda done, total: on_progress(before * total + done, parts * total)


def read_case(path: Path) -> Case:
    """Read a case from a JSON file.

    Raises:
        FormatError: Not JSON, or not an object.
        InvalidValueError: A key is missing, or a value is not what it must be.
    """
    try:
        document = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        message = f"{path} is not a case in JSON: {error}"
        raise FormatError(message) from error
    if not isinstance(document, dict):
        message = f"{path} must hold a JSON object with the keys G, V and {', '.join(RESISTANCES)}"
        raise FormatError(message)
    return parse_case(document, name=path.stem)


def parse_case(document: Mapping[str, Any], *, name: str) -> Case:
    """Return the case that a parsed JSON object describes.

    Raises:
        InvalidValueError: A key is missing, or a value is not what it must be.
    """
    keys = SIGNS[_kind(document)]
    arrays = {key: _conductances(document, key) for key, _ in keys}
    shapes = {g.shape for g in arrays.values()}
    if len(shapes) > 1:
        message = f"G_pos and G_neg must have one shape, but have {' and '.join(str(g.shape) for g in arrays.values())}"
        raise InvalidValueError(message)
    voltage = checked_voltage(_matrix(document, "V"), shapes.pop()[0])
    word, bit, driver, sense = (_ohm(document, key) for key in RESISTANCES)
    wires = Wires(word, bit, driver, sense, cast("Topology", document.get("topology", "passive2d")))
    return Case(str(document.get("name", name)), arrays, tuple(sign for _, sign in keys), voltage, wires)


def _kind(document: Mapping[str, Any]) -> str:
    kind = document.get("kind", "differential" if "G_pos" in document or "G_neg" in document else "single")
    if not isinstance(kind, str) or kind not in SIGNS:
        message = f"kind must be one of {', '.join(SIGNS)}, but is {kind!r}"
        raise InvalidValueError(message)
    return kind


def _conductances(document: Mapping[str, Any], key: str) -> Float64Array:
    matrix = _matrix(document, key)
    try:
        return checked_conductance(matrix)
    except InvalidValueError as error:
        message = f"{key}: {error}"
        raise InvalidValueError(message) from error


def _matrix(document: Mapping[str, Any], key: str) -> Float64Array:
    rows = _value(document, key)
    if not (isinstance(rows, list) and rows and all(isinstance(row, list) and row for row in rows)):
        message = f"{key} must be a non-empty list of non-empty lists of numbers, but is {_shown(rows)}"
        raise InvalidValueError(message)
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            message = f"{key} must have rows of equal length, but row 0 has {len(rows[0])} and row {i} has {len(row)}"
            raise InvalidValueError(message)
    if len(rows) * len(rows[0]) > MOST_NUMBERS:
        message = f"{key} must hold at most {MOST_NUMBERS} numbers, but holds {len(rows)} x {len(rows[0])}"
        raise InvalidValueError(message)
    return np.array(
        [[_checked(value, f"{key}[{i}][{j}]") for j, value in enumerate(row)] for i, row in enumerate(rows)]
    )


def _ohm(document: Mapping[str, Any], key: str) -> float:
    ohm = _checked(_value(document, key), key)
    if not 0 <= ohm < float("inf"):
        message = f"{key} must be zero or positive and finite, in ohm, but is {ohm!r}"
        raise InvalidValueError(message)
    return ohm


def _checked(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{where} must be a number, but is {_shown(value)}"
        raise InvalidValueError(message)
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _value(document: Mapping[str, Any], key: str) -> Any:
    if key not in document:
        message = (
            f"the key {key!r} is missing; a case needs V (n, rows), {', '.join(RESISTANCES)}, and G (rows, columns) or "
            "G_pos and G_neg"
        )
        raise InvalidValueError(message)
    return document[key]


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is not a number that JSON has"
    raise ValueError(message)
