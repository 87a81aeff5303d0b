"""The same circuits in ngspice, an independent simulator, and the text that goes there and back."""

import numpy as np
import pytest

from emulators.wires import Wires
from emulators.wires.cases import Case, read_case
from emulators.wires.netlist import netlist, parse_currents
from emulators.wires.ngspice import compare_with_ngspice, solve_with_ngspice
from hil.errors import DeadlineError, FormatError, MissingToolError


def case_of(wires, *, shape=(5, 4), vectors=3, seed=0, closed=0.6):
    rng = np.random.default_rng(seed)
    g = 10 ** rng.uniform(-6, -4, (2, *shape)) * (rng.random((2, *shape)) < 0.8)
    v = rng.normal(size=(vectors, shape[0])) * (rng.random((vectors, shape[0])) < closed)
    return Case("drawn", {"G_pos": g[0], "G_neg": g[1]}, (1.0, -1.0), v, wires)


@pytest.mark.tool("ngspice")
@pytest.mark.parametrize("zero", range(16))
def test_ngspice_when_any_wires_are_zero_then_agrees_to_1e_9(zero):
    ohm = [0.0 if zero >> k & 1 else r for k, r in enumerate((1.0, 2.0, 30.0, 40.0))]
    assert compare_with_ngspice(case_of(Wires(*ohm), seed=zero))[2] < 1e-9


@pytest.mark.tool("ngspice")
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (12, 20)])
@pytest.mark.parametrize("ohm", [(3.0, 9.0), (3.0, 0.0), (0.0, 9.0), (0.0, 0.0)])
def test_ngspice_when_rows_are_gated_then_agrees_to_1e_9(shape, ohm):
    wires = Wires(0.0, ohm[0], 0.0, ohm[1], "gated1t1r")
    assert compare_with_ngspice(case_of(wires, shape=shape, vectors=4))[2] < 1e-9


@pytest.mark.tool("ngspice")
@pytest.mark.parametrize("topology", ["passive2d", "gated1t1r"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (9, 16)])
@pytest.mark.parametrize("odd", ["nothing", "column without cells", "row without cells", "one cell a million times"])
def test_ngspice_when_the_array_is_degenerate_then_agrees_to_1e_9(topology, shape, odd):
    wires = Wires(1.0, 2.0, 30.0, 40.0) if topology == "passive2d" else Wires(0.0, 2.0, 0.0, 40.0, topology)
    case = case_of(wires, shape=shape, seed=sum(shape))
    for g in case.arrays.values():
        if odd == "column without cells":
            g[:, -1] = 0.0
        elif odd == "row without cells":
            g[-1] = 0.0
        elif odd == "one cell a million times":
            g[0, 0] = 1e6 * max(g.max(), 1e-6)
    assert compare_with_ngspice(case)[2] < 1e-9


@pytest.mark.tool("ngspice")
def test_ngspice_when_given_a_reference_case_then_finds_what_it_found_then(reference_crossbars):
    case = read_case(reference_crossbars / "c2_16x16_asym_terminated.json")
    assert compare_with_ngspice(case)[2] < 1e-9


def test_netlist_when_printed_currents_return_then_signs_and_vectors_are_kept():
    case = case_of(Wires(1.0, 1.0), shape=(2, 1), vectors=2)
    printed = "vector = 0\ni(vin0) = -1.5\ni(vin1) = 2\ni(vcp0) = 7\ni(vcn0) = 3e0\n"
    column, row = parse_currents(printed + printed.replace("vector = 0", "vector = 1").replace("7", "8"), case)
    assert column.tolist() == [[4.0], [5.0]]
    assert row.tolist() == [[1.5, -2.0], [1.5, -2.0]]


def test_netlist_when_a_current_is_missing_then_says_what_the_simulator_said_last():
    with pytest.raises(FormatError, match=r"must print 8 currents, but printed 1; .* singular matrix"):
        parse_currents("vector = 0\ni(vin0) = 1\nsingular matrix\n", case_of(Wires(), shape=(2, 1), vectors=2))


def test_netlist_when_resistances_are_numpy_numbers_then_writes_plain_ones():
    assert "rdp0 in0 wp0_0 31.0" in netlist(case_of(Wires(*np.array([1.0, 2.0, 30.0, 40.0])), shape=(2, 2)))


def test_netlist_when_resistances_are_zero_then_joins_nodes_instead_of_writing_zero_ohm():
    text = netlist(case_of(Wires(0.0, 0.0, 5.0, 0.0), shape=(2, 2)))
    assert "rw" not in text
    assert "rb" not in text
    assert "rdp0 in0 wp0 5.0" in text
    assert "rgp0_0 wp0 outp0" in text


@pytest.mark.tool("ngspice")
def test_ngspice_when_it_takes_too_long_then_the_deadline_is_an_error():
    with pytest.raises(DeadlineError, match="within 0"):
        solve_with_ngspice(case_of(Wires(1.0, 1.0), shape=(30, 30)), timeout_s=1e-3)


def test_ngspice_when_it_is_not_installed_then_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match="apt-get install ngspice"):
        solve_with_ngspice(case_of(Wires()))
