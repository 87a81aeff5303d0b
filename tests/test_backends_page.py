"""The page on backends of one's own tells the truth: what it says to paste works, and prints what it shows."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from hil import registry
from hil.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "backends.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
BACKEND, SUITE = (code for language, code in BLOCKS if language == "python")
(PROJECT,) = (tomllib.loads(code) for language, code in BLOCKS if language == "toml")
COMMANDS = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
SHOWN, ERROR = (code.splitlines() for language, code in BLOCKS if language == "text")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install what the page says to paste, as pip would leave it."""
    (tmp_path / "mine.py").write_text(BACKEND)
    project = PROJECT["project"]
    record = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (record / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    registry._group.cache_clear()
    registry._loaded.cache_clear()
    yield
    registry._group.cache_clear()
    registry._loaded.cache_clear()


def printed(capsys, line):
    with pytest.raises(SystemExit) as stopped:
        main(shlex.split(line)[1:])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out + captured.err


def test_backend_is_short_and_its_module_is_the_one_that_is_packaged():
    assert len(BACKEND.splitlines()) < 40
    assert PROJECT["tool"]["setuptools"]["py-modules"] == ["mine"]


def test_commands_print_what_the_page_shows(capsys, installed):
    ours = [line for line in COMMANDS if line.startswith("hil ")]
    codes, texts = zip(*(printed(capsys, line) for line in ours), strict=True)
    assert codes == (0, 1)  # mine:0.5 misses what is required
    lines = "\n".join(texts).splitlines()
    assert [line for line in SHOWN if line not in lines] == []


def test_a_mistake_prints_what_the_page_shows(capsys, installed):
    code, text = printed(capsys, "hil compare digits --target mine:much")
    assert (code, text.splitlines()) == (3, ERROR)


def test_backend_passes_the_suite_that_the_page_shows(installed):
    names = {"__name__": "test_mine"}
    exec(compile(SUITE, "test_mine.py", "exec"), names)
    suite = names["TestMyArray"]()
    ran = [name for name in dir(suite) if name.startswith("test_")]
    skipped = []
    for name in ran:
        try:
            getattr(suite, name)()
        except pytest.skip.Exception as reason:
            skipped.append(str(reason))
    assert len(ran) >= 8
    assert skipped == ["the backend is analog"]
