from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.evaluation import trained_on
from experiments.recordings import shipped
from experiments.scoring import score_outputs
from hil.cli import main
from hil.errors import InvalidValueError
from hil.network import CaptionSet, TernaryNetwork
from hil.registry import load_network
from hil.rng import stream
from hil.testing.networks import random_network


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *arguments, "--json"])
    assert stop.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def captioned() -> TernaryNetwork:
    bare = random_network((9, 6), rng=stream(0, "scores"))
    captions = CaptionSet(("a", "b", "c"), np.eye(3, 6, dtype=np.float32), "none", "")
    return TernaryNetwork("test", bare.layers, bare.output_scale, captions=captions, gate_threshold=0.5)


def test_score_when_outputs_are_known_then_every_figure_is_counted_by_hand() -> None:
    a, b, c = np.eye(3, 6, dtype=np.float32)
    outputs = np.stack([2 * a, a, b, c, c + 0.1 * b])
    reference = np.stack([a, a, b, b, c])
    score = score_outputs(captioned(), outputs, np.array([0, 0, 1, 0, 2]), reference=reference)
    assert (score.n, score.accuracy) == (5, 0.8)
    assert score.gate_sent == 3  # a, b, c
    assert score.gate_flips == 2  # the reference stays with b at the fourth window and sends c at the fifth
    assert score.accuracy_by_class == (2 / 3, 1.0, 1.0)
    last = 1 / np.sqrt(1.01)
    assert score.cosine_to_caption == pytest.approx((1 + 1 + 1 + 0 + last) / 5)


def test_score_when_network_has_no_captions_then_refused() -> None:
    bare = random_network((9, 6), rng=stream(0, "scores"))
    with pytest.raises(InvalidValueError, match="no captions"):
        score_outputs(bare, np.ones((1, 6), np.float32), np.zeros(1, np.int64), reference=np.ones((1, 6), np.float32))


def test_evaluate_when_shipped_network_meets_shipped_recording_then_it_reads_the_digits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = evaluated(capsys, "digits", str(shipped("digits")))
    assert document == evaluated(capsys, "digits", "digits")
    assert document["n"] == 64
    assert float(str(document["accuracy"])) >= 0.93
    assert document["gate_flips"] == 0
    assert document["target"] == "ternary"


def test_evaluate_when_target_is_the_unrounded_twin_then_it_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    exact = evaluated(capsys, "digits", str(shipped("digits")))
    unrounded = evaluated(capsys, "digits", str(shipped("digits")), "--target", "float", "--seed", "4")
    assert abs(float(str(exact["accuracy"])) - float(str(unrounded["accuracy"]))) <= 2 / 64
    assert unrounded["seed"] == 4


@pytest.mark.slow
def test_evaluate_when_nmnist_is_held_out_then_accuracy_is_what_the_card_says(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(shared_data / "events" / "nmnist_1000.zip")
    document = evaluated(capsys, "digits", data, "--held-out")
    noisy = evaluated(capsys, "digits", data, "--held-out", "--target", "crossbar:rram_wan2022")
    assert document["n"] == 200
    assert float(str(document["accuracy"])) >= 0.96
    assert abs(float(str(document["accuracy"])) - float(str(noisy["accuracy"]))) <= 0.01


@pytest.mark.parametrize(("name", "count", "learned"), [("a.zip", 10, 7), ("a.zip", 9, 0), ("b.zip", 10, 0)])
def test_recordings_are_known_as_trained_on_by_name_and_number(name: str, count: int, learned: int) -> None:
    known = {"recordings": "a.zip", "recordings_count": "10", "held_out": "3"}
    bare = random_network((9, 6), rng=stream(0, "scores"))
    network = TernaryNetwork("test", bare.layers, bare.output_scale, metadata=known)
    assert trained_on(network, Path("somewhere") / name, count) == learned


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(("nobody", "x"), "neither a file nor shipped"), (("digits", "/nowhere"), "/nowhere")],
)
def test_evaluate_when_something_is_missing_then_one_line_and_exit_two(
    arguments: tuple[str, str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *arguments])
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert why in err
    assert err.count("\n") == 1


def test_evaluate_when_imported_then_no_torch() -> None:
    code = (
        "import sys; from experiments.evaluation import evaluate; from hil.registry import load_network;"
        "load_network('digits'); print('torch' in sys.modules or 'brevitas' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.strip() == "False"


def test_shipped_digits_when_loaded_then_gate_fires_between_any_two_captions() -> None:
    network = load_network("digits")
    assert network.captions is not None
    distances = 1 - network.captions.vectors @ network.captions.vectors.T
    closest = distances[np.triu_indices(len(distances), 1)].min()
    assert closest > network.gate_threshold + 0.2
