"""Exact gradients against finite differences of exact solutions, and through torch as training would use them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.wires import Wires, gradient, solve, transfer_matrix
from hil.errors import InvalidValueError

from .strategies import conductances, voltages, wires

GATED = Wires(0.0, 2.0, 0.0, 9.0, "gated1t1r")


@pytest.mark.parametrize("given_wires", [Wires(1.0, 2.0, 30.0, 10.0), Wires(0.0, 2.0, 0.0, 0.0), Wires(), GATED])
def test_gradient_when_one_cell_or_voltage_is_moved_then_is_the_difference(given_wires):
    rng = np.random.default_rng(0)
    g, v, by = rng.uniform(1e-5, 1e-3, (7, 5)), rng.normal(size=(3, 7)), rng.normal(size=(3, 5))
    v *= rng.random(v.shape) < 0.7
    pulled = gradient(g, v, by, given_wires)
    for i, j in np.ndindex(g.shape):
        step = np.zeros_like(g)
        step[i, j] = 1e-3 * g[i, j]
        there, back = (np.sum(solve(g + s * step, v, given_wires).column_current_ampere * by) for s in (1, -1))
        np.testing.assert_allclose(pulled.conductance[i, j], (there - back) / (2 * step[i, j]), rtol=1e-5, atol=1e-7)
    for n, i in np.argwhere(v):
        step = np.zeros_like(v)
        step[n, i] = 1e-4
        there, back = (np.sum(solve(g, v + s * step, given_wires).column_current_ampere * by) for s in (1, -1))
        np.testing.assert_allclose(pulled.voltage[n, i], (there - back) / 2e-4, rtol=1e-6, atol=1e-12)


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires())
def test_gradient_when_any_array_then_predicts_a_small_move_of_all_cells(g, seed, given_wires):
    rng = np.random.default_rng(seed)
    v, by = voltages(2, len(g), seed), rng.normal(size=(2, g.shape[1]))
    move = g * rng.uniform(-1, 1, g.shape)
    there, back = (transfer_matrix(g + s * 1e-4 * move, given_wires) for s in (1, -1))
    expected = np.sum(v @ (there - back) * by) / 2e-4
    predicted = np.sum(gradient(g, v, by, given_wires).conductance * move)
    scale = np.abs(v).max() * np.abs(by).sum() * np.abs(move).sum(axis=0).max(initial=0)
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-7 * scale)


@given(g=conductances(), seed=st.integers(0, 99), given_wires=wires())
def test_voltage_gradient_when_any_array_then_is_the_transfer_matrix(g, seed, given_wires):
    by = np.random.default_rng(seed).normal(size=(2, g.shape[1]))
    t = transfer_matrix(g, given_wires)
    pulled = gradient(g, np.zeros((2, len(g))), by, given_wires)
    np.testing.assert_allclose(pulled.voltage, by @ t.T, rtol=1e-9, atol=1e-12 * t.max(initial=0))


def test_gradient_when_a_gated_row_is_off_then_its_cells_do_not_matter():
    g = np.full((3, 2), 1e-4)
    pulled = gradient(g, [0.2, 0.0, 0.2], [1.0, 1.0], GATED)
    assert not pulled.conductance[1].any()
    assert not pulled.voltage[0, 1]
    assert pulled.conductance[[0, 2]].all()


def test_gradient_when_batched_in_pieces_then_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    g, v, by = rng.uniform(1e-5, 1e-3, (7, 5)), rng.normal(size=(9, 7)), rng.normal(size=(9, 5))
    whole = gradient(g, v, by, Wires(1.0, 1.0))
    monkeypatch.setattr("emulators.wires.values.BATCH_BYTES", 8 * 35 * 4)
    pieces = gradient(g, v, by, Wires(1.0, 1.0))
    np.testing.assert_allclose(pieces.conductance, whole.conductance, rtol=1e-12)
    np.testing.assert_allclose(pieces.voltage, whole.voltage, rtol=1e-12)


def test_gradient_when_shapes_do_not_match_then_says_what_is_valid():
    with pytest.raises(InvalidValueError, match=r"must be \(1, 2\)"):
        gradient(np.ones((3, 2)), [0.1, 0.1, 0.1], [1.0], Wires())


@pytest.mark.slow
def test_gradient_when_wrapped_for_torch_then_passes_its_gradcheck():
    torch = pytest.importorskip("torch")
    given_wires = Wires(1.0, 2.0, 30.0, 10.0)

    class Currents(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, v):
            ctx.save_for_backward(g, v)
            return v @ torch.from_numpy(transfer_matrix(g.detach().numpy(), given_wires))

        @staticmethod
        def backward(ctx, by_current):
            g, v = ctx.saved_tensors
            pulled = gradient(g.numpy(), v.numpy(), by_current.numpy(), given_wires)
            return torch.from_numpy(pulled.conductance), torch.from_numpy(pulled.voltage)

    rng = np.random.default_rng(0)
    g = torch.tensor(rng.uniform(1e-3, 1e-2, (4, 3)), requires_grad=True)
    v = torch.tensor(rng.normal(size=(2, 4)), requires_grad=True)
    assert torch.autograd.gradcheck(Currents.apply, (g, v), eps=1e-6)
