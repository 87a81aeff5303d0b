"""A served board: the same Backend through a wire, for one host at a time, and closed to strangers."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from boards.host import HostBoard
from boards.security import Security
from boards.server import BoardServer
from boards.transports import PtyTransport, connect_tcp
from hil import stream
from hil.errors import DeadlineError, InvalidValueError, LinkError, TargetUnavailableError
from hil.registry import open_target
from hil.testing import BackendTests, random_features, random_network, reference_layers

pytestmark = pytest.mark.tool("gcc", "make")
NETWORK = random_network((30, 20, 8), rng=stream(1, "served"))
FEATURES = random_features(NETWORK, 4, rng=stream(2, "served"))
EXPECTED = NETWORK.embed(reference_layers(NETWORK, FEATURES)[-1].activation)
TIMES = np.arange(4)


@contextmanager
def served(**settings):
    with BoardServer(HostBoard(), **settings) as server:
        yield server, "tcp://{}:{}".format(*server.address)


class TestServedBoard(BackendTests):
    windows = 3

    @pytest.fixture(autouse=True)
    def server(self):
        with served() as (_, self.target):
            yield

    def backend(self):
        return open_target(self.target)


def test_board_stays_as_it_is_between_hosts():
    with served() as (server, target):
        for already_there in (False, True):
            with open_target(target).program(NETWORK, seed=0) as session:
                assert session.already_there == already_there
                np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)
        assert server.connections == 2


def test_second_host_is_turned_away_while_the_first_is_connected():
    with served() as (_, target), open_target(target).program(NETWORK, seed=0) as session:
        with pytest.raises((TargetUnavailableError, DeadlineError)):
            open_target(f"{target}?timeout_s=2&attempt_timeout_s=1").identify()
        np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)


def test_token_opens_the_board_and_nothing_else_does(tmp_path):
    token = tmp_path / "token"
    token.write_text("a shared secret of some length")
    with served(security=Security(token_file=token)) as (_, target):
        with open_target(f"{target}?token_file={token}").program(NETWORK, seed=0) as session:
            np.testing.assert_array_equal(session.infer(FEATURES, t_us=TIMES).outputs, EXPECTED)
        with pytest.raises((LinkError, DeadlineError, TargetUnavailableError)):
            open_target(f"{target}?timeout_s=1&attempt_timeout_s=0.5").identify()


def test_open_address_without_a_secret_is_refused():
    board = HostBoard()
    with pytest.raises(InvalidValueError, match="lets anybody there program it"):
        BoardServer(board, host="0.0.0.0")
    board.close()


def test_taken_port_is_unavailable():
    board = HostBoard()
    with served() as (server, _), pytest.raises(TargetUnavailableError, match="cannot serve"):
        BoardServer(board, port=server.address[1])
    board.close()


def test_closed_server_answers_nobody():
    with served() as (server, _):
        address = server.address
    server.close()
    assert server.wait(0.0)
    with pytest.raises(TargetUnavailableError):
        connect_tcp(*address)


def test_board_behind_a_serial_port_is_a_backend():
    """A pseudo-terminal stands for the UART of a real board; the firmware behind it is the real one."""
    board, line = HostBoard(), PtyTransport()
    from boards.relay import PassThrough, Relay

    relay = Relay(line, board.connect, PassThrough())
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    with open_target(f"serial://{line.path}").program(NETWORK, seed=0) as session:
        answer = session.infer(FEATURES, t_us=TIMES, trace=True)
        assert session.info.name == "host process"
    relay.stop()
    thread.join(5.0)
    board.close()
    np.testing.assert_array_equal(answer.outputs, EXPECTED)
    assert answer.telemetry.provenance["transport"] == f"serial {line.path} at 115200 baud"
