"""Memristors: what a cell does with the conductance it is told to hold."""

from emulators.devices.device import Cells, Device

__all__ = ["Cells", "Device"]
