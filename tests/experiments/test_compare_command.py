"""``hil compare`` from a recording's file to the report: exit codes, promised keys, the same bytes twice."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from experiments.comparison import Config, RecordingFile, run
from experiments.recordings import labels_beside, shipped
from hil.cli.main import _run
from hil.compare.document import schema_text
from hil.loop import LineSettings
from hil.network import CaptionSet, FeatureSpec
from hil.registry import weight_format_for
from hil.rng import stream
from hil.sep.vectors import unit
from hil.testing import random_network


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Write a random network that takes the shipped recording and knows ten captions."""
    labels = labels_beside(shipped("digits"))
    spec = FeatureSpec(17, 17, 1, labels.window_us, pixels_per_cell=4)
    bare = random_network((spec.d_in, 48, 32), rng=stream(0, "compare"))
    captions = CaptionSet(tuple("abcdefghij"), unit(stream(1, "captions").normal(size=(10, 32))), "test", "0" * 64)
    metadata = {"classes": json.dumps([str(digit) for digit in range(10)])}
    whole = replace(bare, name="tiny", features=spec, captions=captions, gate_threshold=0.02, metadata=metadata)
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    path.write_bytes(weight_format_for(path).encode(whole))
    return path


@pytest.fixture
def hil(capsys):
    """Return a function that runs a command and returns its exit code, stdout and stderr."""

    def call(*arguments):
        code = _run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_compare_prints_a_document_that_follows_its_schema(hil, network):
    code, out, _ = hil("compare", "digits", "--network", network, "--target", "float", "--target", "ternary", "--json")
    document = json.loads(out)
    jsonschema.validate(document, json.loads(schema_text()))
    assert code == 0
    assert [target["verdict"] for target in document["targets"]] == ["not judged", "identical"]
    assert document["stream"]["windows"] == 64
    assert sum(index >= 0 for index in document["stream"]["truth"]) == 64
    assert document["manifest"]["recording"]["name"] == "digits.aedat4"


def test_compare_writes_the_report_and_the_same_bytes_twice(hil, network, tmp_path):
    texts = []
    for folder in ("one", "two"):
        code, out, _ = hil("compare", "digits", "--network", network, "--target", "float", "--out", tmp_path / folder)
        assert code == 0
        assert "report.html" in out
        assert "not judged" in out
        texts.append((tmp_path / folder / "report.json").read_text())
        assert (tmp_path / folder / "report.html").read_text().count("data:image/png") == 12
    first, second = (text[: text.index('"timing"')] for text in texts)
    assert first == second


def test_report_names_no_folder_and_no_host(hil, network, tmp_path):
    code, out, _ = hil("compare", shipped("digits"), "--network", network, "--target", "float", "--json")
    assert code == 0
    assert str(network.parent) not in out
    assert str(shipped("digits").parent) not in out
    assert not re.search(r'"/[a-z]', out)


def test_compare_with_a_requirement_missed_is_exit_code_1_and_still_reports(hil, network, tmp_path):
    arguments = ("--network", network, "--target", "float", "--require", "cosine_min=1.5", "--out", tmp_path)
    code, out, _ = hil("compare", "digits", *arguments)
    assert code == 1
    assert "Failed: float" in out
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["digits", "--require", "beauty=1"], "unknown metric 'beauty'; known: accuracy, belief_agreement"),
        (["digits", "--require", "delivery"], "metric=value"),
        (["digits", "--target", "abacus"], "unknown backend 'abacus'; known"),
        (["digits", "--codec", "morse"], "unknown codec 'morse'; known"),
        (["digits", "--threshold", "3"], "between 0 and 2"),
        (["digits", "--loss", "2"], "loses, 0 to 1"),
        (["no such file.aedat4"], "No such file"),
        (["digits", "--network", "no-such-network"], "neither a file nor shipped"),
        (["digits", "--format", "abacus"], "unknown source 'abacus'"),
    ],
)
def test_compare_with_bad_input_is_exit_code_2_and_one_line(hil, network, arguments, said):
    source, *rest = arguments
    code, out, err = hil("compare", source, "--network", network, *rest)
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert said in err


def test_folder_that_cannot_be_made_is_told_before_the_work(hil, network, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.comparison.run", lambda *_, **__: pytest.fail("the work was begun"))
    (tmp_path / "file").write_text("in the way")
    code, out, err = hil("compare", "digits", "--network", network, "--out", tmp_path / "file" / "report")
    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_compare_of_a_damaged_recording_is_exit_code_2(hil, network, tmp_path):
    broken = tmp_path / "broken.aedat4"
    broken.write_bytes(shipped("digits").read_bytes()[:5000])
    code, _, err = hil("compare", broken, "--network", network)
    assert code == 2
    assert "Traceback" not in err


def test_command_in_the_manifest_repeats_the_run(hil, network, tmp_path):
    settings = LineSettings(codec="int8", loss=0.1, gate_threshold=0.0123456789)
    config = Config(
        RecordingFile(shipped("digits")),
        str(network),
        ("float",),
        seed=5,
        requirements=("delivery=0",),
        settings=settings,
    )
    comparison = run(config)
    _, *words = comparison.manifest.command.split()
    words[1], words[3] = str(shipped("digits")), str(network)
    code, out, _ = hil(*words, "--json")
    again = json.loads(out)
    assert code == 0
    assert {**again, "timing": 0} == {**json.loads(json.dumps(comparison.as_document())), "timing": 0}


def test_true_captions_are_the_labels_beside_the_recording(network):
    comparison = run(Config(RecordingFile(shipped("digits")), str(network), ("ternary",)))
    names = labels_beside(shipped("digits")).names
    assert [str(index) for index in comparison.truth] == list(names)
    right = np.mean(comparison.reference.captions == comparison.truth)
    assert comparison.reference_accuracy == right
