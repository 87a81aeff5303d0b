"""The cached operator: exact where it says so, and first-order noise against full rebuilds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.wires import TransferOperator, Wires, solve, transfer_matrix
from emulators.wires.elimination import RowElimination
from emulators.wires.first_order import linearise
from hil.errors import InvalidValueError

from .strategies import conductances, voltages, wires

MATERIALS = {
    "analog": lambda rng, shape: rng.uniform(1e-6, 4e-5, shape),
    "ternary": lambda rng, shape: np.where(rng.random(shape) < 0.35, 4e-5, 4e-7),
}
LINES = [Wires(1.0, 1.0), Wires(2.0, 2.0, 50.0, 20.0), Wires(0.0, 3.0, 0.0, 10.0), Wires(3.0, 0.0, 100.0, 0.0)]


def share_missed(approximate, exact):
    return np.linalg.norm(approximate - exact) / np.linalg.norm(exact)


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires())
def test_apply_when_any_array_then_is_the_solution(g, seed, given_wires):
    v = voltages(3, len(g), seed)
    operator = TransferOperator.of(g, given_wires)
    expected = solve(g, v, given_wires).column_current_ampere
    np.testing.assert_allclose(operator.apply(v), expected, rtol=1e-9, atol=1e-12 * operator.matrix.max(initial=0))


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("given_wires", LINES)
@pytest.mark.parametrize("shape", [(64, 64), (20, 90), (90, 20)])
def test_refresh_when_cells_move_by_a_few_percent_then_misses_at_most_one_percent(material, given_wires, shape):
    rng = np.random.default_rng(3)
    operator = TransferOperator.of(MATERIALS[material](rng, shape), given_wires)
    dg = 0.03 * operator.g_siemens * rng.standard_normal(shape)
    exact = transfer_matrix(operator.g_siemens + dg, given_wires) - operator.matrix
    assert share_missed(operator.refreshed(dg) - operator.matrix, exact) <= 0.01


def test_refresh_when_the_array_is_128_wide_then_misses_less_than_one_percent_and_the_shortcut_many():
    rng = np.random.default_rng(4)
    g, given_wires = MATERIALS["ternary"](rng, (128, 128)) * 2.5, Wires(2.0, 2.0, 50.0, 20.0)
    operator = TransferOperator.of(g, given_wires)
    dg = 0.03 * g * rng.standard_normal(g.shape)
    exact = transfer_matrix(g + dg, given_wires) - operator.matrix
    assert share_missed(operator.refreshed(dg) - operator.matrix, exact) < 0.01
    assert share_missed(operator.matrix / g * dg, exact) > 0.1


@pytest.mark.parametrize("given_wires", LINES)
def test_apply_noisy_when_every_vector_has_its_own_noise_then_misses_at_most_one_percent(given_wires):
    rng = np.random.default_rng(5)
    operator = TransferOperator.of(MATERIALS["analog"](rng, (60, 70)), given_wires)
    v = rng.uniform(-0.2, 0.2, (5, 60))
    dg = 0.03 * operator.g_siemens * rng.standard_normal((5, 60, 70))
    rebuilt = [v[n] @ transfer_matrix(operator.g_siemens + dg[n], given_wires) for n in range(5)]
    exact = np.array(rebuilt) - operator.apply(v)
    assert share_missed(operator.apply_noisy(v, dg) - operator.apply(v), exact) <= 0.01


def test_apply_noisy_when_all_vectors_share_the_noise_then_is_the_refreshed_product():
    rng = np.random.default_rng(6)
    operator = TransferOperator.of(MATERIALS["analog"](rng, (30, 20)), Wires(2.0, 2.0, 10.0, 10.0))
    v = rng.uniform(-0.2, 0.2, (5, 30))
    dg = 0.02 * operator.g_siemens * rng.standard_normal((30, 20))
    shared, own = operator.apply_noisy(v, dg), operator.apply_noisy(v, np.broadcast_to(dg, (5, 30, 20)))
    assert np.array_equal(shared, own)
    assert share_missed(shared - operator.apply(v), v @ (operator.refreshed(dg) - operator.matrix)) < 1e-3


def test_refresh_when_nothing_moves_then_changes_nothing():
    operator = TransferOperator.of(np.full((5, 4), 1e-5), Wires(1.0, 1.0))
    assert np.array_equal(operator.refreshed(np.zeros((5, 4))), operator.matrix)


def test_refresh_when_wires_are_ideal_then_is_the_sum_to_single_precision():
    rng = np.random.default_rng(7)
    g, dg = rng.uniform(1e-6, 1e-4, (2, 6, 5))
    operator = TransferOperator.of(g, Wires())
    np.testing.assert_allclose(operator.refreshed(dg) - g, dg, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2)])
def test_refresh_when_the_array_is_tiny_then_still_misses_at_most_one_percent(shape):
    rng = np.random.default_rng(8)
    g, given_wires = rng.uniform(1e-5, 1e-4, shape), Wires(5.0, 3.0, 20.0, 30.0)
    operator = TransferOperator.of(g, given_wires)
    dg = 0.01 * g * rng.standard_normal(shape)
    exact = transfer_matrix(g + dg, given_wires) - operator.matrix
    assert share_missed(operator.refreshed(dg) - operator.matrix, exact) <= 0.01


def test_missed_when_reported_then_is_what_the_dense_fields_show():
    rng = np.random.default_rng(9)
    g, given_wires = MATERIALS["ternary"](rng, (24, 20)), Wires(20.0, 20.0, 100.0, 100.0)
    kept = linearise(g, given_wires, tolerance=0.0)
    elimination = RowElimination(g, given_wires)
    nothing, columns = np.zeros((20, 24)), np.eye(20)
    drive = elimination.ladders.device_voltage(np.eye(24), elimination.bit_lines(np.eye(24), np.zeros((24, 20))))
    effect = elimination.ladders.device_voltage(nothing, elimination.bit_lines(nothing, columns))
    noise = 1e-9 * rng.standard_normal(g.shape)
    exact = -np.einsum("aik,bik->ab", drive * noise, effect)
    assert share_missed(kept.matrix_change(noise), exact) == pytest.approx(kept.missed, rel=0.5)
    assert kept.missed < 0.01


def test_fields_when_they_pass_in_chunks_then_are_the_same(monkeypatch):
    rng = np.random.default_rng(10)
    g, given_wires = rng.uniform(1e-6, 1e-4, (17, 13)), Wires(5.0, 3.0, 20.0, 30.0)
    dg = 0.01 * g * rng.standard_normal(g.shape)
    whole = linearise(g, given_wires, tolerance=0.0).matrix_change(dg)
    monkeypatch.setattr("emulators.wires.fields.CHUNK_BYTES", 8 * 17 * 13 * 5)
    seen = []
    pieces = linearise(g, given_wires, tolerance=0.0, on_progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_allclose(pieces.matrix_change(dg), whole, rtol=1e-9, atol=1e-18)
    assert len(seen) > 8
    assert all(done < total for done, total in seen)


@pytest.mark.parametrize(
    ("dg", "said"),
    [(np.zeros((4, 5)), r"\(5, 4\)"), (np.full((5, 4), np.nan), "finite"), (np.zeros(4), r"\(5, 4\)")],
)
def test_refresh_when_the_change_is_bad_then_says_what_is_valid(dg, said):
    operator = TransferOperator.of(np.full((5, 4), 1e-5), Wires(1.0, 1.0))
    with pytest.raises(InvalidValueError, match=said):
        operator.refreshed(dg)


def test_apply_noisy_when_there_is_not_one_draw_a_vector_then_is_refused():
    operator = TransferOperator.of(np.full((5, 4), 1e-5), Wires(1.0, 1.0))
    with pytest.raises(InvalidValueError, match=r"\(3, 5, 4\)"):
        operator.apply_noisy(np.zeros((3, 5)), np.zeros((2, 5, 4)))
