"""Errors are one line with an exit code, answers are text or one JSON document."""

import json

import pytest

from hil import registry
from hil.cli import main
from hil.errors import InvalidValueError, UnknownNameError


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def test_list_prints_one_json_document_with_names_and_what_is_missing(capsys):
    code, out, _ = run(capsys, "list", "backends", "--json")
    assert code == 0
    assert all({"name", "about", "missing"} <= set(entry) for entry in json.loads(out))


def test_unknown_kind_is_exit_code_2_and_one_line(capsys):
    code, out, err = run(capsys, "list", "bogus")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_unknown_command_is_exit_code_2_and_one_line(capsys):
    code, _, err = run(capsys, "bogus")
    assert (code, err.count("\n")) == (2, 1)


def test_unknown_target_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown backend 'bogus'; known: "):
        registry.open_target("bogus:thing")


def test_target_options_that_are_not_pairs_are_refused():
    with pytest.raises(InvalidValueError, match="key=value"):
        registry.parse_target("crossbar:ideal?tile")


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("ternary", ("ternary", "", {})),
        ("serial:///dev/ttyACM0", ("serial", "///dev/ttyACM0", {})),
        ("tcp://localhost:5000?token=a", ("tcp", "//localhost:5000", {"token": "a"})),
        ("crossbar:sonos?tile=64&wires=1", ("crossbar", "sonos", {"tile": "64", "wires": "1"})),
    ],
)
def test_target_splits_into_scheme_argument_and_options(target, parts):
    assert registry.parse_target(target) == parts
