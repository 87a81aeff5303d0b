"""Memristors: what a cell does with the conductance it is told to hold."""

from emulators.devices.device import Cells, Device, Faults
from emulators.devices.measured import Measurements

__all__ = ["Cells", "Device", "Faults", "Measurements"]
