"""``hil replay`` from end to end: its account, its clients, Ctrl-C, and what it refuses."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from hil.registry import load_network
from hil.types import EventBatch, Geometry
from sensors.formats import aedat4
from sensors.live.client import NetworkSource
from sensors.live.wire import Address, parse_address


def conserved(document):
    packets = document["packets"]
    return all(d["in"] == d["delivered"] + d["dropped"] + d["queued"] for d in (document, packets))


def test_replay_on_a_virtual_clock_is_exact_and_the_same_twice(hil_json, recording, events):
    code, document = hil_json("replay", recording, "--speed", "max")
    again = hil_json("replay", recording, "--speed", "max")[1]
    assert code == 0
    assert (document["in"], document["delivered"]) == (len(events), len(events))
    assert conserved(document)
    assert document["lateness_us"] == {"p50": 0.0, "p99": 0.0, "max": 0.0}
    assert {**document, "duration_s": 0} == {**again, "duration_s": 0}


@pytest.mark.parametrize("policy", ["block", "drop-oldest", "drop-newest"])
def test_replay_on_the_wall_clock_takes_as_long_as_the_recording(hil_json, recording, events, policy):
    code, document = hil_json("replay", recording, "--speed", "0.5", "--policy", policy, "--packet-us", "5000")
    assert (code, document["policy"], document["packets"]["in"]) == (0, policy, 12)
    assert conserved(document)
    assert document["in"] == len(events)
    assert 0.12 <= document["duration_s"] < 5


def test_replay_loops_and_starts_where_it_is_told(hil_json, recording, events):
    assert hil_json("replay", recording, "--speed", "max", "--loop", "3")[1]["in"] == 3 * len(events)
    late = hil_json("replay", recording, "--speed", "max", "--from-us", "30000")[1]
    assert late["packets"]["in"] == 3
    assert late["in"] == int((events.t >= events.t[0] + 30_000).sum())


def test_replay_prints_text_that_says_the_account(hil, recording):
    code, out, _ = hil("replay", recording, "--speed", "max", "--step-locked")
    assert code == 0
    assert "in 6,000 = delivered 6,000 + dropped 0 + queued 0 events" in out
    assert "stood still for 0.000 s" in out


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_replay_serves_its_events_to_a_client(hil_json, recording, events):
    port, heard = free_port(), []

    def listen():
        for _ in range(200):
            try:
                with NetworkSource(Address(port=port), silence_s=20) as source:
                    heard.extend(source)
            except ConnectionError:
                time.sleep(0.05)
            else:
                return

    thread = threading.Thread(target=listen)
    thread.start()
    code, document = hil_json("replay", recording, "--to", f"tcp://127.0.0.1:{port}", "--wait", "20")
    thread.join()
    assert (code, document["delivered"], document["clients_lost"]) == (0, len(events), 0)
    assert conserved(document)
    received = EventBatch.concatenate(heard)
    assert all(np.array_equal(getattr(received, name), getattr(events, name)) for name in "txyp")


def test_replay_whose_only_client_leaves_counts_the_rest_as_dropped(hil_json, recording):
    port = free_port()

    def visit():
        for _ in range(200):
            try:
                with NetworkSource(Address(port=port), silence_s=20) as source:
                    next(iter(source))
            except ConnectionError:
                time.sleep(0.05)
            else:
                return

    thread = threading.Thread(target=visit)
    thread.start()
    address = f"tcp://127.0.0.1:{port}"
    code, document = hil_json("replay", recording, "--to", address, "--packet-us", "1000", "--speed", "0.1")
    thread.join()
    assert (code, document["clients_lost"]) == (0, 1)
    assert document["dropped"] > 0
    assert conserved(document)


def test_replay_that_nobody_listens_to_is_exit_code_3_and_one_line(hil, recording):
    code, out, err = hil("replay", recording, "--to", "tcp://:0", "--wait", "0.05")
    assert (code, out) == (3, "")
    assert "no client connected" in err.splitlines()[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--speed", "0"],
        ["--speed", "fast"],
        ["--to", "nowhere"],
        ["--policy", "maybe"],
        ["--queue", "0"],
        ["--target", "ternary", "--speed", "max"],
    ],
)
def test_replay_refuses_impossible_settings_in_one_line(hil, recording, wrong):
    code, out, err = hil("replay", recording, *wrong)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_replay_of_a_missing_file_is_exit_code_2(hil, tmp_path):
    code, _, err = hil("replay", tmp_path / "none.aedat4")
    assert (code, err.count("\n")) == (2, 1)


def heed_interrupts():
    """Undo what a shell's background job inherits: interrupts that are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_replay_prints_a_sound_account(recording, number):
    script = "import sys; from hil.cli import main; main(sys.argv[1:])"
    options = ["--loop", "0", "--packet-us", "500", "--to", "tcp://:0", "--json"]
    command = [sys.executable, "-c", script, "replay", str(recording), *options]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  (the child only resets a signal)
    ) as process:
        address = parse_address(process.stderr.readline().decode().split()[-1])
        with NetworkSource(address, silence_s=60) as source:
            heard = sum(len(batch) for _, batch in zip(range(20), source, strict=False))
            process.send_signal(number)
            heard += sum(len(batch) for batch in source)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    document = json.loads(out)
    assert document["interrupted"]
    assert conserved(document)
    assert document["delivered"] == heard > 0


def test_target_with_a_known_service_time_is_scored_the_same_every_time(hil_json, recording):
    arguments = ("replay", recording, "--target", "ternary", "--service-us", "20000")
    code, document = hil_json(*arguments)
    assert (code, document["clock"], document["policy"], document["queue"]) == (0, "virtual", "drop-oldest", 1)
    assert conserved(document)
    latency = document["latency"]
    assert latency["cosine_without_delay"] == pytest.approx(1)
    assert latency["sends"] >= 1
    assert hil_json(*arguments)[1] == document


def test_target_in_real_time_says_what_its_lateness_costs(hil, recording):
    code, out, _ = hil("replay", recording, "--target", "ternary")
    assert code == 0
    assert "meaning: cosine" in out
    assert "sends: " in out


def test_target_says_what_the_rule_for_partial_windows_leaves_out(hil, hil_json, tmp_path):
    window_us = load_network("digits").features.window_us
    t = np.concatenate([np.arange(0, window_us, 100), window_us + np.arange(77)])  # the rest is far from half a window
    path = tmp_path / "a.aedat4"
    aedat4.write(path, [EventBatch(t, t % 34, t % 33, t % 2 == 0)], Geometry(34, 34))
    arguments = ("replay", path, "--target", "ternary", "--service-us", "1")
    document = hil_json(*arguments)[1]
    assert (document["in"], document["left_out"]) == (len(t) - 77, 77)
    assert "77 events after the last full window are left out" in hil(*arguments)[1]


@pytest.mark.parametrize("more", [(), ("--target", "ternary", "--service-us", "1")])
def test_realtime_that_the_system_refuses_is_one_line(hil, recording, monkeypatch, more):
    def refuse(*_):
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr("os.sched_setscheduler", refuse)
    code, out, err = hil("replay", recording, "--realtime", *more)
    assert (code, out) == (2, "")
    assert "does not grant real-time scheduling" in err
