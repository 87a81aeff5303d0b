"""A recording written by the test, and the command line in this process."""

import json

import numpy as np
import pytest

from hil.cli import main
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4

EVENTS = 6_000
SPAN_US = 60_000
START_US = 1_605_537_493_718_345


@pytest.fixture
def events():
    rng = np.random.default_rng(11)
    times = START_US + np.sort(rng.integers(0, SPAN_US, EVENTS))
    times[0], times[-1] = START_US, START_US + SPAN_US - 1
    x, y = rng.integers(0, 64, EVENTS).astype(np.uint16), rng.integers(0, 48, EVENTS).astype(np.uint16)
    return EventBatch(times, x, y, rng.random(EVENTS) < 0.5)


@pytest.fixture
def recording(events, tmp_path):
    path = tmp_path / "recording.aedat4"
    aedat4.write(path, [events], Geometry(64, 48))
    return path


@pytest.fixture
def hil(capsys):
    """Run the command line; return its exit code, what it printed, and its errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run


@pytest.fixture
def hil_json(hil):
    """Run the command line with ``--json``; return its exit code and its document."""

    def run(*arguments):
        code, out, _ = hil(*arguments, "--json")
        return code, json.loads(out)

    return run
