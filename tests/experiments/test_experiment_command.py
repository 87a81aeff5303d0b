"""``hil experiment``: settings become a frozen configuration, rows a table, a document and a figure."""

import json
from dataclasses import dataclass
from types import ModuleType

import pytest

from experiments import questions
from experiments.noise_as_feature import COVERAGES, Config, Row, plot, run, table
from hil.cli import main
from hil.registry import catalogue, load, names


@dataclass(frozen=True)
class Counted:
    """Settings of the experiment under test."""

    beans: int = 3
    kinds: tuple[str, ...] = ("red",)


@dataclass(frozen=True)
class Beans:
    """A row of the experiment under test."""

    kind: str
    beans: int


def beans():
    """Return an experiment without a figure."""
    module = ModuleType("beans", "How many beans?")
    module.Config = Counted
    module.run = lambda config, **_: [Beans(kind, config.beans) for kind in config.kinds]
    module.table = lambda rows: "\n".join(f"{row.kind} {row.beans}" for row in rows)
    return module


def hil(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["experiment", *map(str, arguments)])
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(questions, "load", lambda kind, name: beans() if name == "beans" else load(kind, name))


def test_settings_of_file_and_command_line_meet_in_one_configuration(capsys, tmp_path):
    (tmp_path / "c.toml").write_text('beans = 4\nkinds = ["red", "white"]\n')
    code, out, _ = hil(capsys, "beans", "--config", tmp_path / "c.toml", "--set", "beans=5", "--json")
    assert code == 0
    assert json.loads(out) == {
        "experiment": "beans",
        "config": {"beans": 5, "kinds": ["red", "white"]},
        "rows": [{"kind": "red", "beans": 5}, {"kind": "white", "beans": 5}],
    }
    assert hil(capsys, "beans", "--set", "kinds=['green']")[1].strip() == "green 3"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "unknown experiment 'nobody'"),
        (["beans", "--set", "peas=1"], "peas"),
        (["beans", "--set", "beans=many"], "beans"),
        (["beans", "--set", "beans"], "KEY=VALUE"),
        (["beans", "--config", "absent.toml"], "absent.toml"),
        (["beans", "--plot", "a.svg"], "no figure"),
        (["device_noise", "--plot", "a.docx"], "a.docx"),
        (["noise_as_feature"], "dataset"),
        (["noise_as_feature", "--set", "dataset=absent"], "absent"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exit_code_2(capsys, arguments, said):
    code, out, err = hil(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_every_registered_experiment_has_a_question_and_the_parts_of_one():
    assert {"array_programming", "device_noise", "float_gap", "noise_as_feature", "noise_robustness"} <= set(
        names("experiments")
    )
    for entry in catalogue("experiments"):
        assert "?" in entry.about, f"{entry.name} asks nothing"
        assert all(hasattr(load("experiments", entry.name), part) for part in ("Config", "run", "table"))


@pytest.mark.slow
def test_noise_is_measured_beside_its_rivals_and_drawn(shared_data, tmp_path):
    settings = {"noise": (0.3,), "reads": (1, 2), "adc_bits": (3,), "dither": (0.0, 0.2), "lengths": (8,)}
    rows = run(Config(str(shared_data / "events" / "nmnist_1000.zip"), windows=40, **settings))
    assert len(rows) == 2 * 7
    exact = rows[0]
    assert (exact.fidelity, exact.kept_accuracy[0]) == (pytest.approx(1.0), exact.accuracy)
    noisy = {row.reads: row for row in rows if row.what == "read noise 0.3" and row.kept_events == 1.0}
    assert noisy[1].fidelity < noisy[2].fidelity < 1.0
    plot(rows, tmp_path / "noise.svg")
    assert (tmp_path / "noise.svg").read_text().startswith("<?xml")
    assert "30% of the events" in table(rows)


def test_table_shows_one_part_per_share_of_the_events():
    rows = tuple(
        Row("samples", "exact", 0.0, 1, kept, 0.5, 0.1, 0.01, 0.7, (0.5,) * len(COVERAGES), 1.0) for kept in (1.0, 0.3)
    )
    assert table(rows).count("| samples | exact | 1 | 50.0% | 0.100 +- 0.010 |") == 2
