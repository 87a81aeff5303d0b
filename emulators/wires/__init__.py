"""Wires of a crossbar: exact currents of an array whose lines resist, as a cached operator or vector by vector.

>>> from emulators.wires import Wires, solve
>>> wires = Wires(r_word_line_ohm=2.0, r_bit_line_ohm=2.0, r_driver_ohm=50.0)
>>> solution = solve([[1e-4, 1e-6], [1e-6, 1e-4]], [0.2, 0.1], wires)
>>> solution.column_current_ampere.shape
(1, 2)
"""

from emulators.wires.solver import solve, transfer_matrix
from emulators.wires.values import Solution, Topology, Wires

__all__ = ["Solution", "Topology", "Wires", "solve", "transfer_matrix"]
