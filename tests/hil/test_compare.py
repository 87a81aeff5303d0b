"""The comparison: finds one wrong integer, judges analog targets only by what was asked, never passes on nothing."""

import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.compare import METRICS, Requirement, compare
from hil.compare.document import schema_text
from hil.errors import InvalidValueError, UnknownNameError, VerificationError
from hil.loop import LineSettings
from hil.network import Patches
from hil.rng import stream
from hil.testing import random_network
from tests.hil.substrates import FakeBackend, analog, flipped, noisy, small_network, some_windows

NETWORK = small_network()
WINDOWS = some_windows(NETWORK, 30)


def compared(*targets, reference=None, network=NETWORK, windows=WINDOWS, **settings):
    return compare(windows, network, reference or FakeBackend(), targets, seed=3, **settings)


def test_identical_targets_pass_with_nothing_different():
    comparison = compared("ternary", FakeBackend())
    assert comparison.passed
    assert comparison.exit_code == 0
    for target in comparison.targets:
        assert target.verdict == "identical"
        assert [(layer.differing, layer.relative) for layer in target.layers] == [(0, 0.0), (0, 0.0)]
        assert target.agreement.cosine.min() == 1.0
        assert target.agreement.belief_agreement == target.agreement.gate_agreement == 1.0


@given(st.integers(0, 1), st.integers(0, 29), st.integers(0, 15), st.sampled_from(["accumulator", "activation"]))
def test_one_wrong_integer_of_an_exact_target_is_found_and_fails(layer, window, row, stage):
    comparison = compared(flipped(layer, window, row, stage=stage))
    target = comparison.targets[0]
    found = target.divergence
    assert (found.layer, found.window, found.row, found.stage) == (layer, window, row, stage)
    assert found.got == found.expected + 1 or stage == "activation"
    assert comparison.exit_code == 1
    assert target.verdict == "differs"
    assert sum(error.differing for error in target.layers) == 1


def test_one_wrong_bit_of_an_output_is_found_where_no_layer_is_traced():
    def change(layers, outputs):
        outputs = outputs.copy()
        outputs[4, 2] = np.nextafter(outputs[4, 2], np.float32(np.inf))
        return (), outputs

    target = compared(FakeBackend(change)).targets[0]
    assert (target.divergence.layer, target.divergence.window, target.divergence.row) == (1, 4, 2)
    assert target.divergence.stage == "output"
    assert not target.passed
    assert target.layers == ()


def test_divergence_in_a_convolution_names_row_and_position():
    patches = Patches(in_channels=2, height=7, width=6, kernel=3, stride=2, padding=1)
    network = random_network((0, 12), rng=stream(5, "conv"), patches=patches)
    windows = some_windows(network, 4)
    target = compared(flipped(0, 2, 2 * patches.positions + 5), network=network, windows=windows).targets[0]
    assert (target.divergence.row, target.divergence.position) == (2, 5)
    assert "row 2, position 5, window 2" in str(target.divergence)


def test_analog_target_that_differs_is_not_judged_unless_asked():
    comparison = compared(analog(flipped(0, 1, 2)))
    assert comparison.targets[0].verdict == "not judged"
    assert comparison.targets[0].divergence is not None
    assert comparison.passed


def test_analog_target_that_does_not_differ_is_identical():
    comparison = compared(analog(FakeBackend()))
    assert comparison.targets[0].verdict == "identical"
    assert comparison.headline == "Passed: 1 identical"


def test_exact_target_beside_an_analog_reference_is_not_held_to_it():
    assert compared("ternary", reference=noisy(0.1)).passed


def test_requirements_judge_every_target():
    comparison = compared(noisy(0.0, name="good"), noisy(3.0, name="bad"), requirements=["gate_agreement=0.95"])
    assert [target.passed for target in comparison.targets] == [True, False]
    assert comparison.exit_code == 1
    assert "bad misses gate_agreement >= 0.95" in str(comparison)


def test_exact_target_must_meet_requirements_too():
    comparison = compared("ternary", requirements=[Requirement("wire_bytes", 1)])
    assert comparison.targets[0].verdict == "identical, meets 0 of 1"
    assert not comparison.passed


def test_metric_that_cannot_be_measured_meets_nothing():
    comparison = compared("ternary", network=small_network(captions=False), requirements=["caption_agreement=0"])
    assert not comparison.passed
    assert "could not be measured" in str(comparison)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_met_by_an_identical_target_and_missed_by_an_impossible_bound(metric):
    wanted = {">=": ("1", "1.1"), "<=": ("1e9", "-1")}[METRICS[metric].bound]
    given = {"settings": LineSettings(codec="float32"), "truth": compared("ternary").reference.captions}
    assert compared("ternary", requirements=[f"{metric}={wanted[0]}"], **given).passed
    assert not compared("ternary", requirements=[f"{metric}={wanted[1]}"], **given).passed


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("gate=0.9", UnknownNameError, "known: accuracy, belief_agreement"),
        ("gate_agreement", InvalidValueError, "metric=value"),
        ("gate_agreement=much", InvalidValueError, "needs a number"),
        ("gate_agreement=nan", InvalidValueError, "finite"),
        ("gate_agreement=inf", InvalidValueError, "finite"),
    ],
)
def test_requirement_that_means_nothing_is_refused(text, error, said):
    with pytest.raises(error, match=said):
        Requirement.parse(text)


def test_nothing_compared_is_a_failure():
    none = some_windows(NETWORK, 0)
    with pytest.raises(VerificationError, match="no windows"):
        compared("ternary", windows=none)
    with pytest.raises(VerificationError, match="no target"):
        compared()


def test_lone_name_is_one_target():
    assert compare(WINDOWS, NETWORK, "ternary", "float").targets[0].trace.target == "float"


def test_unknown_target_is_refused_before_anything_runs():
    ran = []
    backend = FakeBackend(lambda layers, outputs: ran.append(1) or (layers, outputs))
    with pytest.raises(UnknownNameError, match="unknown backend 'abacus'"):
        compared("abacus", reference=backend)
    assert not ran


def test_agreement_counts_follow_from_the_windows():
    target = compared(noisy(1.0)).targets[0]
    expected, got = compared(noisy(1.0)).reference.gate.sent, target.trace.gate.sent
    flips = target.agreement.extra_sends + target.agreement.missed_sends
    assert flips == np.count_nonzero(expected != got) > 0
    assert target.agreement.gate_agreement == pytest.approx(1 - flips / 30)
    assert target.agreement.confusion.sum() == 30
    assert np.trace(target.agreement.confusion) == round(target.agreement.caption_agreement * 30) < 30


def test_accuracy_counts_labelled_windows_only():
    truth = compared("ternary").reference.captions.copy()
    truth[:10] = -1
    truth[10:15] = (truth[10:15] + 1) % 6
    comparison = compared("ternary", truth=truth)
    assert comparison.reference_accuracy == comparison.targets[0].agreement.accuracy == 15 / 20
    assert "75.0 %" in str(comparison)
    assert compared("ternary", truth=np.full(30, -1)).reference_accuracy is None


def test_more_noise_agrees_less_on_average():
    """Mean over 8 seeds of 30 windows each."""
    cosines = [
        np.mean([compared(noisy(sigma, seed)).targets[0].agreement.cosine.mean() for seed in range(8)])
        for sigma in (0.0, 0.3, 1.0, 3.0)
    ]
    assert cosines[0] == 1.0
    assert np.all(np.diff(cosines) < 0)


def test_silent_windows_agree_with_silence_only():
    def silence(layers, outputs):
        return (), np.zeros_like(outputs)

    target = compared(analog(FakeBackend(silence))).targets[0]
    assert target.trace.wire.packets == 0
    assert target.agreement.cosine.max() == 0.0
    assert target.agreement.delivery is None
    assert target.agreement.received_cosine is None


def document(comparison):
    return json.loads(json.dumps(comparison.as_document(), allow_nan=False))


def test_document_follows_its_schema():
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    cases = [
        compared("ternary", "float", noisy(1.0), flipped(0, 1, 2), requirements=["gate_agreement=0.9"]),
        compared("ternary", network=small_network(captions=False), requirements=["caption_agreement=1"]),
        compared("ternary", truth=np.arange(30) % 6),
    ]
    for comparison in cases:
        jsonschema.validate(document(comparison), schema)


def test_schema_knows_every_key():
    wrong = document(compared("ternary"))
    wrong["targets"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(wrong, json.loads(schema_text()))


def test_document_of_the_same_seed_is_the_same_but_for_timing():
    first, second = (document(compared("ternary", "float", noisy(0.5))) for _ in range(2))
    assert first.pop("timing").keys() == second.pop("timing").keys()
    assert first == second


def test_document_keeps_wall_time_out_of_what_must_not_change():
    wall, cycles = noisy(0.1, counters={"wait_wall_s": 0.1, "link_retries": 2.0, "adc_clip_rate": 0.2}), FakeBackend()
    written = document(compared(wall, cycles))
    assert written["targets"][0]["telemetry"]["time"] is None
    assert written["targets"][0]["telemetry"]["counters"] == {"adc_clip_rate": 0.2}
    assert written["timing"]["targets"][0]["counters"] == {"link_retries": 2.0, "wait_wall_s": 0.1}
    assert written["targets"][1]["telemetry"]["time"] == 30_000


def test_manifest_tells_what_the_result_rests_on():
    manifest = document(compared("ternary", FakeBackend()))["manifest"]
    assert manifest["network"]["digest"] == NETWORK.digest
    assert manifest["providers"]["ternary"].startswith("neuromorphic-hil ")
    assert manifest["providers"]["fake"] == "given in Python"
    assert manifest["seed"] == 3


def test_manifest_changes_with_the_windows():
    first, second = (document(compared("ternary", windows=some_windows(NETWORK, 9, seed=s))) for s in range(2))
    assert first["manifest"]["features_sha256"] != second["manifest"]["features_sha256"]


def test_table_has_a_line_for_every_substrate_and_the_verdict():
    text = str(compared("float", flipped(0, 1, 2)))
    assert text.splitlines()[-1] == "Failed: flipped; not judged: 1"
    assert str(compared("ternary", "float")).splitlines()[-1] == "Passed: 1 identical; not judged: 1"
    assert compared("float").headline == "1 target shown, none judged"
    asked = compared("ternary", "float", requirements=["gate_agreement=0"])
    assert asked.headline == "Passed: 1 identical, 1 as required"
    assert "flipped differs first at layer 0, row 2, window 1: accumulator" in text
    assert max(map(len, text.splitlines())) <= 120


def test_progress_runs_over_all_substrates():
    seen = []
    compared("ternary", "float", on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(30, 90), (60, 90), (90, 90)]
