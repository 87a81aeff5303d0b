"""Importing is free: the floor pulls in nothing heavy, and the command line answers at once."""

import json
import subprocess
import sys

import pytest

import hil

HEAVY = {"torch", "brevitas", "sentence_transformers", "dv_processing", "numba", "matplotlib", "scipy", "h5py"}


def modules_after(statement: str) -> set[str]:
    script = f"import sys, json\n{statement}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_import_hil_loads_nothing_heavy():
    assert modules_after("import hil") & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], ["list", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    statement = f"from hil.cli.main import _run\n_run({arguments!r})"
    assert modules_after(statement) & HEAVY == set()


def test_help_does_not_wait_for_numpy():
    """It is most of what ``import hil`` costs, and no word of the help needs it."""
    assert "numpy" not in modules_after("from hil.cli.main import _run\n_run(['--help'])")


def test_public_names_are_found_when_asked_for():
    statement = "import hil\nfor name in hil.__all__: getattr(hil, name)\nassert set(hil.__all__) <= set(dir(hil))"
    assert "numpy" in modules_after(statement)


def test_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hil.nonsense  # noqa: B018


def test_every_command_module_loads_nothing_heavy():
    statement = (
        "from importlib.metadata import entry_points\nfor entry in entry_points(group='hil.commands'): entry.load()"
    )
    assert modules_after(statement) & HEAVY == set()
