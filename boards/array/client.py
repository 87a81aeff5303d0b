"""The host's end: the array verbs as methods, with the same limits checked before anything is sent."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from boards.array.limits import ArrayLimits, Pulse
from boards.array.strategies import STRATEGIES
from boards.array.wire import Floats, WriteOrder, decode_json, encode_json, encode_pulse
from boards.link import LinkSession, RetryPolicy, Verb
from hil.closing import Closing, undone_on_error
from hil.errors import InvalidValueError
from hil.ports import Transport
from hil.types import BoolArray, Float64Array

__all__ = ["ArrayBoard", "Report"]

Report: TypeAlias = dict[str, Any]

MAX_FLOATS = 15_000
"""Values in one payload: four bytes each, below the link's 65,535."""

VERBS = {"form": Verb.ARRAY_FORM, "set": Verb.ARRAY_SET, "reset": Verb.ARRAY_RESET}


class ArrayBoard(Closing):
    """A memristor array behind a link; a context manager that leaves every line at 0 V.

    Args:
        connect: Opens the transport.
        policy: How hard to try.
    """

    def __init__(self, connect: Callable[[], Transport], *, policy: RetryPolicy | None = None) -> None:
        self._session = LinkSession(connect, policy=policy)
        with undone_on_error(self._session.close):
            self._info = decode_json(self._session.open())
            self.limits = ArrayLimits.from_document(self._info["limits"])

    @property
    def info(self) -> dict[str, Any]:
        """What the board says of itself: arrays, rows, columns, device, conductances, limits."""
        return dict(self._info)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of each array."""
        return int(self._info["rows"]), int(self._info["columns"])

    @property
    def arrays(self) -> int:
        """How many arrays the board has."""
        return int(self._info["arrays"])

    def tighten(self, **limits: float) -> ArrayLimits:
        """Lower some limits on the board and here.

        Raises:
            RefusedError: A limit would be loosened.
        """
        self.limits = ArrayLimits.from_document(decode_json(self._ask(Verb.ARRAY_LIMITS, encode_json(limits))))
        return self.limits

    def self_test(self) -> dict[str, Any]:
        """Return what the board finds wrong with its cells."""
        return decode_json(self._ask(Verb.ARRAY_SELF_TEST))

    def select(self, index: int = 0) -> None:
        """Choose the array that the following verbs mean, and start its budgets anew."""
        if not 0 <= index < self.arrays:
            raise InvalidValueError(f"array index must lie below {self.arrays}, but is {index}")
        self._ask(Verb.ARRAY_SELECT, index.to_bytes(2, "little"))

    def pulse(self, pulse: Pulse, chosen: BoolArray) -> None:
        """Apply one pulse to the chosen cells.

        Raises:
            InvalidValueError: Beyond a limit; nothing was sent.
            RefusedError: The board found a limit that the host could not see, such as a cell's pulse count.
        """
        self.limits.check(pulse)
        if chosen.shape != self.shape:
            raise InvalidValueError(f"cells are chosen by a mask of {self.shape}, but got {chosen.shape}")
        self._ask(VERBS[pulse.kind], encode_pulse(pulse, chosen))

    def read(self, *, volt: float = 0.2) -> Float64Array:
        """Return the (rows, columns) conductances of the selected array, in siemens."""
        self.limits.check_read(volt)
        rows, columns = self.shape
        block = max(1, MAX_FLOATS // columns)
        parts = [
            self._ask(Verb.ARRAY_READ_ARRAY, struct.pack("<dHH", volt, first, min(block, rows - first)))
            for first in range(0, rows, block)
        ]
        return np.concatenate([Floats.decode(part) for part in parts])

    def vmm(self, volts: Float64Array) -> Float64Array:
        """Return the (n, columns) currents of (n, rows) voltages, in amperes."""
        self.limits.check_read(float(np.abs(volts).max(initial=0.0)))
        block = max(1, MAX_FLOATS // max(self.shape))
        parts = [
            self._ask(Verb.ARRAY_VMM, Floats.encode(volts[first : first + block]))
            for first in range(0, len(volts), block)
        ]
        return np.concatenate([np.empty((0, self.shape[1])), *(Floats.decode(part) for part in parts)])

    def program_verify(self, on: BoolArray, *, strategy: str, tolerance_siemens: float, most_pulses: int) -> Report:
        """Let the board write the selected array by itself: chosen cells on, the others off.

        Args:
            on: (rows, columns) which cells end at the device's on level.
            strategy: Name of one of ``boards.array.STRATEGIES``.
            tolerance_siemens: Half the window.
            most_pulses: After so many a cell is given up.

        Returns:
            Strategy, share of the cells in their window, pulses and energy.
        """
        if on.shape != self.shape or strategy not in STRATEGIES:
            raise InvalidValueError(f"expected a mask of {self.shape} and one of {list(STRATEGIES)}, got {strategy!r}")
        levels = float(self._info["on_siemens"]), float(self._info["off_siemens"])
        order = WriteOrder(on, *levels, tolerance_siemens, most_pulses, list(STRATEGIES).index(strategy))
        return decode_json(self._ask(Verb.ARRAY_PROGRAM_VERIFY, order.encode()))

    def refresh(self) -> Report:
        """Let the board write again what left its window since ``program_verify``."""
        return decode_json(self._ask(Verb.ARRAY_REFRESH))

    def calibrate(self) -> Float64Array:
        """Let the board correct its sense circuits; returns (2, columns) gains and offsets in amperes."""
        return Floats.decode(self._ask(Verb.ARRAY_CALIBRATE))

    def log(self) -> dict[str, Any]:
        """Return pulses, energy, reads and refusals so far."""
        return decode_json(self._ask(Verb.ARRAY_LOG))

    def safe_off(self) -> None:
        """Put every line to 0 V; nothing is pulsed or read until an array is selected again."""
        self._ask(Verb.ARRAY_SAFE_OFF)

    def _ask(self, verb: Verb, payload: bytes = b"") -> bytes:
        return self._session.request(verb, payload)

    def close(self) -> None:
        """Put every line to 0 V and close the link; may be called twice."""
        try:
            if self._session.is_open:
                self.safe_off()
        finally:
            self._session.close()
