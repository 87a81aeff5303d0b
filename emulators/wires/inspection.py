"""What a solved case says about its array in a few numbers: how much the wires take, where, and in watts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emulators.wires.cases import Case
from emulators.wires.values import Solution
from hil.types import Float64Array

__all__ = ["ArrayInspection", "Inspection", "column_error", "inspect_case", "voltage_drop"]


@dataclass(frozen=True, slots=True)
class ArrayInspection:
    """One array of a case.

    Attributes:
        key: The key it came under.
        conductance_min_siemens: Of all cells.
        conductance_max_siemens: Of all cells.
        open_cells: Cells that do not conduct at all.
        worst_drop_volt: Largest departure of a conducting cell's voltage from its row's input.
        worst_drop_of_input: The same as a share of the largest input voltage.
        worst_drop_vector: Where that is.
        worst_drop_row: Where that is.
        worst_drop_column: Where that is.
        power_watt: Mean over the vectors, delivered by the drivers.
        power_in_cells_watt: The part of it that reaches the cells; the rest heats wires, drivers and amplifiers.
    """

    key: str
    conductance_min_siemens: float
    conductance_max_siemens: float
    open_cells: int
    worst_drop_volt: float
    worst_drop_of_input: float
    worst_drop_vector: int
    worst_drop_row: int
    worst_drop_column: int
    power_watt: float
    power_in_cells_watt: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """A whole case.

    Attributes:
        name: Of the case.
        topology: Of its wires.
        rows: Of every array.
        columns: Of every array.
        vectors: Solved.
        column_error_rms: Root mean square of the column currents' departure from wires without resistance, as a share
            of the root mean square current there; None if no current would flow.
        column_error_worst: The largest departure, as a share of the same.
        power_watt: Mean over the vectors, of all arrays.
        arrays: One by one.
    """

    name: str
    topology: str
    rows: int
    columns: int
    vectors: int
    column_error_rms: float | None
    column_error_worst: float | None
    power_watt: float
    arrays: tuple[ArrayInspection, ...]

    def as_document(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {**asdict(self), "arrays": [asdict(each) for each in self.arrays]}


def inspect_case(case: Case, solutions: list[Solution]) -> Inspection:
    """Sum up a solved case; the solutions must hold device voltages."""
    arrays = tuple(
        _array(case, key, g, solution) for (key, g), solution in zip(case.arrays.items(), solutions, strict=True)
    )
    error = column_error(case, solutions)
    g = next(iter(case.arrays.values()))
    return Inspection(
        name=case.name,
        topology=case.wires.topology,
        rows=g.shape[0],
        columns=g.shape[1],
        vectors=len(case.voltage_volt),
        column_error_rms=None if error is None else float(np.sqrt(np.mean(error**2))),
        column_error_worst=None if error is None else float(np.abs(error).max()),
        power_watt=sum(each.power_watt for each in arrays),
        arrays=arrays,
    )


def voltage_drop(case: Case, g_siemens: Float64Array, solution: Solution) -> Float64Array:
    """Return (n, rows, columns) row input minus device voltage; 0 where a cell or its transistor is open."""
    across = solution.device_voltage_volt
    if across is None:
        message = "a voltage drop needs device voltages; solve with device_voltages=True"
        raise TypeError(message)
    drop: Float64Array = (case.voltage_volt[:, :, None] - across) * _conducting(case, g_siemens)
    return drop


def column_error(case: Case, solutions: list[Solution]) -> Float64Array | None:
    """Return (n, columns) departures of the column currents from ideal wires, as a share of the ideal rms current.

    None if no current would flow through ideal wires.
    """
    ideal = sum(sign * case.voltage_volt @ g for sign, g in zip(case.signs, case.arrays.values(), strict=True))
    scale = float(np.sqrt(np.mean(np.square(ideal))))
    return (case.combine(solutions)[0] - ideal) / scale if scale else None


def _conducting(case: Case, g: Float64Array) -> Float64Array:
    gate = case.voltage_volt != 0 if case.wires.topology == "gated1t1r" else np.ones_like(case.voltage_volt)
    conducting: Float64Array = gate[:, :, None] * (g > 0)
    return conducting


def _array(case: Case, key: str, g: Float64Array, solution: Solution) -> ArrayInspection:
    drop = voltage_drop(case, g, solution)
    vector, row, column = (int(index) for index in np.unravel_index(np.abs(drop).argmax(), drop.shape))
    worst = float(np.abs(drop).max())
    across = (case.voltage_volt[:, :, None] - drop) * _conducting(case, g)
    largest = float(np.abs(case.voltage_volt).max())
    return ArrayInspection(
        key=key,
        conductance_min_siemens=float(g.min()),
        conductance_max_siemens=float(g.max()),
        open_cells=int((g == 0).sum()),
        worst_drop_volt=worst,
        worst_drop_of_input=worst / largest if largest else 0.0,
        worst_drop_vector=vector,
        worst_drop_row=row,
        worst_drop_column=column,
        power_watt=float(solution.power_watt.mean()),
        power_in_cells_watt=float(np.einsum("ij,nij->n", g, across**2).mean()),
    )
