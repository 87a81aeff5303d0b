"""``hil bench``: finds what there is to measure, and prints every figure beside its peer and target."""

import json
import sys
from types import ModuleType

import pytest

from experiments import benches
from hil.cli import main
from hil.errors import MissingDependencyError

GOOD = {"name": "sums (s)", "ours": 1.0, "peer": 4.0, "peer_name": "abacus 1", "ratio": 4.0, "target": 3.0}


@pytest.fixture
def one_bench(monkeypatch):
    """Replace all benchmarks by one, counting_beans."""

    def install(run):
        module = ModuleType("experiments.bench.counting_beans")
        module.run = run
        monkeypatch.setitem(sys.modules, module.__name__, module)
        info = type("Info", (), {"name": "counting_beans"})
        monkeypatch.setattr(benches.pkgutil, "iter_modules", lambda _: [info])

    return install


def hil(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def missing(_):
    raise MissingDependencyError.of("abacus", extra="bench", purpose="counting")


@pytest.mark.parametrize("arguments", [["counting"], ["counting_beans"], []])
def test_bench_when_named_by_topic_module_or_not_at_all_then_measures_it(one_bench, capsys, arguments):
    one_bench(lambda _: [GOOD, {**GOOD, "target": None}, {**GOOD, "target": 5.0}])
    code, out, _ = hil(capsys, "bench", *arguments, "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["meets"] for row in rows] == [True, None, False]
    assert rows[0] == {**GOOD, "bench": "counting_beans", "meets": True, "missing": None}


def test_bench_when_read_by_people_then_names_the_peer_and_the_verdict(one_bench, capsys):
    one_bench(lambda _: [GOOD, {**GOOD, "target": 5.0}])
    _, out, _ = hil(capsys, "bench")
    assert "abacus 1" in " ".join(out.split())
    assert "met" in out
    assert "below" in out


@pytest.mark.parametrize(("target", "code"), [(3.0, 0), (5.0, 1), (None, 0)])
def test_bench_when_checked_then_a_missed_target_is_exit_code_1(one_bench, capsys, target, code):
    one_bench(lambda _: [{**GOOD, "target": target}])
    assert hil(capsys, "bench", "--check")[0] == code
    assert hil(capsys, "bench")[0] == 0


def test_bench_when_a_peer_is_missing_then_only_its_rows_are_and_asking_for_it_is_exit_code_3(one_bench, capsys):
    one_bench(missing)
    code, out, _ = hil(capsys, "bench", "--json")
    assert code == 0
    assert "abacus" in json.loads(out)[0]["missing"]
    assert hil(capsys, "bench")[0] == 0
    code, _, err = hil(capsys, "bench", "counting")
    assert code == 3
    assert "abacus" in err


def test_bench_when_the_name_is_unknown_then_lists_the_known_ones(capsys):
    code, _, err = hil(capsys, "bench", "toaster")
    assert code == 2
    assert "crossbar" in err


def test_benches_when_discovered_then_are_modules_that_run():
    found = benches.benches()
    assert "crossbar_wires" in found
    assert "v2e_frames" not in found
    assert set(benches.benches("crossbar")) >= {"crossbar_wires"}
