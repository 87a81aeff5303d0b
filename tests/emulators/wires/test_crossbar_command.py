"""``hil crossbar`` as scripts call it: documents, exit codes, files and pictures."""

import json
import subprocess
import sys

import numpy as np
import pytest

from hil.cli import main

CASE = {
    "G": [[1e-4, 1e-6, 0.0], [1e-6, 1e-4, 5e-5]],
    "V": [[0.2, 0.1], [0.0, -0.2]],
    "r_wl": 2.0,
    "r_bl": 3.0,
    "r_driver": 50.0,
    "r_sense": 20.0,
}


@pytest.fixture
def case(tmp_path):
    def write(**changes):
        path = tmp_path / "case.json"
        path.write_text(json.dumps({**CASE, **changes}))
        return str(path)

    return write


def hil(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.mark.parametrize("name", ["c1_8x8_random", "c2_16x16_asym_terminated", "c6_64x64_ternary_diff"])
def test_solve_when_given_a_reference_case_then_prints_its_currents(reference_crossbars, capsys, name):
    path = reference_crossbars / f"{name}.json"
    code, out, _ = hil(capsys, "crossbar", "solve", str(path), "--json")
    answer, expected = json.loads(out), json.loads(path.read_text())
    assert code == 0
    assert set(answer) == {"column_current_ampere", "row_current_ampere"}
    np.testing.assert_allclose(answer["column_current_ampere"], expected["I"], rtol=1e-9)
    np.testing.assert_allclose(answer["row_current_ampere"], expected["I_rows"], rtol=1e-9)


def test_solve_when_read_by_people_then_lists_every_line(case, capsys):
    code, out, _ = hil(capsys, "crossbar", "solve", case())
    assert code == 0
    assert out.count("column") == 6
    assert out.count("row") == 4


@pytest.mark.parametrize(
    "changes",
    [{"G": [[-1e-4]]}, {"G": "x"}, {"V": [[1.0]]}, {"r_wl": -1.0}, {"r_bl": "2"}, {"topology": "?"}, {"V": None}],
)
@pytest.mark.parametrize("verb", ["solve", "inspect", "spice"])
def test_any_verb_when_the_case_is_bad_then_exits_2_with_one_line(case, capsys, changes, verb):
    code, out, err = hil(capsys, "crossbar", verb, case(**changes), "--json")
    assert (code, out) == (2, "")
    assert err.startswith("hil: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("topology", ["passive2d", "gated1t1r"])
def test_solve_when_currents_overflow_then_exits_2_with_one_line(case, capsys, topology):
    huge = {"G": [[1e308], [1e308]], "r_bl": 1e308, "r_wl": 0.0, "r_driver": 0.0, "r_sense": 0.0}
    code, _, err = hil(capsys, "crossbar", "solve", case(**huge, V=[[1e308, 1e308]], topology=topology), "--json")
    assert code == 2
    assert "too large" in err


def test_inspect_when_asked_for_json_then_sums_up_the_array(case, capsys, tmp_path):
    code, out, _ = hil(capsys, "crossbar", "inspect", case(), "--json", "--out", str(tmp_path / "pictures"))
    found = json.loads(out)
    assert code == 0
    assert (found["rows"], found["columns"], found["vectors"], found["topology"]) == (2, 3, 2, "passive2d")
    (array,) = found["arrays"]
    assert (array["conductance_min_siemens"], array["conductance_max_siemens"], array["open_cells"]) == (0.0, 1e-4, 1)
    assert 0 < array["power_in_cells_watt"] < array["power_watt"]
    assert 0 < found["column_error_rms"] <= found["column_error_worst"] < 0.1
    sizes = [(tmp_path / "pictures" / f"{name}.png").stat().st_size for name in PICTURES]
    assert found["pictures"] == [str(tmp_path / "pictures" / f"{name}.png") for name in PICTURES]
    assert min(sizes) > 5000


PICTURES = ("conductance", "voltage_drop", "column_error")


@pytest.mark.parametrize(
    "changes",
    [
        {"G": np.zeros((2, 3)).tolist()},
        {"V": [[0.0, 0.0]]},
        {"topology": "gated1t1r", "r_wl": 0.0, "r_driver": 0.0},
        {"r_wl": 0.0, "r_bl": 0.0, "r_driver": 0.0, "r_sense": 0.0},
        {"G": np.full((2, 90), 1e-5).tolist()},
    ],
)
def test_inspect_when_the_array_is_unusual_then_still_draws_and_says_it(case, capsys, tmp_path, changes):
    code, out, err = hil(capsys, "crossbar", "inspect", case(**changes), "--out", str(tmp_path / "pictures"))
    assert (code, err) == (0, "")
    assert "power" in out


def test_spice_when_not_run_then_is_the_netlist(case, capsys, tmp_path):
    _, out, _ = hil(capsys, "crossbar", "spice", case())
    assert out.endswith(".end\n")
    code, said, _ = hil(capsys, "crossbar", "spice", case(), "--out", str(tmp_path / "case.cir"))
    assert code == 0
    assert "case.cir" in said
    assert (tmp_path / "case.cir").read_text() == out


@pytest.mark.tool("ngspice")
def test_spice_when_run_then_agrees_with_the_solver(case, capsys):
    code, out, _ = hil(capsys, "crossbar", "spice", case(), "--run", "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["largest_relative_difference"] < 1e-9
    _, solved, _ = hil(capsys, "crossbar", "solve", case(), "--json")
    np.testing.assert_allclose(
        answer["column_current_ampere"], json.loads(solved)["column_current_ampere"], rtol=1e-9, atol=1e-18
    )


def test_command_when_imported_then_brings_nothing_heavy():
    script = "import sys, emulators.cli.crossbar; print([m for m in ('numpy', 'numba', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
