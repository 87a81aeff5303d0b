"""How signed ternary weights and signed inputs become cells that only conduct and lines that only drive.

Five of the mappings are those of analog-cim-sim (arXiv:2505.14303), generalised from ternary inputs to any
amplitude A; beside them stand the plain differential pair on bipolar lines, and the single offset cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import UnknownNameError
from hil.types import Float64Array, Int8Array

__all__ = ["MAPPINGS", "Conversion", "Drive", "WeightMapping", "drive_lines", "mapping_named"]

Drive: TypeAlias = Literal["signed", "pair", "positive", "negative", "magnitude", "low", "high"]
Lines: TypeAlias = npt.NDArray[Any]


def _digits(x: Lines, amplitude: int) -> tuple[Lines, Lines]:
    """Split x + A, from 0 to 2A, into two digits of radix A + 1; for ternary inputs these are its two bits."""
    high, low = np.divmod(x + amplitude, amplitude + 1)
    return low, high


def drive_lines(drive: Drive, x: Lines, *, amplitude: int) -> Lines:
    """Return (n, lines) amplitudes on the word lines for (n, rows) signed inputs.

    Args:
        drive: Which part of the input the lines carry in this conversion.
        x: (n, rows) integers between -amplitude and amplitude.
        amplitude: Largest magnitude of an input.
    """
    lines: dict[Drive, Callable[[], Lines]] = {
        "signed": lambda: x,
        "pair": lambda: np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=1),
        "positive": lambda: np.maximum(x, 0),
        "negative": lambda: np.maximum(-x, 0),
        "magnitude": lambda: np.abs(x),
        "low": lambda: _digits(x, amplitude)[0],
        "high": lambda: _digits(x, amplitude)[1],
    }
    return lines[drive]()


@dataclass(frozen=True, slots=True)
class Conversion:
    """One pass through the ADCs.

    Attributes:
        drive: What the word lines carry.
        planes: How the currents of the planes are combined before the ADC, one factor per plane.
        weight: Digital weight of the result; ``radix`` stands for A + 1.
        signed: Whether the current can be negative. A positive-only ADC has the off current of a reference column
            subtracted first.
    """

    drive: Drive
    planes: tuple[int, ...]
    weight: int | Literal["radix"]
    signed: bool

    def factor(self, amplitude: int) -> int:
        """Return the digital weight for inputs up to an amplitude."""
        return amplitude + 1 if self.weight == "radix" else self.weight


@dataclass(frozen=True, slots=True)
class WeightMapping:
    """One way to hold ternary weights in cells.

    Attributes:
        name: As options spell it.
        about: What it does, in one line.
        levels: Per plane, the cell levels of weights (-1, 0, +1) between off (0) and on (1).
        conversions: Passes through the ADCs per output.
        lines_per_input: Word lines per input: 2 where v+ and v- have lines of their own; the second line's cells
            hold the levels of the negated weight.
        column_sum: Digital correction: this times amplitude times the column's weight sum is subtracted.
        input_sum: Digital correction: this times the sum of the inputs is subtracted.
        scale: Factor from a converted value to weight units.
    """

    name: str
    about: str
    levels: tuple[tuple[float, float, float], ...]
    conversions: tuple[Conversion, ...]
    lines_per_input: int = 1
    column_sum: int = 0
    input_sum: int = 0
    scale: int = 1

    @property
    def cells_per_weight(self) -> int:
        """Memristors that one weight takes."""
        return len(self.levels) * self.lines_per_input

    @property
    def conversions_per_output(self) -> int:
        """ADC conversions per output and input vector."""
        return len(self.conversions)

    @property
    def corrects(self) -> bool:
        """Whether anything is subtracted digitally."""
        return bool(self.column_sum or self.input_sum)

    @property
    def references(self) -> bool:
        """Whether a column of off cells is subtracted before each conversion."""
        return any(not conversion.signed for conversion in self.conversions) or len(self.levels) == 1

    def planes(self, weight: Int8Array) -> list[Float64Array]:
        """Return, per plane, (lines, columns) levels from 0 (off) to 1 (on) of (rows, columns) weights."""
        tables = [np.array(levels) for levels in self.levels]
        if self.lines_per_input == 1:
            return [table[weight + 1] for table in tables]
        return [np.concatenate([table[weight + 1], table[1 - weight]]) for table in tables]

    def as_document(self) -> dict[str, Any]:
        """Return what the mapping costs, as JSON-ready values."""
        return {
            "name": self.name,
            "about": self.about,
            "cells_per_weight": self.cells_per_weight,
            "conversions_per_output": self.conversions_per_output,
            "lines_per_input": self.lines_per_input,
            "adc": "signed" if self.conversions[0].signed else "positive",
        }


PLUS, MINUS = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
PAIR = (PLUS, MINUS)

MAPPINGS: Final[Mapping[str, WeightMapping]] = MappingProxyType(
    {
        each.name: each
        for each in (
            WeightMapping(
                "differential",
                "g+ and g- subtracted before the ADC, one bipolar line per input",
                PAIR,
                (Conversion("signed", (1, -1), 1, signed=True),),
            ),
            WeightMapping(
                "tnn_i",
                "g+ and g- on two lines per input, v+ and v-, in one shot",
                PAIR,
                (Conversion("pair", (1, -1), 1, signed=True),),
                lines_per_input=2,
            ),
            WeightMapping(
                "tnn_ii",
                "g+ and g-; the magnitude first, then the negative inputs with weight -2",
                PAIR,
                (
                    Conversion("magnitude", (1, -1), 1, signed=True),
                    Conversion("negative", (1, -1), -2, signed=True),
                ),
            ),
            WeightMapping(
                "tnn_iii",
                "g+ and g-; the input plus its amplitude in two digits, the weight sum of a column subtracted",
                PAIR,
                (
                    Conversion("low", (1, -1), 1, signed=True),
                    Conversion("high", (1, -1), "radix", signed=True),
                ),
                column_sum=1,
            ),
            WeightMapping(
                "tnn_iv",
                "two's complement bits of the weight, v+ then v-, positive ADCs",
                ((1.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
                (
                    Conversion("positive", (1, 0), 1, signed=False),
                    Conversion("positive", (0, 1), -2, signed=False),
                    Conversion("negative", (1, 0), -1, signed=False),
                    Conversion("negative", (0, 1), 2, signed=False),
                ),
            ),
            WeightMapping(
                "tnn_v",
                "the two bits of weight + 1, v+ then v-, positive ADCs, the sum of the inputs subtracted",
                ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
                (
                    Conversion("positive", (1, 0), 1, signed=False),
                    Conversion("positive", (0, 1), 2, signed=False),
                    Conversion("negative", (1, 0), -1, signed=False),
                    Conversion("negative", (0, 1), -2, signed=False),
                ),
                input_sum=1,
            ),
            WeightMapping(
                "offset",
                "one cell per weight, zero half way between off and on, the sum of the inputs subtracted",
                ((0.0, 0.5, 1.0),),
                (Conversion("signed", (1,), 1, signed=True),),
                input_sum=1,
                scale=2,
            ),
        )
    }
)


def mapping_named(name: str) -> WeightMapping:
    """Return a mapping by name.

    Raises:
        UnknownNameError: Nothing is called that.
    """
    if name not in MAPPINGS:
        raise UnknownNameError.of("mapping", name, list(MAPPINGS))
    return MAPPINGS[name]
