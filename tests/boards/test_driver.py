"""A board as a Backend: exact in every integer, and never an answer that may be wrong."""

import signal
import struct
import threading
import zlib
from contextlib import closing

import numpy as np
import pytest

from boards import backends
from boards.driver import BoardBackend, BoardSession, DriverSettings
from boards.health import examine
from boards.host import HostBoard
from boards.info import BoardInfo
from boards.link import BoardResetError, LinkSession, ProgramLostError, RetryPolicy, Status, Verb
from boards.program import pack_program
from boards.verify import divergence_from_reference, repeats_exactly
from hil import Patches, stream
from hil.errors import (
    DeadlineError,
    InputError,
    InvalidValueError,
    LinkError,
    TargetUnavailableError,
    UnknownNameError,
    VerificationError,
)
from hil.registry import open_target
from hil.testing import BackendTests, random_features, random_network, reference_layers

pytestmark = pytest.mark.tool("gcc", "make")
POLICY = RetryPolicy(timeout_s=10.0, attempt_timeout_s=2.0)
NETWORK = random_network((40, 24, 16), rng=stream(1, "driver"))
FEATURES = random_features(NETWORK, 6, rng=stream(2, "driver"))
TIMES = np.arange(6, dtype=np.int64)
EXPECTED = NETWORK.embed(reference_layers(NETWORK, FEATURES)[-1].activation)


class TestHostFirmware(BackendTests):
    def backend(self):
        return open_target("host")


class TestHostFirmwareWithRows(BackendTests):
    def backend(self):
        return open_target("host?kernel=rows")


class TestHostFirmwareLoadedOverTheLink(BackendTests):
    windows = 3

    def backend(self):
        return BoardBackend(
            "host", lambda: HostBoard(load_over_link=True), capabilities=open_target("host").capabilities
        )


@pytest.fixture
def board():
    board = HostBoard(log_executions=True)
    yield board
    board.close()


def session_on(board, network=NETWORK, **settings):
    chosen = DriverSettings(policy=POLICY, **settings)
    return BoardSession(board, LinkSession(board.connect, policy=POLICY), network, settings=chosen)


def refused(board, network, error, message):
    """Try to program a board that must not take the network."""
    with LinkSession(board.connect, policy=POLICY) as link, pytest.raises(error, match=message):
        BoardSession(board, link, network, settings=DriverSettings(policy=POLICY))


def inferences(board):
    return sum(verb == Verb.INFER for verb, _, _ in board.executions())


@pytest.mark.parametrize("kernel", ["auto", "columns", "rows"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1, 0), (3, 12, 10, 5, 1, 2), (2, 9, 4, 3, 2, 1), (5, 6, 6, 6, 3, 0)])
def test_convolutions_of_any_geometry_are_exact_with_either_kernel(kernel, shape):
    rng = stream(3, "convolution", *shape)
    network = random_network((0, 10), rng=rng, patches=Patches(*shape), channels=1 + shape[0] * 6)
    features = random_features(network, 3, rng=rng)
    with open_target(f"host?kernel={kernel}").program(network, seed=0) as session:
        answer = session.infer(features, t_us=TIMES[:3], trace=True)
    for layer, expected in zip(answer.layers, reference_layers(network, features), strict=True):
        np.testing.assert_array_equal(layer.accumulator, expected.accumulator)
        np.testing.assert_array_equal(layer.activation, expected.activation)


def test_inputs_and_outputs_larger_than_a_frame_are_cut_up():
    network = random_network((9000, 20, 1500), rng=stream(4, "large"))
    features = random_features(network, 2, rng=stream(5, "large"), active=1.0)
    with open_target("host").program(network, seed=0) as session:
        answer = session.infer(features, t_us=TIMES[:2])
    expected = reference_layers(network, features)[-1].activation
    np.testing.assert_array_equal(answer.outputs, network.embed(expected))


def test_provenance_says_what_answered(board):
    with session_on(board) as session:
        provenance = session.infer(FEATURES, t_us=TIMES).telemetry.provenance
    assert provenance["board"] == "host process"
    assert provenance["firmware_sha256"] == board.expected_firmware
    assert provenance["network_sha256"] == NETWORK.digest
    assert provenance["program_crc32"] == f"{zlib.crc32(pack_program(NETWORK)):08x}"


def test_counters_tell_payload_from_wire(board):
    with session_on(board) as session:
        counters = session.infer(FEATURES, t_us=TIMES).telemetry.counters
    assert counters["link_requests"] == len(FEATURES) + 1
    assert 0 < counters["link_payload_bytes"] < counters["link_wire_bytes"]
    assert counters["link_retries"] == counters["board_reloads_max"] == 0


def test_reset_between_calls_is_repaired_and_counted(board):
    with session_on(board) as session:
        session.infer(FEATURES, t_us=TIMES)
        board.reset()
        answer = session.infer(FEATURES, t_us=TIMES)
    np.testing.assert_array_equal(answer.outputs, EXPECTED)
    assert answer.telemetry.counters["board_reloads_max"] == 1


class ResetsAfter:
    """A transport under which the board is reset once, after so many requests of one kind."""

    def __init__(self, board, n, verb=Verb.INFER):
        self.board, self.left, self.verb, self.again = board, n, verb, False

    def connect(self):
        inner, outer = self.board.connect(), self

        class Transport:
            def write(self, data, *, timeout_s):
                inner.write(data, timeout_s=timeout_s)
                if bytes([outer.verb]) in data[:6]:
                    outer.left -= 1

            def read(self, n_bytes, *, timeout_s):
                data = inner.read(n_bytes, timeout_s=timeout_s)
                if outer.left == 0:
                    outer.left = 1 if outer.again else -1
                    outer.board.reset()
                return data

            def close(self):
                inner.close()

        return Transport()


def reset_under_way(board, recover):
    resetting = ResetsAfter(board, 3)
    settings = DriverSettings(policy=POLICY, recover=recover)
    return BoardSession(board, LinkSession(resetting.connect, policy=POLICY), NETWORK, settings=settings)


def test_reset_under_way_is_an_error_and_the_next_call_is_right(board):
    with reset_under_way(board, "raise") as session:
        with pytest.raises(BoardResetError, match="was reset"):
            session.infer(FEATURES, t_us=TIMES)
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)


def test_reset_under_way_is_run_again_where_that_was_asked_for(board):
    with reset_under_way(board, "reload") as session:
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)
        assert session.reloads == 1


@pytest.mark.parametrize("verb", [Verb.BEGIN, Verb.CHUNK, Verb.COMMIT])
def test_reset_while_loading_starts_loading_again(verb):
    with closing(HostBoard(load_over_link=True, log_executions=True)) as board:
        resetting = ResetsAfter(board, 1, verb)
        link = LinkSession(resetting.connect, policy=POLICY)
        with BoardSession(board, link, NETWORK, settings=DriverSettings(policy=POLICY)) as session:
            np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)
            assert session.reloads == 1
            assert inferences(board) == len(FEATURES)


def test_board_that_is_reset_at_every_loading_is_given_up():
    with closing(HostBoard(load_over_link=True)) as board:
        resetting = ResetsAfter(board, 1, Verb.BEGIN)
        resetting.again = True
        with (
            LinkSession(resetting.connect, policy=POLICY) as link,
            pytest.raises(BoardResetError, match="run again, or let a target's"),
        ):
            BoardSession(board, link, NETWORK, settings=DriverSettings(policy=POLICY))


def flip_weight_bit(board, session):
    """Flip one bit in the middle of the first layer's weights, and return the channel it belongs to."""
    memory = board.program_memory(session.info)
    (weights_at,) = struct.unpack("<I", memory.read(64 + 48, 4))
    word = memory.read(weights_at + 4 * 17, 4)  # column 17 of channels 0 to 15
    memory.write(weights_at + 4 * 17, bytes([word[0] ^ 0b1000, *word[1:]]))  # the high bit of channel 1's code
    return 1


def test_corrupted_memory_is_noticed_before_an_answer_is_handed_out(board):
    with session_on(board) as session:
        flip_weight_bit(board, session)
        with pytest.raises(ProgramLostError, match="no longer has CRC"):
            session.infer(FEATURES, t_us=TIMES)
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)
        assert session.reloads == 1


def test_corrupted_memory_is_loaded_again_where_that_was_asked_for(board):
    with session_on(board, recover="reload") as session:
        flip_weight_bit(board, session)
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)


def test_flipped_weight_bit_is_located_by_layer_and_row(board):
    features = np.ones((4, NETWORK.d_in), np.int8)
    with session_on(board, read_back=False) as session:
        channel = flip_weight_bit(board, session)
        answer = session.infer(features, t_us=TIMES[:4], trace=True)
    found = divergence_from_reference(NETWORK, features, answer, t_us=TIMES[:4])
    assert (found.layer, found.row, found.window, found.stage) == (0, channel, 0, "accumulator")
    assert abs(found.expected - found.got) == 2


def test_sound_board_does_not_diverge_and_repeats_itself(board):
    with session_on(board) as session:
        answer = session.infer(FEATURES, t_us=TIMES, trace=True)
        assert divergence_from_reference(NETWORK, FEATURES, answer, t_us=TIMES) is None
        assert repeats_exactly(session, FEATURES, t_us=TIMES)


def test_verification_of_nothing_is_a_failure(board):
    with session_on(board) as session:
        answer = session.infer(FEATURES, t_us=TIMES)
        with pytest.raises(VerificationError, match="0 of 2 layers"):
            divergence_from_reference(NETWORK, FEATURES, answer, t_us=TIMES)


def test_every_window_is_executed_once(board):
    with session_on(board) as session:
        session.infer(FEATURES, t_us=TIMES)
        assert inferences(board) == len(FEATURES)


def test_board_that_counts_otherwise_is_not_believed(board):
    with session_on(board) as session:
        session.infer(FEATURES, t_us=TIMES)
        session._executed += 1
        with pytest.raises(LinkError, match="has executed 7 inferences, but was asked for 8"):
            session.infer(FEATURES, t_us=TIMES)
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)


def test_other_firmware_than_ours_is_refused(board, monkeypatch):
    monkeypatch.setattr(HostBoard, "expected_firmware", "0" * 32)
    refused(board, NETWORK, LinkError, "must run firmware 0000")


def test_network_that_is_there_already_is_not_loaded_again(board):
    with LinkSession(board.connect, policy=POLICY) as link:
        first = BoardSession(board, link, NETWORK, settings=DriverSettings(policy=POLICY))
        again = session_on(board)
    assert (first.already_there, again.already_there) == (False, True)
    again.close()


def test_network_too_large_for_the_board_is_refused_before_anything_is_sent(board):
    network = random_network((10, 5000, 4), rng=stream(6, "misfit"))
    refused(board, network, InvalidValueError, "5000 channels in a layer, but host process has room for 4096")
    assert Verb.BEGIN not in [verb for verb, _, _ in board.executions()]


def test_network_of_too_many_layers_is_refused_by_the_board(board):
    network = random_network((8, *[4] * 40), rng=stream(7, "deep"))
    refused(board, network, InvalidValueError, "TOO_LARGE")


@pytest.mark.parametrize("features", [np.zeros((2, 39), np.int8), np.zeros((2, 40), np.int16), np.zeros(40, np.int8)])
def test_windows_of_another_shape_are_refused(board, features):
    with session_on(board) as session, pytest.raises(InvalidValueError, match=r"\(n, 40\) int8"):
        session.infer(features, t_us=TIMES[:2])


def test_times_that_go_back_are_refused(board):
    with session_on(board) as session, pytest.raises(InvalidValueError, match="never decreasing"):
        session.infer(FEATURES, t_us=TIMES[::-1].copy())


def test_closed_session_is_unavailable(board):
    session = session_on(board)
    session.close()
    with pytest.raises(TargetUnavailableError):
        session.infer(FEATURES, t_us=TIMES)


def test_process_that_was_killed_is_reported_and_started_again(board):
    with session_on(board) as session:
        board._process._process.kill()
        board._process._process.wait(5.0)
        with pytest.raises(TargetUnavailableError, match="ended with code -9"):
            session.infer(FEATURES, t_us=TIMES)
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)


def test_stuck_board_is_reported_and_then_reset_once(board):
    hasty = RetryPolicy(timeout_s=0.6, attempt_timeout_s=0.2)
    link = LinkSession(board.connect, policy=hasty)
    with BoardSession(board, link, NETWORK, settings=DriverSettings(policy=hasty)) as session:
        board._process._process.send_signal(signal.SIGSTOP)
        with pytest.raises(DeadlineError, match="no answer to INFER"):
            session.infer(FEATURES, t_us=TIMES)
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)


def test_board_without_room_for_a_trace_still_answers(board, monkeypatch, caplog):
    with session_on(board) as session:
        monkeypatch.setattr(BoardInfo, "can_trace", lambda *_: False)
        answer = session.infer(FEATURES, t_us=TIMES, trace=True)
    np.testing.assert_array_equal(answer.outputs, EXPECTED)
    assert answer.layers == ()
    assert "has no room to trace" in caplog.text


def test_several_boards_answer_at_once():
    networks = [random_network((30, 20, 8), rng=stream(seed, "several")) for seed in range(4)]
    found = [None] * len(networks)

    def run(i):
        features = random_features(networks[i], 20, rng=stream(i, "features"))
        with open_target("host").program(networks[i], seed=0) as session:
            answer = session.infer(features, t_us=np.arange(20), trace=True)
            found[i] = divergence_from_reference(networks[i], features, answer, t_us=np.arange(20)) is None

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(networks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert found == [True] * len(networks)


def test_health_counts_what_the_board_saw():
    health = examine(open_target("host"), echoes=5)
    assert (health.good, health.memory_holds, health.bad_frames) == (True, None, 0)
    assert health.frames == 7
    assert 0 < health.echo_s[0] <= health.echo_s[1]


def test_capabilities_without_a_promise_are_asked_of_the_board():
    promised = open_target("host").capabilities
    assert BoardBackend("host", HostBoard).capabilities == promised


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("host:somewhere", InvalidValueError, "takes no argument"),
        ("host?bogus=1", UnknownNameError, "host has no option 'bogus'"),
        ("host?recover=pray", UnknownNameError, "known: raise, reload"),
        ("host?timeout_s=soon", InvalidValueError, "must be a number"),
        ("serial:", InvalidValueError, "names a port"),
        ("tcp://nowhere", InvalidValueError, "host:port"),
        ("tcp://host:70000", InvalidValueError, "host:port"),
        ("replay:no-such-file", InvalidValueError, "no recorded session"),
        ("qemu:z80", UnknownNameError, "unknown emulated CPU 'z80'"),
    ],
)
def test_targets_that_make_no_sense_are_refused(target, error, message):
    with pytest.raises(error, match=message) as raised:
        open_target(target)
    assert isinstance(raised.value, InputError)


def test_every_scheme_says_what_it_is():
    for scheme in (backends.qemu, backends.host, backends.serial, backends.tcp, backends.replay):
        assert scheme.about
        assert scheme.missing() is None


def test_missing_port_is_unavailable_only_when_it_is_used():
    backend = open_target("serial:///dev/no-such-port?baud=9600&reset=dtr")
    with pytest.raises(TargetUnavailableError, match="cannot be opened"):
        backend.program(NETWORK, seed=0)


def test_refused_verbs_leave_the_program_alone(board):
    with session_on(board) as session:
        with pytest.raises(LinkError) as raised:
            session._link.request(Verb.ARRAY_SET, b"")
        assert raised.value.status == Status.UNKNOWN_VERB
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)
