"""Thousands of inferences over a link that is being damaged, and an account of every one of them.

The firmware keeps its own account of what it executed, and a spy on the wire notes which requests belonged to which
inference; so "none executed twice" is counted, not believed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from boards.board import Board
from boards.driver import BoardSession, DriverSettings
from boards.faults import Fault, Faults, FaultTimes
from boards.host import HostBoard
from boards.info import BoardInfo
from boards.link import Frame, FrameDecoder, LinkSession, RetryPolicy, Verb
from boards.program import pack_program
from boards.qemu import QemuBoard
from boards.server import BoardServer
from boards.tcp_board import TcpBoard
from boards.verify import reference_inference
from hil.errors import HilError, InvalidValueError
from hil.network import Requantisation, TernaryLayer, TernaryNetwork
from hil.ports import Transport
from hil.progress import OnProgress, ignore_progress
from hil.registry import parse_target
from hil.rng import stream
from hil.types import Float32Array, Int8Array

__all__ = ["Campaign", "CampaignResult", "DamageableBoard", "damageable_board", "patience", "small_network"]

OPEN_ATTEMPTS = 200
DISTINCT_WINDOWS = 64
ACTIVE = 0.3


class DamageableBoard(Board, Protocol):
    """A board that can be harmed on purpose: reset under way, and its memory written to."""

    def reset(self) -> None:
        """Reset the board; its memory keeps what it holds."""
        ...

    def executions(self) -> list[tuple[int, int, int]] | None:
        """Return (verb, nonce, sequence) of every request it executed, or None where it keeps no account."""
        ...


def small_network(*, seed: int) -> TernaryNetwork:
    """Return a network of 16 inputs, 12 hidden values and 8 outputs: a few hundred bytes on the wire."""
    rng = stream(seed, "campaign", "network")

    def layer(channels: int, fan_in: int, requantisation: Requantisation | None) -> TernaryLayer:
        weight = rng.integers(-1, 2, (channels, fan_in), dtype=np.int8)
        bias = rng.integers(-50, 50, channels, dtype=np.int32)
        return TernaryLayer(weight, bias, 1.0, requantisation)

    shift = np.full(12, 8, np.uint8)
    requantisation = Requantisation(rng.integers(40, 120, 12, dtype=np.int32), shift)
    layers = (layer(12, 16, requantisation), layer(8, 12, None))
    return TernaryNetwork(name="campaign", layers=layers, output_scale=np.ones(8, np.float32))


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """The account of one campaign.

    Attributes:
        target: What was driven.
        fault: The damage.
        rate: Its probability per byte.
        inferences: How many were asked for.
        right: Answered, and equal to the reference.
        wrong: Answered, and not.
        errors: Ended in a clear error, by its class.
        executed: Inferences the board ran, by its own account; None where it keeps none.
        executed_twice: Inferences that ran more than once.
        injected: How often damage was done.
        retries: Requests sent again.
        reloads: Times the board had to be loaded again.
        slowest_s: Longest inference, recovery included.
        seconds: All of them.
    """

    target: str
    fault: Fault
    rate: float
    inferences: int
    right: int
    wrong: int
    errors: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    executed: int | None = None
    executed_twice: int | None = None
    injected: int = 0
    retries: int = 0
    reloads: int = 0
    slowest_s: float = 0.0
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Inferences that ended neither in an answer nor in an error."""
        return self.inferences - self.right - self.wrong - sum(self.errors.values())

    @property
    def passed(self) -> bool:
        """Whether every answer was right or a clear error, none executed twice and none lost."""
        return self.wrong == 0 and not self.executed_twice and self.lost == 0

    def as_document(self) -> dict[str, Any]:
        """Return the account as JSON-ready values."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**document, "errors": dict(self.errors), "lost": self.lost, "passed": self.passed}


@dataclass(frozen=True, slots=True)
class Campaign:
    """One kind of damage at one rate.

    Attributes:
        fault: The damage.
        rate: Its probability per byte, in both directions.
        inferences: How many windows to infer, one per call.
        seed: Decides the windows and where the damage falls.
        policy: How hard the link tries; its attempt time-out must exceed the board's answer time.
    """

    fault: Fault
    rate: float
    inferences: int
    seed: int = 0
    policy: RetryPolicy = field(default_factory=lambda: patience("host"))

    def run(
        self,
        board: DamageableBoard,
        *,
        target: str,
        network: TernaryNetwork | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> CampaignResult:
        """Drive a board through the damage; the board is closed afterwards.

        Args:
            board: The board.
            target: Its name, for the account.
            network: What it runs; a small one by default.
            on_progress: Called with the inferences done and their total.
        """
        try:
            rig = _Rig(board, network or small_network(seed=self.seed), self)
            with rig.server:
                return rig.run(target, on_progress)
        finally:
            board.close()


def damageable_board(target: str) -> DamageableBoard:
    """Start the board of a target that can be harmed: ``host`` or ``qemu:CPU``.

    Raises:
        InvalidValueError: Another target, which could really break.
    """
    scheme, argument, options = parse_target(target)
    if scheme == "host" and not argument and not options:
        return HostBoard(log_executions=True)
    if scheme == "qemu" and not options:
        return QemuBoard(argument)
    message = f"only host and qemu:CPU can be damaged on purpose, but got {target!r}"
    raise InvalidValueError(message)


def patience(target: str) -> RetryPolicy:
    """Return a policy whose attempts outlast the board's answers but not a stall."""
    if target.startswith("qemu:"):
        return RetryPolicy(timeout_s=20.0, attempt_timeout_s=0.5)
    return RetryPolicy(timeout_s=5.0, attempt_timeout_s=0.08)


class _Spy:
    """A transport that notes which inferences were requested over it."""

    def __init__(self, transport: Transport, requested: set[tuple[int, int]]) -> None:
        self._transport = transport
        self._requested = requested
        self._decoder = FrameDecoder()

    def write(self, data: bytes, *, timeout_s: float) -> None:
        for frame in self._decoder.feed(data):
            if isinstance(frame, Frame) and frame.type == Verb.INFER:
                self._requested.add((frame.nonce, frame.sequence))
        self._transport.write(data, timeout_s=timeout_s)

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        return self._transport.read(n_bytes, timeout_s=timeout_s)

    def close(self) -> None:
        self._transport.close()


class _Rig:
    """A board behind a damaged link, and a driver in front of it."""

    def __init__(self, board: DamageableBoard, network: TernaryNetwork, campaign: Campaign) -> None:
        self._board = board
        self._network = network
        self._campaign = campaign
        self._program_bytes = len(pack_program(network))
        self._rng = stream(campaign.seed, "campaign", "corrupt")
        self._info: BoardInfo | None = None
        self._requested: set[tuple[int, int]] = set()
        self._owner: dict[tuple[int, int], int] = {}
        self.faults = Faults(
            campaign.fault,
            rate=campaign.rate,
            seed=campaign.seed,
            reset=board.reset,
            corrupt=self._corrupt,
            times=FaultTimes(stall_s=1.5 * campaign.policy.attempt_timeout_s),
        )
        self.server = BoardServer(board, tamper=self.faults)
        self._tcp = TcpBoard(*self.server.address)
        self._link = LinkSession(lambda: _Spy(self._tcp.connect(), self._requested), policy=campaign.policy)

    def run(self, target: str, on_progress: OnProgress) -> CampaignResult:
        features, expected = self._windows()
        counts: Counter[str] = Counter()
        slowest_s = 0.0
        started = time.monotonic()
        session = self._open()
        for i in range(self._campaign.inferences):
            before = time.monotonic()
            counts[self._one(session, i, features, expected)] += 1
            slowest_s = max(slowest_s, time.monotonic() - before)
            on_progress(i + 1, self._campaign.inferences)
        seconds = time.monotonic() - started
        session.close()
        executed, twice = self._executions()
        right, wrong = counts.pop("right", 0), counts.pop("wrong", 0)
        return CampaignResult(
            target=target,
            fault=self._campaign.fault,
            rate=self._campaign.rate,
            inferences=self._campaign.inferences,
            right=right,
            wrong=wrong,
            errors=MappingProxyType(dict(counts)),
            executed=executed,
            executed_twice=twice,
            injected=self.faults.injected,
            retries=self._link.statistics.retries,
            reloads=session.reloads,
            slowest_s=slowest_s,
            seconds=seconds,
        )

    def _windows(self) -> tuple[Int8Array, Float32Array]:
        rng = stream(self._campaign.seed, "campaign", "windows")
        features = rng.integers(-128, 128, (DISTINCT_WINDOWS, self._network.d_in)).astype(np.int8)
        features[rng.random(features.shape) >= ACTIVE] = 0
        times = np.zeros(len(features), np.int64)
        return features, reference_inference(self._network, features, t_us=times).outputs

    def _open(self) -> BoardSession:
        """Load the network through the damaged link, which may take more than one try."""
        settings = DriverSettings(policy=self._campaign.policy)
        for _ in range(OPEN_ATTEMPTS - 1):
            try:
                return self._greeted(settings)
            except HilError:
                self._link.abandon()
        return self._greeted(settings)

    def _greeted(self, settings: DriverSettings) -> BoardSession:
        session = BoardSession(self._tcp, self._link, self._network, settings=settings)
        self._info = session.info
        return session

    def _one(self, session: BoardSession, i: int, features: Int8Array, expected: Float32Array) -> str:
        window = i % len(features)
        self._requested.clear()
        try:
            answer = session.infer(features[window : window + 1], t_us=np.zeros(1, np.int64))
        except HilError as error:
            verdict = type(error).__name__
        else:
            verdict = "right" if np.array_equal(answer.outputs[0], expected[window]) else "wrong"
        for request in self._requested:
            self._owner[request] = i
        return verdict

    def _executions(self) -> tuple[int | None, int | None]:
        """Return how many inferences the board ran, and how many of ours it ran more than once."""
        account = self._board.executions()
        if account is None:
            return None, None
        ran = [(nonce, sequence) for verb, nonce, sequence in account if verb == Verb.INFER]
        times = Counter(self._owner[request] for request in ran if request in self._owner)
        return len(ran), sum(1 for count in times.values() if count > 1)

    def _corrupt(self) -> None:
        memory = self._board.program_memory(self._info) if self._info is not None else None
        if memory is None:
            return
        at = int(self._rng.integers(self._program_bytes))
        byte = memory.read(at, 1)[0]
        memory.write(at, bytes([byte ^ 1 << int(self._rng.integers(8))]))
