"""Solves a case with ngspice, an independent circuit simulator: the slow oracle of the wires."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from emulators.wires.cases import Case
from emulators.wires.netlist import netlist, parse_currents
from hil.errors import DeadlineError, FormatError, MissingToolError
from hil.types import Float64Array

__all__ = ["compare_with_ngspice", "solve_with_ngspice"]

TINY = 1e-300
ROUNDING = 1e-6
"""Share of a voltage over a wire's resistance below which a current cannot be told from rounding to nine digits."""


def solve_with_ngspice(case: Case, *, timeout_s: float = 300.0) -> tuple[Float64Array, Float64Array]:
    """Return signed (n, columns) column currents and (n, rows) row currents as ngspice finds them.

    Raises:
        MissingToolError: ngspice is not on the PATH.
        DeadlineError: It took longer than ``timeout_s``; 64 x 64 cells take it about 10 s a vector.
        FormatError: It did not print every current.
    """
    program = shutil.which("ngspice")
    if program is None:
        raise MissingToolError.of("ngspice", package="ngspice", purpose="solving a netlist")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.cir"
        path.write_text(netlist(case), encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603  (found on the PATH by name, run on a netlist we wrote)
                [program, "-b", str(path)], capture_output=True, text=True, timeout=timeout_s, check=False, cwd=folder
            )
        except subprocess.TimeoutExpired as error:
            message = f"ngspice did not solve {case.name} within {timeout_s:g} s; allow more time or take fewer vectors"
            raise DeadlineError(message) from error
    try:
        return parse_currents(done.stdout, case)
    except FormatError as error:
        message = f"ngspice could not solve {case.name}: {error} {' '.join(done.stderr.split())[:300]}"
        raise FormatError(message) from error


def compare_with_ngspice(case: Case, *, timeout_s: float = 300.0) -> tuple[Float64Array, Float64Array, float]:
    """Solve a case with ngspice and with our solver.

    Returns:
        What ngspice finds, as ``solve_with_ngspice``, and the largest difference of any current from ours, as a share
        of the largest current of its vector on that side of the array; of an array that hardly conducts, as a share of
        what can be told from the rounding of voltages.
    """
    theirs = solve_with_ngspice(case, timeout_s=timeout_s)
    ours = case.combine(case.solve_each())
    wires = case.wires
    ohm = [r for r in (wires.r_first_ohm, wires.r_word_line_ohm, wires.r_bit_line_ohm, wires.r_last_ohm) if r > 0]
    floor = np.maximum(ROUNDING * np.abs(case.voltage_volt).max(axis=1) / min(ohm, default=np.inf), TINY)
    shares = [
        np.abs(a - b).max(axis=1) / np.maximum(np.abs(b).max(axis=1), floor) for a, b in zip(theirs, ours, strict=True)
    ]
    return *theirs, float(np.max(shares))
