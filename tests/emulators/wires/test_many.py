"""Many arrays at once are what each is alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from emulators.wires import Wires, solve
from emulators.wires import many as module
from emulators.wires.many import one_blas_thread, port_matrices
from hil.errors import InvalidValueError

from .strategies import conductances, wires

LINES = Wires(2.0, 3.0, 50.0, 20.0)


@given(g=conductances(), given_wires=wires(), arrays=st.integers(1, 5), seed=st.integers(0, 99))
def test_port_matrices_of_a_stack_are_the_solutions_of_each_array(g, given_wires, arrays, seed):
    stack = g * np.random.default_rng(seed).uniform(0.5, 1.0, (arrays, 1, 1))
    to_columns, to_rows = port_matrices(stack, given_wires)
    for k, each in enumerate(stack):
        alone = solve(each, np.eye(len(g)), given_wires)
        scale = alone.column_current_ampere.max(initial=0.0)
        np.testing.assert_allclose(to_columns[k], alone.column_current_ampere, rtol=1e-9, atol=1e-12 * scale)
        np.testing.assert_allclose(to_rows[k], alone.row_current_ampere, rtol=1e-9, atol=1e-12 * scale)


def test_port_matrices_are_the_same_however_the_arrays_are_stacked(monkeypatch):
    stack = np.random.default_rng(1).uniform(1e-6, 1e-4, (7, 20, 12))
    whole = port_matrices(stack, LINES)
    monkeypatch.setattr(module, "STACK_CELLS", 2 * 20 * 12)
    heard: list[tuple[int, int]] = []
    parts = port_matrices(stack, LINES, on_progress=lambda done, total: heard.append((done, total)))
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert heard == [(2, 7), (4, 7), (6, 7), (7, 7)]


def test_currents_of_rows_and_columns_add_up_to_the_same():
    to_columns, to_rows = port_matrices(np.random.default_rng(2).uniform(1e-6, 1e-4, (3, 64, 48)), LINES)
    np.testing.assert_allclose(to_rows.sum(axis=2), to_columns.sum(axis=2), rtol=1e-10)
    np.testing.assert_allclose(to_rows, to_rows.swapaxes(1, 2), rtol=0, atol=1e-12 * to_rows.max())


@pytest.mark.parametrize(
    ("g_siemens", "given_wires"),
    [
        (np.ones((2, 3)), LINES),
        (np.full((1, 2, 2), -1e-6), LINES),
        (np.full((1, 2, 2), np.nan), LINES),
        (np.ones((1, 2, 2)), Wires(0.0, 1.0, topology="gated1t1r")),
    ],
)
def test_port_matrices_of_what_is_no_stack_of_passive_arrays_are_refused(g_siemens, given_wires):
    with pytest.raises(InvalidValueError, match="port matrices need"):
        port_matrices(g_siemens, given_wires)


def threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_linear_algebra_is_held_to_one_thread_and_let_go():
    before = threads()
    with one_blas_thread(), one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before
