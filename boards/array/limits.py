"""What must never happen to an array: checked by the host before it asks, and by the board before it acts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, TypeAlias

from hil.errors import InvalidValueError

__all__ = ["ArrayLimits", "Pulse", "PulseKind"]

PulseKind: TypeAlias = Literal["form", "set", "reset"]


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse, the same for every chosen cell.

    Attributes:
        kind: ``form`` and ``set`` raise the bit line, ``reset`` the source line; the voltage is a magnitude.
        line_volt: Amplitude on the line.
        gate_volt: Voltage on the access transistors, which limits the current.
        width_s: Duration.
    """

    kind: PulseKind
    line_volt: float
    gate_volt: float
    width_s: float


@dataclass(frozen=True, slots=True)
class ArrayLimits:
    """The most an array may meet.

    Attributes:
        line_volt: Amplitude of SET and RESET.
        forming_volt: Amplitude of FORM.
        gate_volt: Gate voltage.
        compliance_ampere: Current through a cell at the pulse's end, from the gate's compliance.
        width_s: Pulse width.
        pulses_per_cell: Pulses one cell may meet until the board is selected anew.
        cycles: SET-to-RESET turns one cell may meet in its life.
        read_volt: Amplitude of reads and products.
        reads: Reads of the whole array until it is selected anew: the disturb budget.
        watchdog_s: Silence after which every line goes to 0 V.
    """

    line_volt: float = 3.3
    forming_volt: float = 3.6
    gate_volt: float = 3.0
    compliance_ampere: float = 500e-6
    width_s: float = 100e-6
    pulses_per_cell: int = 400
    cycles: int = 100_000
    read_volt: float = 0.4
    reads: int = 1_000_000
    watchdog_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse limits that are not positive and finite."""
        for each in fields(self):
            value = getattr(self, each.name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidValueError(f"array limit {each.name} must be positive and finite, but is {value}")

    def check(self, pulse: Pulse) -> None:
        """Raise if a pulse goes beyond a limit.

        Raises:
            InvalidValueError: Names the quantity, what was asked and the limit.
        """
        most_line = self.forming_volt if pulse.kind == "form" else self.line_volt
        for name, asked, most in (
            ("line voltage (V)", pulse.line_volt, most_line),
            ("gate voltage (V)", pulse.gate_volt, self.gate_volt),
            ("pulse width (s)", pulse.width_s, self.width_s),
            ("compliance current (A)", compliance_ampere(pulse.gate_volt), self.compliance_ampere),
        ):
            if not (math.isfinite(asked) and 0 <= asked <= most):
                raise InvalidValueError(f"{name} of a {pulse.kind} pulse must lie in 0 to {most:g}, but is {asked:g}")

    def check_read(self, volt: float) -> None:
        """Raise if a read voltage goes beyond the limit, in either direction."""
        if not (math.isfinite(volt) and abs(volt) <= self.read_volt):
            raise InvalidValueError(f"read voltage must lie within {self.read_volt:g} V, but is {volt:g}")

    def as_document(self) -> dict[str, Any]:
        """Return the limits as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the limits of a document; unknown keys are an error."""
        try:
            return cls(**document)
        except TypeError as error:
            raise InvalidValueError(
                f"array limits are {[each.name for each in fields(cls)]}, got {document}"
            ) from error


def compliance_ampere(gate_volt: float) -> float:
    """Return the current an access transistor lets through: 150 uA a volt above a threshold of 0.5 V (assumed)."""
    return 150e-6 * max(0.0, gate_volt - 0.5)
