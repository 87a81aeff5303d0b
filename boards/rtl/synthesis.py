"""What the core costs in gates: yosys counts cells, flip-flops and look-up tables, and the count must add up."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from boards.build_cache import run_tool
from boards.rtl.core import verilog_sources
from hil.errors import VerificationError

__all__ = ["Area", "Technology", "synthesise"]

Technology: TypeAlias = Literal["ice40", "generic"]
SOURCES = ("ternary_lanes.v", "ternary_requantise.v", "ternary_core.v")
SYNTHESIS_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Area:
    """Counts of one synthesised module.

    Attributes:
        module: Verilog module.
        lanes: Accumulators.
        technology: ``ice40`` maps to Lattice cells, ``generic`` to yosys' own gates.
        cells: All cells.
        flip_flops: Registers, one bit each.
        luts: Look-up tables; none in the generic technology.
        carries: Carry cells; none in the generic technology.
    """

    module: str
    lanes: int
    technology: Technology
    cells: int
    flip_flops: int
    luts: int
    carries: int


def _count(cells: dict[str, int], *starts: str) -> int:
    return sum(count for name, count in cells.items() if name.startswith(starts))


def _statistics(printed: str) -> dict[str, Any]:
    begin, end = printed.index("{\n"), printed.rindex("}")
    document: dict[str, Any] = json.loads(printed[begin : end + 1])
    return document


def synthesise(lanes: int, *, technology: Technology, module: str = "ternary_lanes", acc_bits: int = 32) -> Area:
    """Synthesise a module at a width and count its cells.

    The lanes must keep exactly ``lanes * acc_bits`` flip-flops: a synthesiser that finds accumulators unused removes
    them without a word, and the area of nothing is small.

    Raises:
        MissingToolError: yosys is not installed.
        VerificationError: The flip-flops do not add up.
    """
    reads = "; ".join(f"read_verilog -DSYNTHESIS {path.resolve()}" for path in verilog_sources(*SOURCES))
    flow = "synth_ice40 -flatten" if technology == "ice40" else "synth -flatten"
    with tempfile.TemporaryDirectory(prefix="hil-yosys-") as folder:
        report = Path(folder, "stat.json")
        script = (
            f"{reads}; chparam -set LANES {lanes} -set ACC_BITS {acc_bits} {module}; "
            f"{flow} -top {module}; tee -q -o {report} stat -json"
        )
        run_tool(["yosys", "-q", "-p", script], package="yosys", purpose="synthesis", timeout_s=SYNTHESIS_TIMEOUT_S)
        cells = _statistics(report.read_text())["design"]["num_cells_by_type"]
    area = Area(
        module=module,
        lanes=lanes,
        technology=technology,
        cells=sum(cells.values()),
        flip_flops=_count(cells, "SB_DFF", "$_DFF", "$_SDFF", "$_DFFE", "$_SDFFE", "$_ALDFF"),
        luts=_count(cells, "SB_LUT"),
        carries=_count(cells, "SB_CARRY"),
    )
    _check(area, lanes * acc_bits)
    return area


def _check(area: Area, accumulators: int) -> None:
    exact = area.module == "ternary_lanes"
    if area.flip_flops < accumulators or (exact and area.flip_flops != accumulators):
        wanted = f"exactly {accumulators}" if exact else f"at least {accumulators}"
        raise VerificationError(f"{area.module} must keep {wanted} flip-flops, but has {area.flip_flops}")
