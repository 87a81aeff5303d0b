"""Where there is no terminal, long work says now and then how far it is, on stderr."""

import re
import subprocess
import sys
import time

import pytest

from hil.cli import progress_bar, waiting


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(waiting, "FIRST_S", 0.05)
    monkeypatch.setattr(waiting, "EVERY_S", 0.1)


def lines(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_long_work_says_step_total_and_time_left(capsys, impatient):
    with progress_bar("learning") as on_progress:
        on_progress(0, 4)
        on_progress(1, 4)
        time.sleep(0.3)
    assert len(lines_ := lines(capsys)) >= 2
    assert all(re.fullmatch(r"hil: learning: 1 of 4, \d+ s so far, about \d+ s left", line) for line in lines_)


def test_short_work_says_nothing(capsys):
    with progress_bar("learning") as on_progress:
        on_progress(1, 4)
    assert lines(capsys) == []


def test_work_that_does_not_say_how_far_it_is_says_that_it_goes_on(capsys, impatient):
    with progress_bar("solving"):
        time.sleep(0.12)
    assert re.fullmatch(r"hil: solving: \d+ s so far", lines(capsys)[0])


def test_one_line_at_a_time_tells_of_the_work_that_goes_on(capsys, impatient):
    with progress_bar("reading") as on_read, progress_bar("learning"), progress_bar("scoring") as on_score:
        on_read(7, 0)
        time.sleep(0.08)
        on_read(9, 9)
        time.sleep(0.1)
        on_score(1, 2)
        time.sleep(0.1)
    said = [line.split(",")[0] for line in lines(capsys)]
    assert list(dict.fromkeys(said))[:1] == ["hil: reading: 7"]
    assert any(line.startswith("hil: learning: ") for line in said)
    assert said[-1] == "hil: scoring: 1 of 2"


def test_time_left_counts_from_where_the_work_before_ended():
    work = waiting._Work("scoring", since_s=100.0)
    work.done, work.total, work.heard_s = 10, 40, 120.0
    assert work.line(125.0) == "hil: scoring: 10 of 40, 25 s so far, about 55 s left"


def test_failing_work_ends_its_lines(capsys, impatient):
    with pytest.raises(ZeroDivisionError), progress_bar("learning") as on_progress:
        on_progress(1 // 0, 0)
    time.sleep(0.2)
    assert lines(capsys) == []


def test_command_in_a_pipe_keeps_its_answer_apart_from_its_lines():
    script = (
        "import time; from hil.cli import Answer, command, progress_bar, waiting; waiting.FIRST_S = 0.05\n"
        "def slow():\n"
        "    with progress_bar('thinking') as tell:\n"
        "        tell(0, 2); time.sleep(0.3)\n"
        "    return Answer({'answer': 42}, '42')\n"
        "command('slow')(slow)(['--json'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == '{\n  "answer": 42\n}\n'
    assert done.stderr.startswith("hil: thinking: 0 of 2, ")
