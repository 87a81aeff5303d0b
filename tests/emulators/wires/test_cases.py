"""Cases from JSON: what is read, and what is refused with one clear line."""

import json

import numpy as np
import pytest

from emulators.wires.cases import parse_case, read_case
from hil.errors import FormatError, InvalidValueError

GOOD = {"G": [[1e-6, 2e-6]], "V": [[0.1], [0.2]], "r_wl": 1, "r_bl": 2.0, "r_driver": 0, "r_sense": 0}


def changed(**changes):
    return {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}


def test_case_when_single_then_is_one_array():
    case = parse_case(GOOD, name="file")
    assert (case.name, list(case.arrays), case.signs) == ("file", ["G"], (1.0,))
    assert (case.wires.r_word_line_ohm, case.wires.r_bit_line_ohm) == (1.0, 2.0)


def test_case_when_differential_then_subtracts_columns_and_adds_rows():
    pair = changed(G=..., G_pos=[[3e-6, 1e-6]], G_neg=[[1e-6, 1e-6]], r_wl=0, r_bl=0, kind="differential", name="pair")
    case = parse_case(pair, name="file")
    column, row = case.combine(case.solve_each())
    np.testing.assert_allclose(column, [[2e-7, 0], [4e-7, 0]])
    np.testing.assert_allclose(row, [[6e-7], [12e-7]])
    assert case.name == "pair"


def test_case_when_results_and_notes_sit_beside_it_then_they_are_left_alone(tmp_path):
    path = tmp_path / "case.json"
    path.write_text(json.dumps({**GOOD, "I": [[9]], "source": "me", "W": "odd"}))
    assert read_case(path).name == "case"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"G": [[1e-6, -2e-6]]}, "G: .* row 0, column 1 is -2e-06"),
        ({"G": [[1e-6, float("nan")]]}, "column 1 is nan"),
        ({"G": [[1e-6], [1e-6, 1e-6]]}, "row 0 has 1 and row 1 has 2"),
        ({"G": [["1e-6", 1e-6]]}, r'G\[0\]\[0\] must be a number, but is "1e-6"'),
        ({"G": [[True, 1e-6]]}, "must be a number, but is true"),
        ({"G": [[10**400, 1e-6]]}, "is inf"),
        ({"G": []}, "non-empty"),
        ({"G": 1e-6}, "non-empty list"),
        ({"G": ...}, "'G' is missing"),
        ({"V": ...}, "'V' is missing"),
        ({"V": [[0.1, 0.2]]}, r"voltages must be \(n, 1\)"),
        ({"V": [0.1]}, "list of non-empty lists"),
        ({"V": [[0.1]] * (1 << 22) + [[0.1]]}, "V must hold at most 4194304 numbers, but holds 4194305 x 1"),
        ({"r_sense": ...}, "'r_sense' is missing"),
        ({"r_wl": -1}, "r_wl must be zero or positive"),
        ({"r_bl": None}, "r_bl must be a number, but is null"),
        ({"kind": "triple"}, "single, differential"),
        ({"kind": "differential"}, "'G_pos' is missing"),
        ({"topology": "3d"}, "passive2d, gated1t1r"),
        ({"topology": "gated1t1r"}, "gates"),
        ({"G": ..., "G_pos": [[1.0]], "G_neg": [[1.0, 2.0]]}, r"one shape, but have \(1, 1\) and \(1, 2\)"),
    ],
)
def test_case_when_something_is_wrong_then_says_what_was_got_and_what_is_valid(changes, said):
    with pytest.raises(InvalidValueError, match=said):
        parse_case(changed(**changes), name="file")


def test_case_when_there_are_too_many_voltages_to_hold_then_asks_for_fewer_vectors(monkeypatch):
    monkeypatch.setattr("emulators.wires.cases.MOST_VOLTAGES", 3)
    case = parse_case(GOOD, name="file")
    assert len(case.solve_each()) == 1
    with pytest.raises(InvalidValueError, match=r"at most 3 .* but are 4; take fewer vectors"):
        case.solve_each(device_voltages=True)


@pytest.mark.parametrize("kept", [True, False])
def test_case_when_solved_then_reports_progress_to_its_end(monkeypatch, kept):
    monkeypatch.setattr("emulators.wires.elimination.KEPT_BYTES", 1e9 if kept else 0)
    pair = {"G_pos": [[1e-6] * 7] * 5, "G_neg": [[2e-6] * 7] * 5, "V": [[0.1] * 5]}
    heard = []
    parse_case(changed(G=..., **pair), name="file").solve_each(on_progress=lambda *where: heard.append(where))
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1] == (14 if kept else 42)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"G": [[NaN]]}', b"\xff\xfe\x00", b"[" * 100_000])
def test_file_when_it_is_not_a_json_object_then_is_refused(tmp_path, text):
    path = tmp_path / "case.json"
    path.write_bytes(text)
    with pytest.raises(FormatError, match="JSON"):
        read_case(path)
