"""Arrays behind the link: limits hold on both sides, strategies reach their windows, a network survives the writing."""

import contextlib
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards.array import STRATEGIES, ArrayBoard, ArrayEndpoint, ArrayLimits, Goal, Pulse, program_cells
from boards.array.limits import compliance_ampere
from boards.array.target import array
from boards.array.wire import Floats, decode_pulse, encode_pulse
from boards.link import Endpoint, RefusedError, Status
from boards.security import Security
from boards.server import BoardServer
from boards.transports.loopback import LoopbackTransport
from emulators.devices.presets import hfo2_gong2022, rram_wan2022
from emulators.pulsed import PulsedArray
from hil import stream
from hil.errors import InputError, InvalidValueError, LinkError
from hil.registry import open_target
from hil.testing import BackendTests, random_features, random_network

ON, OFF = hfo2_gong2022.on_siemens, hfo2_gong2022.off_siemens
PULSE = Pulse("set", 1.0, 1.5, 1e-6)
ALL = np.ones((8, 8), bool)


def endpoint(*, limits=None, seed=1, size=8, formed=True, clock=lambda: 0.0):
    return ArrayEndpoint([PulsedArray(hfo2_gong2022, size, size, seed=seed, formed=formed)], limits=limits, clock=clock)


def connected(board_end):
    return ArrayBoard(lambda: LoopbackTransport(board_end))


def ternary_target(size, seed=1):
    w = stream(seed, "array", "target").integers(-1, 2, (size, size // 2))
    return np.where(np.stack([w == 1, w == -1], axis=-1).reshape(size, size), ON, OFF)


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_brings_99_percent_of_a_128x128_ternary_array_inside_its_window(name):
    goal = Goal(ternary_target(128), tolerance_siemens=8e-6, most_pulses=100)
    with connected(endpoint(size=128)) as board:
        board.select(0)
        report = program_cells(board, goal, STRATEGIES[name])
        later = goal.met(board.read())
        log = board.log()
    assert report.share >= 0.99
    assert later.mean() >= 0.99
    assert report.pulses.max() <= goal.most_pulses
    assert log["refused"] == 0
    assert log["energy_joule"] == pytest.approx(report.energy_joule, rel=1e-3)


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_runs_unchanged_without_a_link(name):
    class Direct:
        def __init__(self):
            self.cells = PulsedArray(hfo2_gong2022, 16, 16, seed=2)

        def pulse(self, pulse, chosen):
            amplitudes = {"line_volt": pulse.line_volt, "gate_volt": pulse.gate_volt, "width_s": pulse.width_s}
            getattr(self.cells, pulse.kind)(chosen, **amplitudes)

        def read(self, *, volt=0.2):
            return self.cells.read(volt=volt)

    report = program_cells(Direct(), Goal(ternary_target(16), 8e-6), STRATEGIES[name])
    assert report.share > 0.95


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 5)


@settings(max_examples=150)
@given(st.sampled_from(["form", "set", "reset"]), numbers, numbers, numbers | st.floats(0, 1e-3))
def test_no_pulse_beyond_a_limit_ever_reaches_the_cells(kind, line_volt, gate_volt, width_s):
    met = []

    class Witness(PulsedArray):
        def _note(self, chosen, *, line_volt, gate_volt, width_s):
            met.append((line_volt, gate_volt, width_s))

        form = set = reset = _note

    limits = ArrayLimits(line_volt=2.0, forming_volt=2.5, gate_volt=2.0, width_s=1e-4)
    end = ArrayEndpoint([Witness(hfo2_gong2022, 4, 4, seed=1)], limits=limits, clock=lambda: 0.0)
    with connected(end) as board:
        board.select(0)
        board.limits = ArrayLimits(1e9, 1e9, 1e9, 1e9, 1e9)  # a host that checks nothing
        try:
            board.pulse(Pulse(kind, line_volt, gate_volt, width_s), np.ones((4, 4), bool))
        except (InvalidValueError, RefusedError):
            assert met == []
    for line, gate, width in met:
        assert 0 <= line <= (2.5 if kind == "form" else 2.0)
        assert 0 <= gate <= 2.0
        assert 0 <= width <= 1e-4
        assert compliance_ampere(gate) <= limits.compliance_ampere


@pytest.mark.parametrize("change", [{"line_volt": 9.0}, {"gate_volt": 9.0}, {"width_s": 1.0}, {"line_volt": math.nan}])
def test_host_refuses_before_anything_is_sent(change):
    end = endpoint()
    with connected(end) as board:
        board.select(0)
        with pytest.raises(InvalidValueError, match="must lie in"):
            board.pulse(dataclasses.replace(PULSE, **change), ALL)
        assert board.log()["refused"] == 0


def test_board_refuses_more_pulses_than_a_cell_may_meet():
    with connected(endpoint(limits=ArrayLimits(pulses_per_cell=3))) as board:
        board.select(0)
        for _ in range(3):
            board.pulse(PULSE, ALL)
        with pytest.raises(RefusedError) as refused:
            board.pulse(PULSE, ALL)
        assert refused.value.status == Status.LIMIT
        assert board.log()["most_pulses_on_a_cell"] == 3


def test_board_refuses_more_cycles_than_a_cell_may_meet():
    with connected(endpoint(limits=ArrayLimits(cycles=1))) as board:
        board.select(0)
        back = dataclasses.replace(PULSE, kind="reset")
        for pulse in (PULSE, back, PULSE):
            board.pulse(pulse, ALL)
        with pytest.raises(RefusedError):
            board.pulse(back, ALL)


def test_limits_can_be_tightened_but_not_loosened():
    with connected(endpoint()) as board:
        assert board.tighten(line_volt=1.5).line_volt == 1.5
        with pytest.raises(RefusedError):
            board.tighten(line_volt=3.0)
        with pytest.raises(InvalidValueError):
            board.pulse(dataclasses.replace(PULSE, line_volt=1.6), ALL)


def test_nothing_is_pulsed_after_safe_off_or_a_silence_beyond_the_watchdog():
    now = [0.0]
    with connected(endpoint(clock=lambda: now[0])) as board:
        board.select(0)
        board.safe_off()
        with pytest.raises(RefusedError):
            board.pulse(PULSE, ALL)
        board.select(0)
        board.pulse(PULSE, ALL)
        now[0] += 61.0
        with pytest.raises(RefusedError):
            board.pulse(PULSE, ALL)


def test_fresh_cells_conduct_only_after_forming():
    with connected(endpoint(formed=False)) as board:
        board.select(0)
        assert not board.self_test()["passed"]
        board.pulse(PULSE, ALL)
        assert board.read().max() == 0.0
        board.pulse(Pulse("form", 2.5, 1.2, 1e-5), ALL)
        assert board.self_test()["passed"]


def test_set_raises_and_reset_lowers_only_the_chosen_cells():
    chosen = np.zeros((8, 8), bool)
    chosen[:4] = True
    with connected(endpoint()) as board:
        board.select(0)
        before = board.read()
        for _ in range(5):
            board.pulse(dataclasses.replace(PULSE, line_volt=1.5, gate_volt=2.2), chosen)
        raised = board.read()
        for _ in range(5):
            board.pulse(Pulse("reset", 1.8, 2.0, 1e-6), chosen)
        lowered = board.read()
    np.testing.assert_allclose(raised[4:], before[4:], rtol=1e-6)
    assert raised[:4].mean() > before[:4].mean()
    assert lowered[:4].mean() < raised[:4].mean()


def test_calibration_takes_gain_and_offset_out_of_products():
    end = endpoint(size=16, seed=4)
    volts = stream(5, "array").uniform(-0.2, 0.2, (40, 16))
    with connected(end) as board:
        board.select(0)
        wanted = volts @ board.read()
        raw = board.vmm(volts)
        board.calibrate()
        corrected = board.vmm(volts)
    assert np.abs(corrected - wanted).max() < 1e-3 * np.abs(wanted).max()
    assert np.abs(corrected - wanted).max() < 0.1 * np.abs(raw - wanted).max()


@pytest.mark.parametrize("volt", [0.5, -0.5, math.nan])
def test_read_beyond_the_read_voltage_is_refused(volt):
    with connected(endpoint()) as board:
        board.select(0)
        with pytest.raises(InvalidValueError, match="read voltage"):
            board.read(volt=volt)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32))
def test_pulse_payload_comes_back(rows, columns, seed):
    chosen = np.random.default_rng(seed).random((rows, columns)) < 0.5
    pulse, mask = decode_pulse("set", encode_pulse(PULSE, chosen), (rows, columns))
    assert pulse == PULSE
    np.testing.assert_array_equal(mask, chosen)


@given(st.binary(max_size=60))
def test_payloads_of_any_bytes_are_decoded_or_refused(payload):
    for decode in (Floats.decode, lambda data: decode_pulse("set", data, (8, 8))):
        try:
            decode(payload)
        except LinkError:
            continue


@given(st.sampled_from(range(0x40, 0x4F)), st.binary(max_size=80))
@settings(max_examples=200)
def test_board_answers_any_payload_of_any_array_verb_without_breaking(verb, payload):
    end: Endpoint = endpoint()
    with connected(end) as board:
        board.select(0)
        with contextlib.suppress(RefusedError):
            board._session.request(verb, payload)
        board.select(0)
        assert board.read().shape == (8, 8)


def test_board_writes_by_itself_and_refreshes_what_left_its_window():
    on = ternary_target(16) == ON
    with connected(endpoint(size=16)) as board:
        board.select(0)
        written = board.program_verify(on, strategy="window", tolerance_siemens=8e-6, most_pulses=100)
        assert written["share"] > 0.98
        assert board.refresh()["pulses"] <= written["pulses"] / 10
        board.pulse(Pulse("reset", 2.0, 2.0, 1e-5), np.ones((16, 16), bool))
        assert board.refresh()["share"] > 0.98


def test_refresh_of_an_array_that_was_never_written_is_refused():
    with connected(endpoint()) as board:
        board.select(0)
        with pytest.raises(RefusedError):
            board.refresh()


def test_device_without_pulse_statistics_is_refused():
    with pytest.raises(InvalidValueError, match="hfo2_gong2022"):
        PulsedArray(rram_wan2022, 4, 4, seed=1)


class TestArrayBackend(BackendTests):
    windows = 4

    def backend(self):
        return array("emulated", {"tile": "32"})


def test_network_written_cell_by_cell_stays_close_to_software():
    network = random_network((60, 20, 8), rng=stream(6, "array"))
    backend = array("emulated", {"tile": "32", "tolerance": "0.05", "most_pulses": "300"})
    features = stream(7, "array").integers(0, 20, (30, 60)).astype(np.int8)
    with backend.program(network, seed=1) as session:
        found = session.infer(features, t_us=np.arange(30), trace=True)
    wanted = features.astype(int) @ network.layers[0].weight.T.astype(int)
    error = found.layers[0].accumulator - wanted
    assert error.std() < 0.1 * wanted.std()
    assert found.telemetry.counters["cells_in_window_share"] > 0.97


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("bogus", {}),
        ("emulated", {"strategy": "x"}),
        ("emulated", {"tile": "3"}),
        ("emulated", {"tile": "x"}),
        ("emulated", {"bogus": "1"}),
    ],
)
def test_impossible_targets_are_refused(argument, options):
    with pytest.raises(InputError):
        array(argument, options)


NETWORK = random_network((20, 9, 5), rng=stream(1, "served arrays"))


@contextlib.contextmanager
def served(options="", **settings):
    local = open_target(f"array:emulated?tile=16&arrays=8{options}")
    with BoardServer(local.open(), **settings) as server:
        yield "array:tcp://{}:{}".format(*server.address)


def answers(target):
    features = random_features(NETWORK, 3, rng=stream(2, "served arrays"))
    with open_target(target).program(NETWORK, seed=0) as session:
        return session.infer(features, t_us=np.arange(3)).outputs


def test_served_arrays_answer_as_local_ones_do():
    with served() as target:
        np.testing.assert_array_equal(answers(f"{target}?tile=16"), answers("array:emulated?tile=16"))


def test_served_arrays_too_few_or_of_another_size_are_refused_before_anything_is_written():
    with served() as target:
        with pytest.raises(InvalidValueError, match="needs 2 arrays of 128x128, but has 8 of 16x16"):
            answers(target)
        assert answers(f"{target}?tile=16").shape == (3, 5)  # the link was let go of


def test_served_arrays_behind_a_token_open_for_it_only(tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef")
    with served(security=Security(token_file=token)) as target:
        assert answers(f"{target}?tile=16&token_file={token}").shape == (3, 5)
        with pytest.raises(LinkError, match="token_file="):
            answers(f"{target}?tile=16")


@pytest.mark.parametrize(
    "target",
    [
        "array:emulated?arrays=0",
        "array:emulated?seed=-1",
        "array:emulated?tile=7",
        "array:emulated?token_file=a",
        "array:tcp://nowhere",
        "array:tcp://localhost:1?arrays=4",
        "array:other",
    ],
)
def test_impossible_array_target_is_bad_input(target):
    with pytest.raises(InputError):
        open_target(target)


def test_failure_while_writing_lets_go_of_the_link(monkeypatch):
    closed = []
    monkeypatch.setattr(ArrayBoard, "program_verify", lambda *_, **__: (_ for _ in ()).throw(LinkError("cut")))
    monkeypatch.setattr(ArrayBoard, "close", lambda board: closed.append(board.shape))
    with pytest.raises(LinkError, match="cut"):
        open_target("array:emulated?tile=16").program(NETWORK, seed=0)
    assert closed == [(16, 16)]
