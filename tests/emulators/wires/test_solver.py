"""The wire solvers against circuits solved elsewhere, a plain nodal solve, and the laws every network obeys."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.wires import Wires, solve, transfer_matrix
from hil.errors import InvalidValueError

from .oracle import meshed, nodal, rational
from .strategies import conductances, voltages, wires


def reference(path):
    case = json.loads(path.read_text())
    arrays = [(1, case["G"])] if case["kind"] == "single" else [(1, case["G_pos"]), (-1, case["G_neg"])]
    given_wires = Wires(case["r_wl"], case["r_bl"], case["r_driver"], case["r_sense"])
    return case, arrays, given_wires


@pytest.mark.parametrize("name", ["c1_8x8_random", "c2_16x16_asym_terminated", "c6_64x64_ternary_diff"])
def test_currents_when_ngspice_solved_the_array_then_agree_to_1e_9(reference_crossbars, name):
    case, arrays, given_wires = reference(reference_crossbars / f"{name}.json")
    solved = [(sign, solve(g, case["V"], given_wires)) for sign, g in arrays]
    column = sum(sign * s.column_current_ampere for sign, s in solved)
    row = sum(s.row_current_ampere for _, s in solved)
    np.testing.assert_allclose(column, case["I"], rtol=1e-9)
    np.testing.assert_allclose(column.sum(axis=1), np.sum(case["I"], axis=1), rtol=1e-9)
    np.testing.assert_allclose(row, case["I_rows"], rtol=1e-9)


@pytest.mark.parametrize("name", ["c1_8x8_random", "c2_16x16_asym_terminated", "c6_64x64_ternary_diff"])
def test_transfer_matrix_when_ngspice_solved_the_array_then_agrees_to_1e_9(reference_crossbars, name):
    case, arrays, given_wires = reference(reference_crossbars / f"{name}.json")
    column = sum(sign * (np.array(case["V"]) @ transfer_matrix(g, given_wires)) for sign, g in arrays)
    np.testing.assert_allclose(column, case["I"], rtol=1e-9)


@given(g=conductances(zeros=False), seed=st.integers(0, 99), ohm=st.tuples(*[st.floats(0.01, 100)] * 4))
def test_solve_when_nothing_is_zero_then_is_the_nodal_solution(g, seed, ohm):
    v = voltages(3, len(g), seed)
    solution = solve(g, v, Wires(*ohm), device_voltages=True)
    column, row, across = nodal(g, v, *ohm)
    scale = np.abs(v).max() * g.max()
    np.testing.assert_allclose(solution.column_current_ampere, column, rtol=1e-7, atol=1e-10 * scale)
    np.testing.assert_allclose(solution.row_current_ampere, row, rtol=1e-7, atol=1e-7 * scale)
    np.testing.assert_allclose(solution.device_voltage_volt, across, rtol=1e-7, atol=1e-9)


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires())
def test_solve_when_any_array_then_charge_and_energy_are_conserved(g, seed, given_wires):
    v = voltages(2, len(g), seed)
    solution = solve(g, v, given_wires, device_voltages=True)
    flow = np.abs(solution.row_current_ampere).sum(axis=1)
    kirchhoff = solution.row_current_ampere.sum(axis=1) - solution.column_current_ampere.sum(axis=1)
    assert (np.abs(kirchhoff) <= 1e-10 * flow).all()
    in_cells = np.einsum("ij,nij->n", g, solution.device_voltage_volt**2)
    assert (in_cells <= solution.power_watt * (1 + 1e-9)).all()
    if given_wires.are_ideal:
        np.testing.assert_allclose(in_cells, solution.power_watt, rtol=1e-12)


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires())
def test_transfer_matrix_when_any_array_then_superposes_to_the_solution(g, seed, given_wires):
    v = voltages(2, len(g), seed)
    expected = solve(g, v, given_wires).column_current_ampere
    t = transfer_matrix(g, given_wires)
    np.testing.assert_allclose(v @ t, expected, rtol=1e-9, atol=1e-12 * np.abs(v).max() * t.max(initial=0))


@given(g=conductances(), given_wires=wires())
def test_transfer_matrix_when_seen_from_the_sense_side_then_is_its_own_transpose(g, given_wires):
    turned = transfer_matrix(g[::-1, ::-1].T, given_wires.turned())
    t = transfer_matrix(g, given_wires)
    np.testing.assert_allclose(turned[::-1, ::-1].T, t, rtol=1e-9, atol=1e-13 * t.max(initial=0))


@given(g=conductances(), given_wires=wires(), more=st.floats(1.01, 10))
def test_total_current_when_wires_resist_more_then_falls(g, given_wires, more):
    v = np.full((1, len(g)), 0.2)
    worse = Wires(
        given_wires.r_word_line_ohm * more,
        given_wires.r_bit_line_ohm * more,
        given_wires.r_driver_ohm * more,
        given_wires.r_sense_ohm * more,
    )
    total = [solve(g, v, w).column_current_ampere.sum() for w in (Wires(), given_wires, worse)]
    assert total[0] >= total[1] * (1 - 1e-12)
    assert total[1] >= total[2] * (1 - 1e-12)


@given(g=conductances(), given_wires=wires())
def test_device_voltage_when_all_rows_are_driven_alike_then_drops_along_the_wires(g, given_wires):
    across = solve(g, np.ones(len(g)), given_wires, device_voltages=True).device_voltage_volt[0]
    slack = 1e-9
    assert (across <= 1 + slack).all()
    assert (across >= -slack).all()


@given(g=conductances(), seed=st.integers(0, 99))
def test_currents_when_wires_are_ideal_then_are_the_product_and_permute_with_rows_and_columns(g, seed):
    v = voltages(2, len(g), seed)
    np.testing.assert_allclose(solve(g, v, Wires()).column_current_ampere, v @ g, rtol=1e-9, atol=1e-16)
    assert np.array_equal(transfer_matrix(g, Wires()), g)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(g.shape[0]), rng.permutation(g.shape[1])
    shuffled = solve(g[rows][:, columns], v[:, rows], Wires()).column_current_ampere
    np.testing.assert_allclose(shuffled, (v @ g)[:, columns], rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 40), (40, 3), (13, 14)])
@pytest.mark.parametrize("zero", range(16))
def test_solve_when_some_wires_are_zero_then_is_still_exact(shape, zero):
    g = np.random.default_rng(1).uniform(1e-5, 1e-3, shape)
    v = voltages(2, shape[0], 2)
    ohm = np.where([zero >> k & 1 for k in range(4)], 0.0, [0.7, 1.3, 20.0, 8.0])
    assert_solves(g, v, Wires(*ohm))


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires())
def test_solve_when_anything_may_be_zero_then_is_the_mesh_solution(g, seed, given_wires):
    assert_solves(g, voltages(2, len(g), seed), given_wires)


@pytest.mark.parametrize("seed", range(25))
def test_solve_when_conductances_and_wires_span_twelve_decades_then_is_the_exact_fraction(seed):
    rng = np.random.default_rng(seed)
    g = 10 ** rng.uniform(-12, 0, rng.integers(1, 4, 2))
    g *= rng.random(g.shape) < 0.85
    ohm = 10 ** rng.uniform(-6, 6, 4) * rng.choice([0, 1], 4, p=[0.2, 0.8])
    v = rng.uniform(0.1, 1.0, len(g))
    column, row = rational(g, v, *ohm)
    solution = solve(g, v, Wires(*ohm))
    np.testing.assert_allclose(solution.column_current_ampere[0], column, rtol=1e-9)
    np.testing.assert_allclose(v @ transfer_matrix(g, Wires(*ohm)), column, rtol=1e-7)
    np.testing.assert_allclose(solution.row_current_ampere[0], row, rtol=1e-6, atol=1e-12 * row.max())


def assert_solves(g, v, given_wires):
    ohm = (given_wires.r_word_line_ohm, given_wires.r_bit_line_ohm, given_wires.r_driver_ohm, given_wires.r_sense_ohm)
    column, row, across = meshed(g, v, *ohm)
    solution = solve(g, v, given_wires, device_voltages=True)
    scale = np.abs(v).max() * g.max()
    np.testing.assert_allclose(solution.column_current_ampere, column, rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(solution.row_current_ampere, row, rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(solution.device_voltage_volt, across, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(v @ transfer_matrix(g, given_wires), column, rtol=1e-9, atol=1e-11 * scale)


def test_currents_when_one_column_conducts_a_trillionth_then_keep_their_relative_accuracy():
    g = np.random.default_rng(0).uniform(1e-4, 1e-3, (12, 10))
    g[:, 4] *= 1e-12
    given_wires = Wires(1.0, 1.0, 10.0, 10.0)
    v = np.full((1, 12), 0.2)
    solution = solve(g, v, given_wires, device_voltages=True)
    expected = (g * solution.device_voltage_volt[0]).sum(axis=0)
    np.testing.assert_allclose(solution.column_current_ampere[0], expected, rtol=1e-10)
    np.testing.assert_allclose(v[0] @ transfer_matrix(g, given_wires), expected, rtol=1e-10)


def test_solve_when_the_array_is_too_large_to_keep_its_matrices_then_answers_the_same(monkeypatch):
    g = np.random.default_rng(5).uniform(1e-6, 1e-4, (23, 17))
    v = voltages(4, 23, 6)
    given_wires = Wires(2.0, 3.0, 40.0, 5.0)
    kept = solve(g, v, given_wires, device_voltages=True)
    monkeypatch.setattr("emulators.wires.elimination.KEPT_BYTES", 0)
    monkeypatch.setattr("emulators.wires.values.BATCH_BYTES", 0)
    again = solve(g, v, given_wires, device_voltages=True)
    np.testing.assert_allclose(kept.row_current_ampere, again.row_current_ampere, rtol=1e-12)
    np.testing.assert_allclose(kept.device_voltage_volt, again.device_voltage_volt, rtol=1e-12)


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires())
def test_solve_when_the_array_is_merged_instead_of_eliminated_then_answers_the_same(g, seed, given_wires):
    v = voltages(2, len(g), seed)
    eliminated = solve(g, v, given_wires)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("emulators.wires.passive2d.LARGE", 0)
        merged = solve(g, v, given_wires)
    scale = 1e-11 * np.abs(v).max() * g.max()
    for name in ("column_current_ampere", "row_current_ampere"):
        np.testing.assert_allclose(getattr(merged, name), getattr(eliminated, name), rtol=1e-9, atol=scale)


def test_solve_when_the_array_is_large_then_conserves_charge():
    rng = np.random.default_rng(0)
    g, v = rng.uniform(1e-6, 1e-4, (150, 140)), rng.uniform(-0.2, 0.2, (3, 150))
    solution = solve(g, v, Wires(2.0, 2.0, 50.0, 20.0))
    flow = np.abs(solution.row_current_ampere).sum(axis=1)
    kirchhoff = solution.row_current_ampere.sum(axis=1) - solution.column_current_ampere.sum(axis=1)
    assert (np.abs(kirchhoff) <= 1e-10 * flow).all()


@pytest.mark.parametrize(
    ("g", "v", "said"),
    [
        ([[1e-6, -1e-6]], [[0.1]], "row 0, column 1"),
        ([[1e-6, float("nan")]], [[0.1]], "row 0, column 1"),
        ([[1e-6], [1e-6]], [[0.1]], r"\(n, 2\)"),
        ([[1e-6], [1e-6, 1e-6]], [[0.1]], "equal length"),
        ([], [[0.1]], "non-empty"),
        ([1e-6], [[0.1]], "non-empty"),
        ([["low"]], [[0.1]], "matrix of numbers"),
        ([[1e-6]], [[float("inf")]], "finite"),
    ],
)
def test_solve_when_an_input_is_bad_then_says_what_was_got_and_what_is_valid(g, v, said):
    with pytest.raises(InvalidValueError, match=said):
        solve(g, v, Wires(1.0, 1.0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"r_word_line_ohm": -1.0}, "r_word_line_ohm"),
        ({"r_sense_ohm": float("nan")}, "r_sense_ohm"),
        ({"r_bit_line_ohm": "2"}, "r_bit_line_ohm"),
        ({"topology": "passive3d"}, "passive2d, gated1t1r"),
        ({"topology": "gated1t1r", "r_driver_ohm": 5.0}, "gates"),
    ],
)
def test_wires_when_a_setting_is_bad_then_says_what_is_valid(settings, said):
    with pytest.raises(InvalidValueError, match=said):
        Wires(**settings)


def test_transfer_matrix_when_rows_are_gated_then_is_refused():
    with pytest.raises(InvalidValueError, match="use solve"):
        transfer_matrix([[1e-6]], Wires(topology="gated1t1r"))


def test_solve_when_the_batch_is_empty_then_answers_an_empty_batch():
    solution = solve(np.ones((2, 3)), np.empty((0, 2)), Wires(1.0, 1.0), device_voltages=True)
    assert solution.column_current_ampere.shape == (0, 3)
    assert solution.device_voltage_volt.shape == (0, 2, 3)
