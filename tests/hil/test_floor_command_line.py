"""Errors are one line with an exit code, answers are text or one JSON document."""

import json
from contextlib import closing
from importlib.metadata import EntryPoint

import pytest

from experiments.recordings import shipped
from experiments.training_config import load_config
from hil import registry
from hil.cli import main
from hil.cli.main import cli
from hil.errors import InputError, InvalidValueError, UnknownNameError


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


@pytest.mark.parametrize("arguments", [[], ["board"]])
def test_no_command_shows_the_help(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    assert "Commands:" in out


@pytest.fixture
def broken_plugin(monkeypatch):
    """Register things of a package that is not there, of one that lacks them, and of one that is no Python."""
    broken = {name: EntryPoint(name, f"{name}_nowhere:thing", "any") for name in ("aaa", "zzz")}
    broken["lacks"] = EntryPoint("lacks", "hil.rng:nothing_of_that_name", "any")
    sound = registry._group

    monkeypatch.setattr(registry, "_group", lambda kind: {**broken, **sound(kind)})
    monkeypatch.setitem(vars(cli), "_entries", {**broken, **cli._entries})


def test_broken_plugin_is_listed_with_what_is_missing(capsys, broken_plugin):
    code, out, _ = run(capsys, "list", "backends", "--json")
    entries = {entry["name"]: entry for entry in json.loads(out)}
    assert code == 0
    assert "aaa_nowhere" in entries["aaa"]["missing"]
    assert "nothing_of_that_name" in entries["lacks"]["missing"]
    assert entries["ternary"]["missing"] is None


def test_broken_plugin_breaks_neither_networks_nor_recordings(broken_plugin):
    assert registry.load_network("digits").name == "digits"
    with closing(registry.open_recording(shipped("digits"))) as recording:
        assert recording.format == "aedat4"


def test_broken_command_breaks_only_itself(capsys, broken_plugin):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert "zzz_nowhere" in " ".join(out.split())
    code, out, err = run(capsys, "zzz", "some.file", "--json")
    assert (code, out, err.count("\n")) == (3, "", 1)


def test_network_of_an_unknown_format_lists_those_that_are_known(tmp_path):
    (tmp_path / "net.xyz").write_bytes(b"?")
    with pytest.raises(InputError, match=r"known: .*safetensors"):
        registry.load_network(tmp_path / "net.xyz")


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


@pytest.fixture
def broken_target(monkeypatch):
    def broken(self, network, *, seed, on_progress):
        raise ZeroDivisionError("no volts")

    monkeypatch.setattr("quant.packed_backend.PackedBackend.program", broken)
    return ("compare", "digits", "--target", "packed")


def test_exception_in_a_target_is_one_line_and_exit_code_3(capsys, broken_target):
    code, out, err = run(capsys, *broken_target)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "target 'packed' failed while programming: ZeroDivisionError: no volts (test_floor_command_line.py:" in err


def test_debug_shows_the_traceback_of_a_target(capsys, broken_target, caplog):
    with caplog.at_level("DEBUG"):
        code, _, _ = run(capsys, "--debug", *broken_target)
    assert code == 3
    assert "ZeroDivisionError: no volts\n\nThe above exception was the direct cause" in caplog.text


def test_plugin_that_raises_anything_is_listed_with_what_it_raised(capsys, monkeypatch):
    class Entry:
        def load(self):
            raise RuntimeError("no licence")

    class Mute:
        about = "a backend that cannot say what it lacks"

        def missing(self):
            raise OSError("no bus")

    class Other(Entry):
        def load(self):
            return Mute()

    monkeypatch.setattr(registry, "_group", lambda _: {"licensed": Entry(), "mute": Other()})
    code, out, _ = run(capsys, "list", "backends", "--json")
    assert code == 0
    assert [entry["missing"] for entry in json.loads(out)] == [
        "backend 'licensed' cannot be loaded: RuntimeError: no licence",
        "it cannot say: OSError: no bus",
    ]


def test_list_on_a_narrow_terminal_folds_no_name_and_shows_no_empty_column():
    from rich.console import Console

    from hil.cli.tables import listing

    rows = [("crossbar", "arrays of memristors with converters and wires", ""), ("a_long_name_of_mine", "short", "")]
    console = Console(width=34, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(listing(("name", "about", "missing"), rows))
    lines = captured.get().splitlines()
    assert "missing" not in lines[0]
    assert [line.split()[0] for line in lines if line[0] != " "] == ["name", "crossbar", "a_long_name_of_mine"]


def test_list_in_a_pipe_gives_each_thing_one_whole_line(capsys):
    _, out, _ = run(capsys, "list", "backends")
    entries = registry.catalogue("backends")
    assert len(out.splitlines()) == 1 + len(entries)
    assert all(any(entry.name in line and entry.about in line for line in out.splitlines()) for entry in entries)
    assert all(line == line.rstrip() for line in out.splitlines())


def test_list_shows_the_training_configurations_that_hil_train_takes_by_name(capsys):
    _, out, _ = run(capsys, "list", "configs", "--json")
    entries = json.loads(out)
    assert "digits" in [entry["name"] for entry in entries]
    assert all(load_config(entry["name"]).about == entry["about"] for entry in entries)
