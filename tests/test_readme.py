"""The README tells the truth: its Python runs, and its commands exist with the flags it shows."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines() if line.strip()]
QUOTED = re.findall(r"`(hil [a-z][^`]*)`", README.read_text("utf-8"))
COMMANDS = sorted({line.split("#")[0].strip() for line in [*SHELL, *QUOTED] if line.startswith("hil ")})


@pytest.mark.slow
@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_block_runs(code, capsys):
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    shown = [text for language, text in BLOCKS if language == "text"]
    if "compare(" in code:
        assert printed.startswith(shown[0].rstrip())


@pytest.mark.parametrize("line", COMMANDS)
def test_command_exists_with_its_flags(line):
    words = shlex.split(line)[1:]
    if words[0].startswith("-"):
        return
    (entry,) = entry_points(group="hil.commands", name=words[0])
    command = entry.load()
    known = {option for each in command.params if isinstance(each, click.Option) for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_make_target_exists(line):
    target = line.split()[1]
    assert re.search(rf"^{target}:", (README.parent / "Makefile").read_text(), re.MULTILINE)
