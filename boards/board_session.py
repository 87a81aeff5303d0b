"""A board that holds one network, and never hands out an answer that may be wrong.

What can happen on a wire or a bench is met here: a flipped bit is asked again, a broken connection is opened again, a
board that was reset or whose memory changed is loaded again or reported, and every answer is checked twice: the board
counts its executions, and its program memory is read back by CRC before the answers of a call are handed out.
"""

from __future__ import annotations

import logging
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from boards.board import Board
from boards.info import READY, BoardInfo
from boards.link import BoardResetError, LinkSession, ProgramLostError, RefusedError, RetryPolicy, Status, Verb
from boards.loading import OFFSET_BYTES, PieceSize, load_program
from boards.payloads import STAGED, Answer, decode_values, encode_input, infer_request
from boards.program import Kernel, pack_program
from hil.closing import Closing
from hil.errors import DeadlineError, HilError, InvalidValueError, LinkError, TargetUnavailableError
from hil.network import TernaryNetwork
from hil.progress import OnProgress, ignore_progress
from hil.types import Inference, Int8Array, Int32Array, Int64Array, LayerTrace, Telemetry

__all__ = ["BoardSession", "DriverSettings", "Recovery"]

logger = logging.getLogger(__name__)

Recovery: TypeAlias = Literal["raise", "reload"]

RERUNS = 3
INFER_HEAD_BYTES = 16
ACCUMULATORS, ACTIVATIONS = 0, 1
SECONDS_PER_NANOSECOND = 1e-9


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """How a board is driven.

    Attributes:
        policy: How hard the link tries.
        recover: What to do when a board was reset, or its program memory changed, while something was under way:
            ``raise`` says so, and the next call loads the board again; ``reload`` loads it and runs the call again.
            A request that certainly did not run is asked again in either case.
        kernel: Which kernel layers are packed for.
        read_back: Whether each call ends with a CRC over the board's program memory.
        record: Log of every byte, or None.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    recover: Recovery = "raise"
    kernel: Kernel = "auto"
    read_back: bool = True
    record: Path | None = None


class BoardSession(Closing):
    """A board that holds one network.

    Args:
        board: The board; closed with the session.
        link: The link to it; closed with the session.
        network: What to run.
        settings: How to drive it.
        on_close: Called last.
    """

    def __init__(
        self,
        board: Board,
        link: LinkSession,
        network: TernaryNetwork,
        *,
        settings: DriverSettings,
        on_progress: OnProgress = ignore_progress,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._board = board
        self._link = link
        self._network = network
        self._settings = settings
        self._on_close = on_close
        self._program = pack_program(network, kernel=settings.kernel)
        self._executed = 0
        self._ran = False  # whether the call under way may have executed anything
        self.reloads = 0
        """Times the board had to be loaded again."""
        started = time.monotonic()
        self.info = self._greet()
        self._piece = PieceSize(link, self.info.max_payload_bytes, fixed=settings.record is not None)
        self.already_there = self._holds_program()
        """Whether the board held the program before we came."""
        if not self.already_there:
            self._load_first(on_progress)
        self.load_s = time.monotonic() - started
        """Seconds from the first greeting to the committed program."""

    def infer(
        self,
        features: Int8Array,
        *,
        t_us: Int64Array,
        trace: bool = False,
        on_progress: OnProgress = ignore_progress,
    ) -> Inference:
        """Run windows through the board.

        Args:
            features: (n, d_in) int8.
            t_us: (n,) int64, never decreasing; a board does not age, so it is only checked.
            trace: Whether to return what each layer computed; a board without room for that says nothing of it.
            on_progress: Called with the windows done and their total.

        Raises:
            BoardResetError: The board was reset under way (and ``recover`` is ``raise``).
            ProgramLostError: Its program memory changed; what it answered since the last call is not handed out.
            DeadlineError: It does not answer.
        """
        self._check_windows(features, t_us)
        if trace and not self.info.can_trace(self._network):
            logger.warning(
                "%s has no room to trace %r; only outputs can be compared", self.info.name, self._network.name
            )
            trace = False
        before = self._link.statistics.as_counters()
        started = time.monotonic()
        answers = self._answered(features, trace=trace, tell=on_progress)
        wall_s = time.monotonic() - started
        telemetry = self._telemetry(answers, wall_s=wall_s, before=before)
        outputs = np.array([answer.outputs for answer in answers], np.int32).reshape(len(answers), self._network.d_out)
        return Inference(self._network.embed(outputs), telemetry, self._traces(answers) if trace else ())

    @property
    def program_bytes(self) -> int:
        """Length of the program on the board."""
        return len(self._program)

    @property
    def program_crc(self) -> int:
        """CRC-32 of the program on the board."""
        return zlib.crc32(self._program)

    def check_memory(self) -> bool:
        """Read the board's program memory back by CRC and say whether it holds what was loaded."""
        found = self._link.request(Verb.CHECK)
        return found == struct.pack("<II", self.program_bytes, self.program_crc)

    def close(self) -> None:
        """Let go of the board; may be called twice."""
        self._link.close()
        self._board.close()
        self._on_close()

    def _check_windows(self, features: Int8Array, t_us: Int64Array) -> None:
        d_in = self._network.d_in
        if features.dtype != np.int8 or features.ndim != 2 or features.shape[1] != d_in:
            message = f"features must be (n, {d_in}) int8, but are {features.shape} {features.dtype}"
            raise InvalidValueError(message)
        if t_us.shape != (len(features),) or (np.diff(t_us) < 0).any():
            message = f"t_us must hold one time per window, never decreasing, but is {t_us.shape}"
            raise InvalidValueError(message)

    def _answered(self, features: Int8Array, *, trace: bool, tell: OnProgress) -> list[_Window]:
        """Return one answer per window, all computed by the program we loaded."""
        for _ in range(RERUNS):
            try:
                return self._attempt(features, trace=trace, tell=tell)
            except (BoardResetError, ProgramLostError) as error:
                if self._ran and self._settings.recover == "raise":
                    raise
                logger.warning("running %d windows again: %s", len(features), error)
        return self._attempt(features, trace=trace, tell=tell)

    def _attempt(self, features: Int8Array, *, trace: bool, tell: OnProgress) -> list[_Window]:
        self._ran = False
        try:
            self._ensure_ready()
            answers = []
            for values in features:
                answers.append(self._window(values, trace=trace))
                tell(len(answers), len(features))
            self._prove_memory()
        except HilError:
            self._link.abandon()  # greet the board before it is used again, and see what it holds
            raise
        return answers

    def _window(self, values: Int8Array, *, trace: bool) -> _Window:
        answer = self._infer(values, trace=trace)
        outputs = self._rest(answer.outputs, len(self._network.layers) - 1, ACTIVATIONS)
        return _Window(answer.count, outputs, tuple(self._read_layers(outputs)) if trace else ())

    def _infer(self, values: Int8Array, *, trace: bool) -> Answer:
        encoding, data = encode_input(values)
        if len(data) + OFFSET_BYTES > self.info.max_payload_bytes:
            encoding, data = self._stage(values), b""
        wanted = min(self._network.d_out, (self._piece.now() - INFER_HEAD_BYTES) // 4)
        answer = Answer.decode(self._execute(infer_request(encoding, data, outputs=wanted, trace=trace)))
        self._executed = (self._executed + 1) % 2**32
        if answer.executed != self._executed or len(answer.outputs) != wanted:
            self._link.abandon()
            message = f"the board has executed {answer.executed} inferences, but was asked for {self._executed}"
            raise LinkError(message)
        return answer

    def _execute(self, request: bytes) -> bytes:
        try:
            answer = self._link.request(Verb.INFER, request)
        except BoardResetError as error:
            self._ran |= error.maybe_executed
            raise
        self._ran = True
        return answer

    def _stage(self, values: Int8Array) -> int:
        data = values.tobytes()
        at = 0
        while at < len(data):
            piece = data[at : at + self._piece.now() - OFFSET_BYTES]
            self._link.request(Verb.INPUT, struct.pack("<I", at) + piece)
            at += len(piece)
        return STAGED

    def _rest(self, values: Int32Array, layer: int, what: int) -> Int32Array:
        """Return all of a layer's values, of which the first may already be here."""
        d_out = self._network.layers[layer].d_out
        parts, at = [values], len(values)
        while at < d_out:
            count = min(d_out - at, (self._piece.now() - OFFSET_BYTES) // 4)
            request = struct.pack("<BBHI", layer, what, count, at)
            parts.append(decode_values(self._link.request(Verb.READ, request)))
            at += count
        return np.concatenate(parts)

    def _read_layers(self, outputs: Int32Array) -> Iterator[LayerTrace]:
        nothing = np.empty(0, np.int32)
        last = len(self._network.layers) - 1
        for i in range(last + 1):
            accumulator = self._rest(nothing, i, ACCUMULATORS)
            activation = outputs if i == last else self._rest(nothing, i, ACTIVATIONS).astype(np.int8)
            yield LayerTrace(accumulator, activation)

    def _traces(self, answers: list[_Window]) -> tuple[LayerTrace, ...]:
        traces = []
        for i, layer in enumerate(self._network.layers):
            dtype = np.int8 if layer.requantisation is not None else np.int32
            accumulators = np.array([answer.layers[i].accumulator for answer in answers], np.int32)
            activations = np.array([answer.layers[i].activation for answer in answers], dtype)
            shape = (len(answers), layer.d_out)
            traces.append(LayerTrace(accumulators.reshape(shape), activations.reshape(shape)))
        return tuple(traces)

    def _telemetry(self, answers: list[_Window], *, wall_s: float, before: Mapping[str, float]) -> Telemetry:
        source = self.info.time_source
        counted = float(sum(answer.count for answer in answers))
        seconds = counted * SECONDS_PER_NANOSECOND if self.info.counter else wall_s
        after = self._link.statistics.as_counters()
        counters = {name: after[name] - before[name] for name in after}
        counters |= {"board_reloads_max": float(self.reloads), "load_wall_s_max": self.load_s, "wall_s": wall_s}
        return Telemetry(
            time_source=source,
            time=seconds if source == "wall" else counted,
            counters=MappingProxyType(counters),
            provenance=MappingProxyType(self._provenance()),
        )

    def _provenance(self) -> dict[str, str]:
        return {
            **self._board.provenance,
            "board": self.info.name,
            "firmware_sha256": self.info.firmware_hash,
            "compiler": self.info.compiler,
            "program_crc32": f"{self.program_crc:08x}",
            "network_sha256": self._network.digest,
        }

    def _greet(self) -> BoardInfo:
        info = BoardInfo.decode(self._link.open())
        expected = self._board.expected_firmware
        if expected is not None and info.firmware_hash != expected:
            message = f"the board must run firmware {expected}, but runs {info.firmware_hash}"
            raise LinkError(message)
        self._executed = info.executed
        return info

    def _load_first(self, on_progress: OnProgress) -> None:
        """Load the program, and from its start again when the board was reset: nothing has run that could run twice."""
        for _ in range(RERUNS):
            try:
                return self._load(on_progress)
            except BoardResetError as error:
                logger.warning("loading the board again: %s", error)
                self.reloads += 1
                self.info = self._greet()
        return self._load(on_progress)

    def _load(self, on_progress: OnProgress) -> None:
        self.info.refuse_misfit(self._network, len(self._program))
        try:
            load_program(self._link, self._board, self.info, self._program, piece=self._piece, on_progress=on_progress)
        except RefusedError as error:
            if error.status == Status.TOO_LARGE:
                message = f"network {self._network.name!r} does not fit {self.info.name}: {error}"
                raise InvalidValueError(message) from error
            raise

    def _ensure_ready(self) -> None:
        """Greet the board again after an error, and load it again unless it still holds the program."""
        if self._link.is_open:
            return
        try:
            self.info = self._greet()
        except (DeadlineError, TargetUnavailableError) as error:
            logger.warning("the board does not answer; resetting it once: %s", error)
            self._board.restart()
            self.info = self._greet()
        if not self._holds_program():
            self.reloads += 1
            logger.warning("the board has lost its program; loading it again")
            self._load(ignore_progress)

    def _holds_program(self) -> bool:
        return self.info.state == READY and self.info.program_crc == self.program_crc and self.check_memory()

    def _prove_memory(self) -> None:
        if self._settings.read_back and not self.check_memory():
            message = (
                f"program memory of the board no longer has CRC {self.program_crc:08x}; what it answered since it was "
                f"last read back is not to be trusted"
            )
            raise ProgramLostError(message)


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """One window's answer: what the counter moved, (d_out,) outputs, and a trace with one row per layer."""

    count: int
    outputs: Int32Array
    layers: tuple[LayerTrace, ...]
