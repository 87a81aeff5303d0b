"""Gated columns against the passive solver of the rows that conduct, and against the laws of a ladder."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emulators.wires import Wires, gradient, solve
from emulators.wires.gated1t1r import column_currents, column_variances, delivered_power

from .strategies import conductances, wires


def gated_inputs(rows, seed, *, common):
    rng = np.random.default_rng(seed)
    v = 0.2 * (rng.random((4, rows)) < 0.5)
    return v if common else v * rng.choice([-1.0, 0.5, 1.0], v.shape)


def opened(g, row_of_inputs):
    """Return the array with the cells of undriven rows removed: a passive array with ideal rows is then the same."""
    return g * (row_of_inputs != 0)[:, None]


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires("gated1t1r"), common=st.booleans())
def test_gated_solve_when_undriven_cells_are_removed_then_is_the_passive_one(g, seed, given_wires, common):
    v = gated_inputs(len(g), seed, common=common)
    solution = solve(g, v, given_wires, device_voltages=True)
    ideal_rows = Wires(0.0, given_wires.r_bit_line_ohm, 0.0, given_wires.r_sense_ohm)
    for k in range(len(v)):
        passive = solve(opened(g, v[k]), v[k], ideal_rows, device_voltages=True)
        scale = 1e-12 * g.max()
        np.testing.assert_allclose(
            solution.column_current_ampere[k], passive.column_current_ampere[0], rtol=1e-9, atol=scale
        )
        np.testing.assert_allclose(solution.row_current_ampere[k], passive.row_current_ampere[0], rtol=1e-9, atol=scale)
        np.testing.assert_allclose(
            solution.device_voltage_volt[k], passive.device_voltage_volt[0], rtol=1e-9, atol=1e-12
        )


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires("gated1t1r"), common=st.booleans())
def test_gated_solve_when_any_array_then_row_currents_sum_to_column_currents(g, seed, given_wires, common):
    v = gated_inputs(len(g), seed, common=common)
    solution = solve(g, v, given_wires)
    flow = np.abs(solution.row_current_ampere).sum(axis=1)
    kirchhoff = solution.row_current_ampere.sum(axis=1) - solution.column_current_ampere.sum(axis=1)
    assert (np.abs(kirchhoff) <= 1e-10 * flow).all()


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires("gated1t1r"), common=st.booleans())
def test_delivered_power_when_any_array_then_is_voltage_times_row_current(g, seed, given_wires, common):
    v = gated_inputs(len(g), seed, common=common)
    expected = solve(g, v, given_wires).power_watt
    np.testing.assert_allclose(delivered_power(g, v, given_wires), expected, rtol=1e-9, atol=1e-12 * 0.04 * g.sum())


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires("gated1t1r"), common=st.booleans())
def test_column_variances_when_any_array_then_are_the_squared_gradients(g, seed, given_wires, common):
    v = gated_inputs(len(g), seed, common=common)
    spread = np.random.default_rng(seed).uniform(0.0, 1.0, g.shape) * g**2
    found = column_variances(g, spread, v, given_wires)
    expected = np.empty_like(found)
    for n, column in np.ndindex(found.shape):
        one = np.zeros((1, g.shape[1]))
        one[0, column] = 1.0
        expected[n, column] = (spread * gradient(g, v[n], one, given_wires).conductance ** 2).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-14 * expected.max(initial=0.0))


def test_gated_columns_when_wires_are_absurdly_resistive_then_do_not_overflow():
    g = np.random.default_rng(0).uniform(0.1, 1.0, (600, 3))
    v = np.where(np.arange(600) % 7 == 0, 0.2, 0.0)[None]
    v[0, 0] = 0.1
    wires_of_glass = Wires(0.0, 1e12, 0.0, 1e12, "gated1t1r")
    solution = solve(g, v, wires_of_glass)
    assert np.isfinite(solution.column_current_ampere).all()
    np.testing.assert_allclose(solution.column_current_ampere, 0.2 / (1e12 * (600 - 595) + 1e12), rtol=1e-6)


def test_gated_columns_when_a_batch_mixes_vectors_then_each_is_solved_alone():
    g = np.random.default_rng(0).uniform(1e-6, 1e-4, (50, 8))
    v = np.concatenate([gated_inputs(50, 1, common=True), gated_inputs(50, 2, common=False), np.zeros((1, 50))])
    given_wires = Wires(0.0, 3.0, 0.0, 7.0, "gated1t1r")
    together = column_currents(g, v, given_wires)
    alone = np.concatenate([column_currents(g, row[None], given_wires) for row in v])
    assert np.array_equal(together, alone)
    assert not together[-1].any()


def test_gated_solve_when_batched_in_pieces_then_is_the_same(monkeypatch):
    g = np.random.default_rng(0).uniform(1e-6, 1e-4, (9, 8))
    v, given_wires = gated_inputs(9, 3, common=False), Wires(0.0, 3.0, 0.0, 7.0, "gated1t1r")
    whole = solve(g, v, given_wires, device_voltages=True)
    monkeypatch.setattr("emulators.wires.values.BATCH_BYTES", 0)
    pieces = solve(g, v, given_wires, device_voltages=True)
    assert np.array_equal(pieces.row_current_ampere, whole.row_current_ampere)
    assert np.array_equal(pieces.device_voltage_volt, whole.device_voltage_volt)
    assert solve(g, v, given_wires).device_voltage_volt is None
