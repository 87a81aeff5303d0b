"""``hil board``: text or one JSON document, and the exit codes scripts rely on."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hil import stream
from hil.cli import main
from hil.registry import open_target, weight_format_for
from hil.testing import random_network


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["board", *arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


@pytest.fixture
def network(tmp_path):
    """Write a small network to a file and return its path."""
    path = tmp_path / "network.safetensors"
    path.write_bytes(weight_format_for(path).encode(random_network((40, 24, 16), rng=stream(1, "commands"))))
    return str(path)


def test_list_names_every_way_to_a_board(capsys):
    code, out, _ = run(capsys, "list", "--json")
    entries = json.loads(out)
    assert code == 0
    assert all(set(entry) == {"name", "about", "missing"} for entry in entries)
    assert {"qemu:cortex-m4", "qemu:riscv32", "host", "tcp://host:port"} <= {entry["name"] for entry in entries}


@pytest.mark.tool("gcc", "make")
def test_identify_says_what_the_board_is(capsys):
    code, out, _ = run(capsys, "identify", "host", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["name"], document["state"], document["protocol"]) == ("host process", "empty", 1)
    assert document["firmware_is_ours"]


@pytest.mark.tool("gcc", "make")
def test_load_proves_what_it_loaded(capsys, network):
    code, out, _ = run(capsys, "load", "host", network, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["program_bytes"] > 0
    assert not document["already_there"]


@pytest.mark.tool("gcc", "make")
def test_infer_verifies_records_and_replays(capsys, network, tmp_path):
    log, outputs = tmp_path / "session & more+.jsonl", tmp_path / "outputs.npy"
    options = ["--network", network, "--windows", "3", "--active", "0.2"]
    code, out, _ = run(capsys, "infer", "host", *options, "--record", str(log), "--out", str(outputs), "--json")
    document = json.loads(out)
    assert (code, document["n"], document["divergence"], document["link_retries"]) == (0, 3, None, 0)
    assert np.load(outputs).shape == (3, 16)
    code, out, _ = run(capsys, "infer", f"replay:{log}", *options, "--json")
    replayed = json.loads(out)
    assert (code, replayed["divergence"]) == (0, None)
    assert replayed["provenance"]["replayed_from"] == log.name


@pytest.mark.tool("gcc", "make")
def test_infer_that_diverges_is_exit_code_1(capsys, network, tmp_path):
    """A recording in which one answer was altered is a board that computes wrongly."""
    from boards.link import Frame, FrameDecoder, Verb

    log = tmp_path / "session.jsonl"
    options = ["--network", network, "--windows", "1", "--json"]
    run(capsys, "infer", "host", *options, "--record", str(log))
    altered = []
    for line in log.read_text().splitlines():
        document = json.loads(line)
        frames = FrameDecoder().feed(bytes.fromhex(document.get("from", "")))
        if frames and frames[0].type == Verb.INFER | 0x80:
            answer = frames[0]
            payload = answer.payload[:-1] + bytes([answer.payload[-1] ^ 1])
            wire = Frame(answer.type, answer.sequence, answer.nonce, payload, answer.status).encode()
            document["from"] = wire.hex()
        altered.append(json.dumps(document))
    log.write_text("\n".join(altered) + "\n")
    code, out, _ = run(capsys, "infer", f"replay:{log}", *options)
    assert code == 1
    assert "layer 1, row 15, window 0: activation" in json.loads(out)["divergence"]


@pytest.mark.tool("gcc", "make")
def test_health_is_a_page_of_facts(capsys):
    code, out, _ = run(capsys, "health", "host", "--echoes", "3")
    assert code == 0
    assert "board_bad_frames" in out


@pytest.mark.tool("gcc", "make")
def test_faults_prints_the_account_and_passes(capsys):
    arguments = ["--fault", "flip", "--rate", "1e-3", "--inferences", "40", "--json"]
    code, out, _ = run(capsys, "faults", "host", *arguments)
    (document,) = json.loads(out)
    assert (code, document["inferences"], document["lost"], document["executed_twice"]) == (0, 40, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["identify", "ternary"], 2),
        (["identify", "bogus:x"], 2),
        (["identify", "qemu:z80"], 2),
        (["infer", "host", "--network", "no-such-network"], 2),
        (["faults", "tcp://127.0.0.1:1"], 2),
        (["faults", "host", "--fault", "gremlin"], 2),
        (["identify", "serial:///dev/no-such-port"], 3),
        (["identify", "tcp://127.0.0.1:1"], 3),
        (["serve", "host", "--host", "0.0.0.0"], 2),
    ],
)
@pytest.mark.tool("gcc", "make")
def test_mistakes_are_one_line_and_their_exit_code(capsys, arguments, code):
    found, out, err = run(capsys, *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)


@pytest.mark.tool("gcc", "make")
def heed_interrupts():
    """Undo what a shell's background job inherits: interrupts that are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_served_board_is_reached_and_stops_when_told(number):
    """Also where the shell that started it had interrupts ignored."""
    command = [str(Path(sys.executable).with_name("hil")), "board", "serve", "host", "--json"]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        document = json.loads(server.stdout.readline())
        assert open_target(document["address"]).identify().name == "host process"
        server.send_signal(number)
        assert server.wait(20.0) == 0
    finally:
        server.kill()
        server.communicate()
