"""Sessions as transcripts of bytes, and at-most-once execution whatever the wire does."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.link import (
    REPLY,
    BoardResetError,
    Endpoint,
    Frame,
    LinkSession,
    RefusedError,
    RetryPolicy,
    Status,
    Verb,
    VersionError,
)
from boards.link.verbs import NAK
from boards.transports import LoopbackTransport, ScriptedTransport
from hil.errors import DeadlineError, InvalidValueError, LinkError, TargetUnavailableError, VerificationError

NONCE = 0xABCD1234
PATIENCE = RetryPolicy(timeout_s=0.5, attempt_timeout_s=0.05, attempts=4, reconnects=2)
HELLO = (Frame(Verb.HELLO, 0, NONCE).encode(), Frame(Verb.HELLO | REPLY, 0, NONCE, b"me").encode())
INFO = Frame(Verb.INFO, 1, NONCE).encode()
ANSWER = Frame(Verb.INFO | REPLY, 1, NONCE, b"fine").encode()


def session_over(*transports, policy=PATIENCE):
    queue = list(transports)
    return LinkSession(lambda: queue.pop(0), policy=policy, draw_nonce=lambda: NONCE)


def play(*script):
    """Open a session over a script, ask for INFO, and return the answer and the session."""
    transport = ScriptedTransport([HELLO, *script])
    session = session_over(transport)
    session.open()
    answer = session.request(Verb.INFO)
    transport.finish()
    return answer, session


def test_request_is_one_frame_out_and_one_back():
    answer, session = play((INFO, ANSWER))
    assert answer == b"fine"
    assert session.statistics.requests == 2
    assert session.statistics.payload_bytes == len(b"me") + len(b"fine")
    assert session.statistics.wire_bytes == len(HELLO[0] + HELLO[1] + INFO + ANSWER)


def test_silence_is_asked_again_under_the_same_sequence():
    answer, session = play((INFO, b""), (INFO, ANSWER))
    assert (answer, session.statistics.retries) == (b"fine", 1)


def test_damaged_answer_is_asked_again():
    damaged = ANSWER[:-3] + bytes([ANSWER[-3] ^ 0x40]) + ANSWER[-2:]
    answer, session = play((INFO, damaged), (INFO, ANSWER))
    assert (answer, session.statistics.damaged) == (b"fine", 1)


def test_nak_is_asked_again_at_once():
    nak = Frame(NAK, 0xFFFF, NONCE, status=Status.BAD_CRC).encode()
    answer, session = play((INFO, nak), (INFO, ANSWER))
    assert (answer, session.statistics.naks) == (b"fine", 1)


def test_answer_to_an_earlier_request_is_ignored():
    answer, session = play((INFO, HELLO[1] + ANSWER))
    assert (answer, session.statistics.late) == (b"fine", 1)


def test_answer_of_another_session_is_ignored():
    answer, _ = play((INFO, Frame(Verb.INFO | REPLY, 1, NONCE + 1, b"not yours").encode() + ANSWER))
    assert answer == b"fine"


def test_no_answer_ends_in_a_deadline_and_ends_the_session():
    session = session_over(ScriptedTransport([HELLO, *[(INFO, b"")] * PATIENCE.attempts]))
    session.open()
    with pytest.raises(DeadlineError, match=r"no answer to INFO within 0\.5 s and 4 attempts; it answered before"):
        session.request(Verb.INFO)
    with pytest.raises(LinkError, match="opened"):
        session.request(Verb.INFO)


@pytest.mark.parametrize("first_tries", [0, 1])
def test_forgotten_session_says_whether_the_request_may_have_run(first_tries):
    forgotten = Frame(Verb.INFO | REPLY, 1, NONCE, status=Status.NO_SESSION).encode()
    session = session_over(ScriptedTransport([HELLO, *[(INFO, b"")] * first_tries, (INFO, forgotten)]))
    session.open()
    with pytest.raises(BoardResetError) as raised:
        session.request(Verb.INFO)
    assert raised.value.maybe_executed == bool(first_tries)
    assert not session.is_open


def test_refusal_names_its_reason_and_leaves_the_session_open():
    refused = Frame(Verb.INFO | REPLY, 1, NONCE, status=Status.BAD_LENGTH).encode()
    following = Frame(Verb.HEALTH, 2, NONCE).encode(), Frame(Verb.HEALTH | REPLY, 2, NONCE, b"ok").encode()
    session = session_over(ScriptedTransport([HELLO, (INFO, refused), following]))
    session.open()
    with pytest.raises(RefusedError, match="refused INFO: BAD_LENGTH"):
        session.request(Verb.INFO)
    assert session.request(Verb.HEALTH) == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        Frame(Verb.HELLO | REPLY, 0, NONCE, b"me", version=9).encode(),
        Frame(NAK, 0xFFFF, 0, status=Status.BAD_VERSION).encode(),
    ],
)
def test_other_version_is_refused_at_once(answer):
    session = session_over(ScriptedTransport([(HELLO[0], answer)]))
    with pytest.raises(VersionError, match="version"):
        session.open()


class Broken(ScriptedTransport):
    """Plays its script, then is gone."""

    def read(self, n_bytes, *, timeout_s):
        try:
            return super().read(n_bytes, timeout_s=timeout_s)
        except DeadlineError as error:
            raise TargetUnavailableError("unplugged") from error


def test_broken_transport_is_opened_again_under_the_same_session():
    second = ScriptedTransport([(INFO, ANSWER)])
    session = session_over(Broken([HELLO, (INFO, b"")]), second)
    session.open()
    assert session.request(Verb.INFO) == b"fine"
    assert session.statistics.reconnects == 1
    second.finish()


def test_transport_that_stays_broken_is_given_up():
    def unplugged():
        raise TargetUnavailableError("no such port")

    started = time.monotonic()
    with pytest.raises(TargetUnavailableError, match="no such port"):
        LinkSession(unplugged, policy=PATIENCE).open()
    assert time.monotonic() - started < 2.0


def test_silence_from_the_start_asks_for_the_firmware():
    hello = Frame(Verb.HELLO, 0, NONCE).encode()
    with pytest.raises(DeadlineError, match="running this project's firmware"):
        session_over(ScriptedTransport([(hello, b"")] * PATIENCE.attempts)).open()


def test_connection_that_does_not_come_back_says_that_it_was_there():
    def unplugged():
        if transports:
            return transports.pop()
        raise TargetUnavailableError("no such port")

    transports = [Broken([HELLO, (INFO, b"")])]
    session = LinkSession(unplugged, policy=PATIENCE, draw_nonce=lambda: NONCE)
    session.open()
    with pytest.raises(TargetUnavailableError, match="lost at INFO and does not come back: no such port"):
        session.request(Verb.INFO)


def test_closed_link_stays_closed():
    session = session_over(ScriptedTransport([HELLO]))
    session.open()
    session.close()
    session.close()
    with pytest.raises(TargetUnavailableError, match="closed"):
        session.open()


def test_policy_that_never_asks_is_refused():
    with pytest.raises(InvalidValueError, match="at least one attempt"):
        RetryPolicy(attempts=0)


def test_script_refuses_what_it_does_not_expect():
    with pytest.raises(VerificationError, match="the script expects"):
        session_over(ScriptedTransport([(b"\x00", b"")])).open()


def test_script_that_is_not_played_to_its_end_fails():
    with pytest.raises(VerificationError, match="1 exchanges"):
        ScriptedTransport([HELLO]).finish()


class Wire:
    """A loopback that loses, repeats or damages frames as it is told, one verdict a frame."""

    def __init__(self, endpoint, verdicts):
        self._inner = LoopbackTransport(endpoint)
        self._verdicts = verdicts

    def _spoil(self, data):
        verdict = self._verdicts.pop() if self._verdicts else "pass"
        spoilt = {"lose": b"", "repeat": data + data, "damage": data[:3] + bytes([data[3] ^ 1 or 2]) + data[4:]}
        return spoilt.get(verdict, data)

    def write(self, data, *, timeout_s):
        self._inner.write(self._spoil(data), timeout_s=timeout_s)

    def read(self, n_bytes, *, timeout_s):
        return self._spoil(self._inner.read(n_bytes, timeout_s=timeout_s)) or self.read(n_bytes, timeout_s=timeout_s)

    def close(self):
        self._inner.close()


@given(st.lists(st.sampled_from(["pass", "lose", "repeat", "damage"]), max_size=30), st.integers(1, 6))
def test_every_request_is_answered_and_executed_once_on_any_wire(verdicts, n):
    executed = []

    def execute(payload):
        executed.append(payload)
        return payload[::-1]

    endpoint = Endpoint({Verb.HELLO: lambda _: b"me", Verb.INFER: execute})
    policy = RetryPolicy(timeout_s=30.0, attempt_timeout_s=0.05, attempts=64)
    with LinkSession(lambda: Wire(endpoint, verdicts), policy=policy) as session:
        session.open()
        payloads = [bytes([i, 1, 2]) for i in range(n)]
        assert [session.request(Verb.INFER, payload) for payload in payloads] == [each[::-1] for each in payloads]
    assert executed == payloads


def test_sequence_numbers_wrap_around():
    endpoint = Endpoint({Verb.HELLO: lambda _: b"", Verb.INFO: lambda _: b"yes"})
    with LinkSession(lambda: LoopbackTransport(endpoint)) as session:
        session.open()
        session._sequence = endpoint._sequence = 2**16 - 3  # as if so many requests had been answered
        for _ in range(6):
            assert session.request(Verb.INFO) == b"yes"
        assert session._sequence == 3


def test_endpoint_passes_on_a_handlers_refusal_once():
    calls = []

    def refuse(payload):
        calls.append(payload)
        raise RefusedError("too much", status=Status.LIMIT)

    endpoint = Endpoint({Verb.HELLO: lambda _: b"", Verb.ARRAY_SET: refuse})
    with LinkSession(lambda: LoopbackTransport(endpoint)) as session:
        session.open()
        with pytest.raises(RefusedError, match="LIMIT"):
            session.request(Verb.ARRAY_SET, b"5 V")
    assert calls == [b"5 V"]


@pytest.mark.tool("gcc", "make")
def test_endpoint_and_firmware_judge_the_same_frames_the_same_way():
    from boards.host import HostBoard
    from boards.link import FrameDecoder

    def empty(_):
        return b""

    endpoint = Endpoint(dict.fromkeys((Verb.HELLO, Verb.INFO, Verb.HEALTH), empty))
    wires = [
        Frame(Verb.INFO, 1, NONCE).encode(),
        Frame(Verb.HELLO, 0, 0).encode(),
        Frame(Verb.HELLO, 3, NONCE).encode(),
        Frame(Verb.HELLO, 0, NONCE).encode(),
        Frame(Verb.HELLO, 0, NONCE).encode(),
        Frame(Verb.INFO, 1, NONCE).encode(),
        Frame(Verb.INFO, 1, NONCE).encode(),
        Frame(Verb.HELLO, 0, NONCE).encode(),
        Frame(Verb.INFO, 3, NONCE).encode(),
        Frame(Verb.INFO, 0, NONCE).encode(),
        Frame(0x55, 2, NONCE, b"what").encode(),
        Frame(Verb.HEALTH, 3, NONCE + 1).encode(),
        Frame(Verb.HEALTH | REPLY, 3, NONCE).encode(),
        Frame(Verb.HEALTH, 3, NONCE, version=2).encode(),
        b"\x00\x05\x01\x00",
        Frame(Verb.HEALTH, 3, NONCE).encode()[:-4] + b"\x07\x07\x07\x00",
        Frame(Verb.HELLO, 0, 99).encode(),
        Frame(Verb.HEALTH, 1, 99).encode(),
    ]
    board = HostBoard()
    transport, decoder = board.connect(), FrameDecoder()
    try:
        for wire in wires:
            expected = [verdict(item) for item in FrameDecoder().feed(endpoint.feed(wire))]
            transport.write(wire, timeout_s=5.0)
            found = []
            while len(found) < len(expected):
                found += [verdict(item) for item in decoder.feed(transport.read(4096, timeout_s=5.0))]
            assert found == expected
    finally:
        transport.close()
        board.close()


def verdict(frame):
    return (frame.type, frame.sequence, frame.nonce, frame.status)
