"""Memristor arrays as boards: verbs in SI units, limits on both sides of the link, strategies that write cells."""

from boards.array.client import ArrayBoard
from boards.array.endpoint import ArrayEndpoint, Cells
from boards.array.limits import ArrayLimits, Pulse
from boards.array.programming import Goal, ProgrammingReport, program_cells
from boards.array.strategies import IGVVA, ISPVA, STRATEGIES, ProportionalIntegral, ResistanceWindow, Strategy

__all__ = [
    "IGVVA",
    "ISPVA",
    "STRATEGIES",
    "ArrayBoard",
    "ArrayEndpoint",
    "ArrayLimits",
    "Cells",
    "Goal",
    "ProgrammingReport",
    "ProportionalIntegral",
    "Pulse",
    "ResistanceWindow",
    "Strategy",
    "program_cells",
]
