"""Arrays that ngspice solved once, so that a machine without it holds the solvers to it too."""

import json
from pathlib import Path

import numpy as np
import pytest

from emulators.wires.cases import read_case

GOLDEN = Path(__file__).parents[2] / "golden" / "crossbar"
CASES = sorted(GOLDEN.glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_currents_when_ngspice_solved_the_case_then_agree_to_1e_9(path):
    case, kept = read_case(path), json.loads(path.read_text())
    column, row = case.combine(case.solve_each())
    np.testing.assert_allclose(column, kept["I"], rtol=1e-9, atol=1e-9 * np.abs(kept["I"]).max())
    np.testing.assert_allclose(row, kept["I_rows"], rtol=1e-9, atol=1e-9 * np.abs(kept["I_rows"]).max())


def test_golden_cases_when_collected_then_cover_both_topologies_and_pairs():
    kept = [json.loads(path.read_text()) for path in CASES]
    assert {case.get("topology", "passive2d") for case in kept} == {"passive2d", "gated1t1r"}
    assert {case["kind"] for case in kept} == {"single", "differential"}
