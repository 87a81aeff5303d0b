"""The line: what arrives is what was sent, whatever substrate runs it."""

import numpy as np
import pytest

from hil.errors import InvalidValueError, LinkError, UnknownNameError
from hil.inference import WINDOWS_PER_CALL, merge_telemetry
from hil.loop import LineSettings, run_line
from hil.registry import open_target
from hil.sep.codec import codec_named
from hil.sep.vectors import unit
from hil.testing import reference_layers
from hil.types import Telemetry
from tests.hil.substrates import FakeBackend, noisy, small_network, some_windows

NETWORK = small_network()
WINDOWS = some_windows(NETWORK, 30)


def line(backend=None, **settings):
    return run_line(WINDOWS, NETWORK, backend or FakeBackend(), seed=3, settings=LineSettings(**settings))


def test_line_on_the_reference_equals_each_stage_by_hand():
    """The stages one by one, in the plainest words."""
    trace = run_line(WINDOWS, NETWORK, open_target("ternary"), seed=3)
    embeddings = unit(NETWORK.embed(reference_layers(NETWORK, WINDOWS.features)[-1].activation))
    last, sent = None, []
    for i, vector in enumerate(embeddings.astype(np.float64)):
        if last is None or 1 - vector @ last > 0.35:
            sent.append(i)
            last = vector
    codec = codec_named("ternary")
    heard = np.stack([codec.decode(codec.encode(embeddings[i]), 16) for i in sent])
    captions = np.argmax(heard @ NETWORK.captions.vectors.T, axis=1)
    np.testing.assert_array_equal(trace.embeddings, embeddings)
    assert np.flatnonzero(trace.gate.sent).tolist() == sent == trace.received.windows.tolist()
    np.testing.assert_array_equal(trace.received.embeddings, heard)
    np.testing.assert_array_equal(trace.received.captions, captions)
    beliefs = [captions[np.searchsorted(sent, i, side="right") - 1] for i in range(30)]
    assert trace.received.beliefs.tolist() == beliefs


def test_line_sends_some_windows_and_keeps_some_to_itself():
    assert 2 < line().wire.packets < 30


@pytest.mark.parametrize(("codec", "vector_bytes"), [("float32", 64), ("int8", 16), ("ternary", 4), ("base3", 4)])
def test_bytes_on_the_wire_add_up(codec, vector_bytes):
    """Vector, message around it, frame around that; five copies on a ring of four: two out, two on, one back."""
    wire = line(codec=codec).wire
    assert wire.vector_bytes == vector_bytes * wire.packets
    assert wire.wire_bytes == wire.message_bytes + 4 * wire.packets
    assert wire.message_bytes > wire.vector_bytes
    assert wire.copies == 5 * wire.packets
    assert wire.mesh_bytes > 4 * wire.wire_bytes


@pytest.mark.parametrize(("ttl", "arrives"), [(0, False), (1, False), (2, True), (9, True)])
def test_messages_reach_the_receiver_two_hops_away(ttl, arrives):
    trace = line(ttl=ttl)
    assert len(trace.received.windows) == (trace.wire.packets if arrives else 0)
    assert (trace.received.beliefs == -1).all() == (not arrives)


def test_messages_that_links_lose_do_not_arrive_and_the_rest_is_in_order():
    some, none = line(loss=0.4), line(loss=1.0)
    assert 0 < len(some.received.windows) < some.wire.packets
    assert (np.diff(some.received.windows) > 0).all()
    assert len(none.received.windows) == 0


def test_receiver_holds_the_last_caption_it_heard_true():
    received = line(loss=0.4).received
    assert (received.beliefs[: received.windows[0]] == -1).all()
    assert received.beliefs[received.windows].tolist() == received.captions.tolist()


def test_alignment_of_a_turned_space_brings_meanings_back():
    """A substrate that swaps two outputs; the receiver knows how by a few anchors, exactly where they show it."""

    def swap(layers, outputs):
        return layers, outputs[:, [1, 0, *range(2, 16)]]

    windows = some_windows(NETWORK, 240)
    backend = FakeBackend(swap)
    shared = run_line(windows, NETWORK, FakeBackend(), seed=3).embeddings
    settings = LineSettings(codec="float32", anchors=48)
    aligned = run_line(windows, NETWORK, backend, seed=3, settings=settings, shared=shared)
    plain = run_line(
        windows, NETWORK, backend, seed=3, settings=LineSettings(codec="float32", anchors=0), shared=shared
    )

    def miss(trace):
        return np.linalg.norm(trace.received.embeddings - shared[trace.received.windows], axis=1).mean()

    assert miss(aligned) < 0.5 * miss(plain)
    assert aligned.wire.anchor_bytes == 48 * 16 * 4


def test_line_without_captions_has_no_beliefs():
    network = small_network(captions=False)
    trace = run_line(WINDOWS, network, FakeBackend(), seed=3)
    assert {*trace.captions, *trace.received.captions, *trace.received.beliefs} == {-1}


def test_line_with_the_same_seed_is_the_same():
    first, second = (line(loss=0.3) for _ in range(2))
    np.testing.assert_array_equal(first.received.windows, second.received.windows)
    np.testing.assert_array_equal(first.anchors, second.anchors)


def test_windows_beyond_one_call_are_answered_in_batches_and_counted_once():
    n, seen = WINDOWS_PER_CALL + 5, []
    windows = some_windows(NETWORK, n)
    backend = FakeBackend(counters={"adc_clip_rate": 0.5, "pulses": 2.0, "volt_max": 1.0, "volt_min": 1.0})
    trace = run_line(windows, NETWORK, backend, seed=0, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(WINDOWS_PER_CALL, n), (n, n)]
    assert trace.telemetry.time == 1000.0 * n
    assert trace.telemetry.counters == {"adc_clip_rate": 0.5, "pulses": 4.0, "volt_max": 1.0, "volt_min": 1.0}
    assert len(trace.layers[0].accumulator) == n


def test_telemetry_of_parts_weighs_shares_by_windows():
    parts = [Telemetry("wall", 1.0, "model", 2.0, {"clip_rate": rate}) for rate in (0.0, 0.8)]
    merged = merge_telemetry(parts, [3, 1])
    assert merged.counters["clip_rate"] == pytest.approx(0.2)
    assert (merged.time, merged.energy_joule) == (2.0, 4.0)


def test_telemetry_of_parts_does_not_add_up_what_the_substrate_is():
    counters = [
        {"cells_total": 7.0, "area_mm2": 0.5, "cycles_per_inference": 10.0, "retries": 1.0},
        {"cells_total": 9.0, "area_mm2": 0.5, "cycles_per_inference": 20.0},
    ]
    merged = merge_telemetry([Telemetry("wall", 1.0, counters=each) for each in counters], [3, 1])
    assert merged.counters == {"cells_total": 9.0, "area_mm2": 0.5, "cycles_per_inference": 12.5, "retries": 1.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda layers, outputs: (layers, outputs[:, :-1]), "have outputs"),
        (lambda layers, outputs: (layers, outputs * np.float32(np.nan)), "finite"),
        (lambda layers, outputs: (layers[:1], outputs), "shapes"),
    ],
)
def test_target_that_answers_wrongly_is_told_so(change, said):
    with pytest.raises(LinkError, match=said):
        line(FakeBackend(change))


def test_windows_that_do_not_fit_the_network_are_refused():
    other = small_network(sizes=(20, 8), captions=False)
    with pytest.raises(InvalidValueError, match="takes windows of 20 values"):
        run_line(WINDOWS, other, FakeBackend(), seed=0)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"codec": "morse"}, UnknownNameError),
        ({"gate_threshold": 3.0}, InvalidValueError),
        ({"ttl": 256}, InvalidValueError),
        ({"loss": 1.5}, InvalidValueError),
        ({"anchors": -1}, InvalidValueError),
    ],
)
def test_settings_no_line_can_follow_are_refused(settings, error):
    with pytest.raises(error):
        LineSettings(**settings)


def test_noisy_substrate_departs_and_the_line_still_runs():
    trace = line(noisy(0.3))
    assert trace.layers == ()
    assert len(trace.received.windows) == trace.wire.packets
