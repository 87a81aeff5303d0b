"""Wires of a crossbar: exact currents of an array whose lines resist, as a cached operator or vector by vector.

>>> from emulators.wires import TransferOperator, Wires, solve
>>> wires = Wires(r_word_line_ohm=2.0, r_bit_line_ohm=2.0, r_driver_ohm=50.0)
>>> solution = solve([[1e-4, 1e-6], [1e-6, 1e-4]], [0.2, 0.1], wires)
>>> operator = TransferOperator.of([[1e-4, 1e-6], [1e-6, 1e-4]], wires)
>>> bool((abs(operator.apply([0.2, 0.1]) - solution.column_current_ampere) < 1e-18).all())
True
"""

from emulators.wires.adjoint import Gradient, gradient
from emulators.wires.first_order import FirstOrder
from emulators.wires.operator import TransferOperator
from emulators.wires.solver import solve, transfer_matrix
from emulators.wires.values import Solution, Topology, Wires

__all__ = [
    "FirstOrder",
    "Gradient",
    "Solution",
    "Topology",
    "TransferOperator",
    "Wires",
    "gradient",
    "solve",
    "transfer_matrix",
]
