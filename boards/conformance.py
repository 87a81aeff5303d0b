"""What every board must do, as tests: run them with ``pytest --board URL``.

Each test greets the board afresh and leaves it fit for the next; networks are as large as the board says it has room
for, up to a few kilobytes.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from boards.driver import BoardBackend
from boards.info import READY, BoardInfo
from boards.link import NAK, REPLY, Frame, FrameDecoder, FrameError, LinkSession, RefusedError, Status, Verb
from boards.payloads import DENSE, SPARSE, STAGED, infer_request
from boards.program import pack_program
from boards.verify import repeats_exactly
from hil.errors import DeadlineError, InvalidValueError
from hil.network import Patches, TernaryNetwork
from hil.ports import Transport
from hil.rng import stream
from hil.testing.networks import random_features, random_network, reference_layers
from hil.types import Int8Array, Int64Array

ANSWER_TIMEOUT_S = 20.0
SILENCE_S = 0.2
GREETINGS = 25
WINDOWS = 3
PIECE_BYTES = 512


def _networks() -> dict[str, TernaryNetwork]:
    rng = stream(11, "board conformance", "networks")
    image = Patches(in_channels=2, height=7, width=6, kernel=3, stride=2, padding=1)
    wide = Patches(in_channels=3, height=6, width=5, kernel=5, stride=1, padding=2)
    return {
        "one layer": random_network((7, 3), rng=rng),
        "dense": random_network((301, 33, 21, 5), rng=rng),
        "long rows": random_network((700, 20, 9), rng=rng),
        "convolution": random_network((0, 12), rng=rng, patches=image),
        "many channels": random_network((0, 9), rng=rng, patches=wide, channels=19),
    }


NETWORKS = _networks()


def _times(n: int) -> Int64Array:
    return np.arange(n, dtype=np.int64)


def _assert_exact(backend: BoardBackend, network: TernaryNetwork, features: Int8Array) -> None:
    try:
        session = backend.program(network, seed=0)
    except InvalidValueError as error:
        pytest.skip(str(error))
    with session:
        inference = session.infer(features, t_us=_times(len(features)), trace=True)
    expected = reference_layers(network, features)
    for i, (layer, wanted) in enumerate(zip(inference.layers, expected, strict=True)):
        np.testing.assert_array_equal(layer.accumulator, wanted.accumulator, f"accumulators of layer {i}")
        np.testing.assert_array_equal(layer.activation, wanted.activation, f"activations of layer {i}")
    np.testing.assert_array_equal(inference.outputs, network.embed(expected[-1].activation))


class _Raw:
    """A greeted board at the level of frames, for what a well-behaved host never sends."""

    def __init__(self, transport: Transport) -> None:
        self.nonce = secrets.randbelow(2**32 - 2) + 1
        self._transport = transport
        self._decoder = FrameDecoder()
        self._waiting: list[Frame | FrameError] = []
        self._greet()

    def frame(self, verb: int, sequence: int, payload: bytes = b"") -> bytes:
        return Frame(verb, sequence, self.nonce, payload).encode()

    def send(self, wire: bytes) -> None:
        self._transport.write(wire, timeout_s=ANSWER_TIMEOUT_S)

    def receive(self) -> Frame:
        item = self._next()
        assert isinstance(item, Frame), f"the board sent something that is no frame: {item}"
        return item

    def ask(self, verb: int, sequence: int, payload: bytes = b"") -> Frame:
        self.send(self.frame(verb, sequence, payload))
        return self.receive()

    def is_silent(self) -> bool:
        try:
            self._waiting += self._decoder.feed(self._transport.read(65536, timeout_s=SILENCE_S))
        except DeadlineError:
            return True
        return False

    def _greet(self) -> None:
        """Greet until the board, which may still be starting, answers; then drop whatever else is on the line."""
        for _ in range(GREETINGS):
            self.send(self.frame(Verb.HELLO, 0))
            if not self.is_silent():
                break
        while not (isinstance(item := self._next(), Frame) and item.nonce == self.nonce):
            pass
        while not self.is_silent():
            self._waiting.clear()

    def _next(self) -> Frame | FrameError:
        while not self._waiting:
            self._waiting += self._decoder.feed(self._transport.read(65536, timeout_s=ANSWER_TIMEOUT_S))
        return self._waiting.pop(0)


@contextmanager
def _raw(backend: BoardBackend) -> Iterator[_Raw]:
    board = backend.open()
    transport = board.connect()
    try:
        yield _Raw(transport)
    finally:
        transport.close()
        board.close()


@contextmanager
def _linked(backend: BoardBackend) -> Iterator[tuple[LinkSession, BoardInfo]]:
    board = backend.open()
    try:
        with LinkSession(board.connect, policy=backend.settings.policy) as link:
            yield link, BoardInfo.decode(link.open())
    finally:
        board.close()


def _status_of(link: LinkSession, verb: int, payload: bytes = b"") -> int:
    try:
        link.request(verb, payload)
    except RefusedError as error:
        return error.status
    return Status.OK


def _load(link: LinkSession, program: bytes, *, crc: int | None = None) -> int:
    """Send a program over the link, whatever it is; returns the status of its commit."""
    link.request(Verb.BEGIN, struct.pack("<I", len(program)))
    for at in range(0, len(program), PIECE_BYTES):
        link.request(Verb.CHUNK, struct.pack("<I", at) + program[at : at + PIECE_BYTES])
    crc = zlib.crc32(program) if crc is None else crc
    return _status_of(link, Verb.COMMIT, struct.pack("<II", len(program), crc))


class TestNetworks:
    """Every integer of every layer."""

    @pytest.mark.parametrize("name", list(NETWORKS))
    def test_network_matches_every_layer_bit_for_bit(self, board_backend: BoardBackend, name: str) -> None:
        network = NETWORKS[name]
        features = random_features(network, WINDOWS, rng=stream(1, "board conformance", name))
        _assert_exact(board_backend, network, features)

    @pytest.mark.parametrize("value", [-128, 127, 1, 0])
    def test_extreme_inputs_match(self, board_backend: BoardBackend, value: int) -> None:
        network = NETWORKS["long rows"]
        _assert_exact(board_backend, network, np.full((1, network.d_in), value, np.int8))

    def test_same_windows_give_same_answers_every_time(self, board_backend: BoardBackend) -> None:
        network = NETWORKS["dense"]
        features = random_features(network, WINDOWS, rng=stream(2, "board conformance"))
        with board_backend.program(network, seed=0) as session:
            assert repeats_exactly(session, features, t_us=_times(WINDOWS))

    def test_second_network_replaces_the_first(self, board_backend: BoardBackend) -> None:
        for name in ("dense", "one layer"):
            network = NETWORKS[name]
            _assert_exact(board_backend, network, random_features(network, 1, rng=stream(3, name)))


class TestSessions:
    """Retries, late frames and strangers."""

    def test_retry_is_answered_again_and_not_executed_again(self, board_backend: BoardBackend) -> None:
        network = NETWORKS["one layer"]
        request = infer_request(DENSE, bytes(network.d_in), outputs=network.d_out, trace=False)
        with _raw(board_backend) as raw:
            self._load_raw(raw, pack_program(network))
            first = raw.ask(Verb.INFER, 4, request)
            assert first.status == Status.OK
            assert raw.ask(Verb.INFER, 4, request) == first
            second = raw.ask(Verb.INFER, 5, request)
        (before,) = struct.unpack_from("<I", first.payload, 8)
        (after,) = struct.unpack_from("<I", second.payload, 8)
        assert after == before + 1

    @staticmethod
    def _load_raw(raw: _Raw, program: bytes) -> None:
        assert raw.ask(Verb.BEGIN, 1, struct.pack("<I", len(program))).status == Status.OK
        assert raw.ask(Verb.CHUNK, 2, struct.pack("<I", 0) + program).status == Status.OK
        commit = struct.pack("<II", len(program), zlib.crc32(program))
        assert raw.ask(Verb.COMMIT, 3, commit).status == Status.OK

    def test_request_of_another_session_is_refused(self, board_backend: BoardBackend) -> None:
        with _raw(board_backend) as raw:
            raw.send(Frame(Verb.INFO, 1, raw.nonce ^ 0x80000000).encode())
            answer = raw.receive()
            assert (answer.status, answer.nonce) == (Status.NO_SESSION, raw.nonce ^ 0x80000000)
            assert raw.ask(Verb.INFO, 1).status == Status.OK

    def test_sequence_out_of_turn_is_refused(self, board_backend: BoardBackend) -> None:
        with _raw(board_backend) as raw:
            assert raw.ask(Verb.INFO, 2).status == Status.BAD_SEQUENCE
            assert raw.ask(Verb.INFO, 1).status == Status.OK

    def test_late_greeting_does_not_restart_a_session(self, board_backend: BoardBackend) -> None:
        with _raw(board_backend) as raw:
            assert raw.ask(Verb.INFO, 1).status == Status.OK
            assert raw.ask(Verb.HELLO, 0).status == Status.BAD_SEQUENCE
            assert raw.ask(Verb.INFO, 2).status == Status.OK


class TestFrames:
    """What comes off a bad wire."""

    def test_damaged_frame_is_answered_with_a_nak(self, board_backend: BoardBackend) -> None:
        with _raw(board_backend) as raw:
            wire = bytearray(raw.frame(Verb.INFO, 1))
            wire[-2] ^= 0x10 if wire[-2] != 0x10 else 0x20
            raw.send(bytes(wire))
            answer = raw.receive()
            assert answer.type == NAK
            assert answer.status in (Status.BAD_CRC, Status.BAD_FRAME)
            assert raw.ask(Verb.INFO, 1).status == Status.OK

    def test_other_version_is_refused(self, board_backend: BoardBackend) -> None:
        with _raw(board_backend) as raw:
            raw.send(Frame(Verb.INFO, 1, raw.nonce, version=2).encode())
            answer = raw.receive()
            assert (answer.type, answer.status) == (NAK, Status.BAD_VERSION)
            assert raw.ask(Verb.INFO, 1).status == Status.OK

    def test_answers_are_never_answered(self, board_backend: BoardBackend) -> None:
        with _raw(board_backend) as raw:
            raw.send(raw.frame(Verb.INFO | REPLY, 1))
            assert raw.is_silent()
            assert raw.ask(Verb.INFO, 1).status == Status.OK

    def test_noise_is_survived(self, board_backend: BoardBackend) -> None:
        noise = stream(4, "board conformance", "noise").integers(0, 256, 3000, dtype=np.uint8).tobytes()
        with _raw(board_backend) as raw:
            raw.send(noise + b"\x00")
            raw.send(raw.frame(Verb.INFO, 1))
            while (answer := raw.receive()).type == NAK:
                pass
            assert answer.status == Status.OK

    def test_endless_frame_is_survived(self, board_backend: BoardBackend) -> None:
        with _linked(board_backend) as (_, info):
            longest = info.max_payload_bytes
        with _raw(board_backend) as raw:
            raw.send(b"\x55" * (longest + 600) + b"\x00")
            assert raw.receive().type == NAK
            assert raw.ask(Verb.INFO, 1).status == Status.OK


class TestRequests:
    """Requests that make no sense, and programs that are none."""

    def test_unknown_verb_is_refused(self, board_backend: BoardBackend) -> None:
        with _linked(board_backend) as (link, _):
            assert _status_of(link, 0x7E) == Status.UNKNOWN_VERB
            assert _status_of(link, 0x7E, b"with a payload") == Status.UNKNOWN_VERB

    @pytest.mark.parametrize(
        "verb", [Verb.INFO, Verb.BEGIN, Verb.CHUNK, Verb.COMMIT, Verb.INPUT, Verb.INFER, Verb.READ]
    )
    def test_wrong_length_is_refused(self, board_backend: BoardBackend, verb: Verb) -> None:
        with _linked(board_backend) as (link, _):
            assert _status_of(link, verb, b"abc") == Status.BAD_LENGTH

    def test_inference_without_a_program_is_refused(self, board_backend: BoardBackend) -> None:
        with _linked(board_backend) as (link, _):
            link.request(Verb.BEGIN, struct.pack("<I", 100))
            for verb, payload in ((Verb.INFER, bytes(8)), (Verb.READ, bytes(8)), (Verb.CHECK, b"")):
                assert _status_of(link, verb, payload) == Status.NO_PROGRAM

    def test_program_with_a_wrong_crc_is_refused_and_forgotten(self, board_backend: BoardBackend) -> None:
        program = pack_program(NETWORKS["one layer"])
        with _linked(board_backend) as (link, _):
            assert _load(link, program, crc=zlib.crc32(program) ^ 1) == Status.CRC_MISMATCH
            assert _status_of(link, Verb.CHECK) == Status.NO_PROGRAM

    def test_chunk_out_of_order_is_refused(self, board_backend: BoardBackend) -> None:
        with _linked(board_backend) as (link, _):
            link.request(Verb.BEGIN, struct.pack("<I", 64))
            assert _status_of(link, Verb.CHUNK, struct.pack("<I", 4) + bytes(4)) == Status.BAD_VALUE
            assert _status_of(link, Verb.CHUNK, struct.pack("<I", 0) + bytes(65)) == Status.BAD_VALUE

    def test_program_too_long_is_refused(self, board_backend: BoardBackend) -> None:
        with _linked(board_backend) as (link, info):
            length = struct.pack("<I", info.program_capacity_bytes + 1)
            assert _status_of(link, Verb.BEGIN, length) == Status.TOO_LARGE

    def test_nonsense_programs_are_refused_and_the_board_lives(self, board_backend: BoardBackend) -> None:
        """Words of the header and the layer records are replaced; a program that still parses must still run."""
        network = NETWORKS["one layer"]
        program = pack_program(network)
        values = (0, 1, 2, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFC)
        request = infer_request(DENSE, bytes(network.d_in), outputs=0, trace=False)
        with _linked(board_backend) as (link, _):
            for word in [*range(6), *range(16, 32)]:
                damaged = bytearray(program)
                struct.pack_into("<I", damaged, 4 * word, values[word % len(values)])
                status = _load(link, bytes(damaged))
                assert status in (Status.OK, Status.BAD_PROGRAM, Status.TOO_LARGE)
                if status == Status.OK:
                    _status_of(link, Verb.INFER, request)
            assert _load(link, program) == Status.OK
            assert _status_of(link, Verb.INFER, request) == Status.OK

    @pytest.mark.parametrize(
        ("payload", "status"),
        [
            (struct.pack("<BBH", 0, DENSE, 3) + bytes(6), Status.BAD_LENGTH),
            (struct.pack("<BBH", 0, DENSE, 4) + bytes(7), Status.BAD_VALUE),
            (struct.pack("<BBH", 0, STAGED, 3), Status.BAD_VALUE),
            (struct.pack("<BBH", 0, 9, 3) + bytes(7), Status.BAD_VALUE),
            (struct.pack("<BBH", 8, DENSE, 3) + bytes(7), Status.BAD_VALUE),
            (struct.pack("<BBH", 0, SPARSE, 3) + bytes([7, 1]), Status.BAD_VALUE),
            (struct.pack("<BBH", 0, SPARSE, 3) + bytes([1]), Status.BAD_LENGTH),
        ],
    )
    def test_malformed_inference_is_refused(self, board_backend: BoardBackend, payload: bytes, status: Status) -> None:
        with _linked(board_backend) as (link, _):
            assert _load(link, pack_program(NETWORKS["one layer"])) == Status.OK
            assert _status_of(link, Verb.INFER, payload) == status

    def test_layers_outside_the_network_are_refused(self, board_backend: BoardBackend) -> None:
        with _linked(board_backend) as (link, _):
            assert _load(link, pack_program(NETWORKS["one layer"])) == Status.OK
            for layer, what, count, offset in ((1, 0, 1, 0), (0, 2, 1, 0), (0, 1, 4, 0), (0, 1, 1, 3)):
                request = struct.pack("<BBHI", layer, what, count, offset)
                assert _status_of(link, Verb.READ, request) == Status.BAD_VALUE
            assert _status_of(link, Verb.READ, struct.pack("<BBHI", 0, 1, 3, 0)) == Status.NO_TRACE

    def test_program_is_read_back(self, board_backend: BoardBackend) -> None:
        program = pack_program(NETWORKS["dense"])
        with _linked(board_backend) as (link, info):
            if len(program) > info.program_capacity_bytes:
                pytest.skip("the board has no room for it")
            assert _load(link, program) == Status.OK
            assert link.request(Verb.CHECK) == struct.pack("<II", len(program), zlib.crc32(program))
            again = BoardInfo.decode(link.request(Verb.INFO))
        assert (again.state, again.program_bytes, again.program_crc) == (READY, len(program), zlib.crc32(program))
