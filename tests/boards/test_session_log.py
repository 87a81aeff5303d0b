"""A recorded session answers again without the board, and only what was asked then."""

import json

import numpy as np
import pytest

from boards.session_log import Conversation
from hil import stream
from hil.errors import DamagedFileError, FormatError, VerificationError
from hil.registry import open_target
from hil.testing import random_features, random_network

NETWORK = random_network((40, 24, 16), rng=stream(1, "recorded"))
FEATURES = random_features(NETWORK, 3, rng=stream(2, "recorded"))
TIMES = np.arange(3)


@pytest.fixture
def recorded(tmp_path):
    """Record one call with a trace; return the log and the answer."""
    log = tmp_path / "session.jsonl"
    with open_target(f"host?record={log}").program(NETWORK, seed=0) as session:
        return log, session.infer(FEATURES, t_us=TIMES, trace=True)


pytestmark = pytest.mark.tool("gcc", "make")


def test_replay_answers_what_the_board_answered(recorded):
    log, original = recorded
    with open_target(f"replay:{log}").program(NETWORK, seed=0) as session:
        replayed = session.infer(FEATURES, t_us=TIMES, trace=True)
    np.testing.assert_array_equal(replayed.outputs, original.outputs)
    for layer, expected in zip(replayed.layers, original.layers, strict=True):
        np.testing.assert_array_equal(layer.accumulator, expected.accumulator)
    assert replayed.telemetry.time == original.telemetry.time
    assert replayed.telemetry.provenance["replayed_from"] == "session.jsonl"
    assert replayed.telemetry.provenance["substrate"] == original.telemetry.provenance["substrate"]


def test_replay_of_other_windows_is_refused(recorded):
    backend = open_target(f"replay:{recorded[0]}")
    with backend.program(NETWORK, seed=0) as session, pytest.raises(VerificationError, match="but now INFER"):
        session.infer(FEATURES[::-1].copy(), t_us=TIMES, trace=True)


def test_replay_of_another_network_is_refused(recorded):
    other = random_network((40, 24, 16), rng=stream(9, "other"))
    with pytest.raises(VerificationError, match="COMMIT"):
        open_target(f"replay:{recorded[0]}").program(other, seed=0)


def test_replay_ends_where_the_recording_ends(recorded):
    with open_target(f"replay:{recorded[0]}").program(NETWORK, seed=0) as session:
        session.infer(FEATURES, t_us=TIMES, trace=True)
        with pytest.raises(VerificationError, match="ends after"):
            session.infer(FEATURES, t_us=TIMES, trace=True)


def test_capabilities_are_the_recorded_boards(recorded):
    assert open_target(f"replay:{recorded[0]}").capabilities == open_target("host").capabilities


def test_log_says_who_was_recorded_and_holds_only_json_lines(recorded):
    header, *lines = [json.loads(line) for line in recorded[0].read_text().splitlines()]
    assert (header["format"], header["target"]) == ("hil-board-session", "host")
    assert all(set(line) in ({"t_s", "to"}, {"t_s", "from"}) for line in lines)


def test_retries_in_a_log_are_one_exchange(recorded):
    """A log in which every piece was sent and answered twice holds the same conversation."""
    header, *lines = recorded[0].read_text().splitlines()
    asked = [line for line in lines if '"to"' in line]
    twice = recorded[0].with_name("twice.jsonl")
    doubled = [line if line not in asked else line + "\n" + line for line in lines]
    twice.write_text("\n".join([header, *doubled]) + "\n")
    assert Conversation.load(twice).exchanges == Conversation.load(recorded[0]).exchanges


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", FormatError, "no board session"),
        ('{"format": "something else"}\n', FormatError, "no board session"),
        ("not json\n", DamagedFileError, "line 1 .* is no JSON"),
        ('{"format": "hil-board-session", "version": 1}\n[]\n', DamagedFileError, "line 2 .* no JSON object"),
        ('{"format": "hil-board-session", "version": 1}\n{"to": "xyz"}\n', DamagedFileError, "hexadecimal"),
        ('{"format": "hil-board-session", "version": 2}\n', FormatError, "version 1"),
    ],
)
def test_damaged_log_is_refused_by_line(tmp_path, text, error, message):
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(error, match=message):
        Conversation.load(path)


def test_empty_conversation_is_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"format": "hil-board-session", "version": 1}\n')
    with pytest.raises(FormatError, match="no exchange"):
        open_target(f"replay:{path}").program(NETWORK, seed=0)
