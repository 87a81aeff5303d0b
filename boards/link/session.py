"""The host's end of a link: every request is answered, refused or given up in time, and none is executed twice.

A request keeps its sequence number however often it is sent, and the board keeps its last answer, so a retry can only
bring that answer again (the at-most-once rule of Birrell & Nelson, ACM TOCS 2, 1984). A broken transport is reopened
under the same session. Only a board that has forgotten the session ends it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from boards.link.errors import BoardResetError, FrameError, RefusedError, VersionError
from boards.link.frames import Frame, FrameDecoder
from boards.link.verbs import NAK, REPLY, VERSION, Status, Verb
from hil.closing import Closing
from hil.errors import DeadlineError, HilError, InvalidValueError, LinkError, TargetUnavailableError
from hil.ports import Transport

__all__ = ["LinkSession", "LinkStatistics", "RetryPolicy"]

logger = logging.getLogger(__name__)

READ_BYTES = 65536
RECONNECT_PAUSE_S = 0.05
FIRST_GREETING_TIMEOUT_S = 0.25
"""A board that is still starting hears nothing; greet it again soon, and then less and less often."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How hard to try.

    Attributes:
        timeout_s: Deadline of a request, retries included.
        attempt_timeout_s: How long to wait for an answer before asking again.
        attempts: How often to ask at most.
        reconnects: How often to reopen a broken transport for one request at most.
    """

    timeout_s: float = 60.0
    attempt_timeout_s: float = 5.0
    attempts: int = 32
    reconnects: int = 5

    def __post_init__(self) -> None:
        """Refuse a policy that never asks."""
        if not (self.timeout_s > 0 and self.attempt_timeout_s > 0 and self.attempts >= 1 and self.reconnects >= 0):
            got = (
                f"timeout_s={self.timeout_s:g}, attempt_timeout_s={self.attempt_timeout_s:g}, attempts={self.attempts}"
            )
            message = f"a link needs positive time-outs and at least one attempt, but got {got}"
            raise InvalidValueError(message)


@dataclass(slots=True)
class LinkStatistics:
    """What crossed the link so far.

    Attributes:
        requests: Requests that were answered.
        payload_bytes: Their payloads and their answers' payloads, each counted once.
        wire_bytes: Every byte written or read.
        retries: Requests sent again.
        naks: Frames of ours that the board could not read.
        damaged: Frames of the board's that we could not read.
        late: Answers that came after their request had been given up or answered.
        reconnects: Times the transport was reopened.
    """

    requests: int = 0
    payload_bytes: int = 0
    wire_bytes: int = 0
    retries: int = 0
    naks: int = 0
    damaged: int = 0
    late: int = 0
    reconnects: int = 0

    @property
    def overhead(self) -> float:
        """Share of the bytes on the wire that were not payload, 0 to 1."""
        return 1.0 - self.payload_bytes / self.wire_bytes if self.wire_bytes else 0.0

    def as_counters(self) -> dict[str, float]:
        """Return the counts under names that say what they are."""
        return {f"link_{name}": float(value) for name, value in asdict(self).items()}


class LinkSession(Closing):
    """Requests and answers over one board's transport.

    Args:
        connect: Opens the transport; called again when it breaks.
        policy: How hard to try.
        draw_nonce: Names a session; a random non-zero 32-bit number unless a test wants otherwise.
    """

    def __init__(
        self,
        connect: Callable[[], Transport],
        *,
        policy: RetryPolicy | None = None,
        draw_nonce: Callable[[], int] = lambda: secrets.randbelow(2**32 - 1) + 1,
    ) -> None:
        self.policy = policy or RetryPolicy()
        self.statistics = LinkStatistics()
        self._wire = _Wire(connect, self.statistics)
        self._draw_nonce = draw_nonce
        self._nonce = 0
        self._sequence = 0

    @property
    def is_open(self) -> bool:
        """Whether a board has answered a greeting and nothing has gone wrong since."""
        return self._nonce != 0

    def open(self, *, timeout_s: float | None = None) -> bytes:
        """Greet the board under a fresh nonce and return its description.

        Raises:
            VersionError: The board speaks another version of the protocol.
            DeadlineError: No answer in time.
            TargetUnavailableError: The transport cannot be opened.
        """
        self._nonce, self._sequence = self._draw_nonce(), 0
        return self._exchange(Frame(Verb.HELLO, 0, self._nonce), timeout_s)

    def request(self, verb: int, payload: bytes = b"", *, timeout_s: float | None = None) -> bytes:
        """Ask the board one thing and return the payload of its answer.

        After any error but RefusedError the session is over, because nobody knows what the board did: ``open`` it
        again before the next request.

        Raises:
            RefusedError: The board said no; nothing was executed.
            BoardResetError: The board has forgotten the session.
            DeadlineError: No answer in time; whether it was executed is unknown.
            TargetUnavailableError: The transport broke and could not be reopened.
            LinkError: The session is not open, or the board's answer breaks the protocol.
        """
        if not self.is_open:
            message = "the session must be opened before a request, or again after an error"
            raise LinkError(message)
        self._sequence = (self._sequence + 1) % 2**16
        return self._exchange(Frame(verb, self._sequence, self._nonce, payload), timeout_s)

    def abandon(self) -> None:
        """End the session without telling the board; the next use must ``open`` it."""
        self._nonce = 0

    def close(self) -> None:
        """Close the transport; may be called twice."""
        self.abandon()
        self._wire.close()

    def _exchange(self, frame: Frame, timeout_s: float | None) -> bytes:
        timeout_s = self.policy.timeout_s if timeout_s is None else timeout_s
        try:
            answer = _Exchange(self._wire, self.policy, frame, timeout_s).run()
        except RefusedError:
            raise
        except HilError:
            self.abandon()
            raise
        self.statistics.requests += 1
        self.statistics.payload_bytes += len(frame.payload) + len(answer)
        return answer


class _Wire:
    """A transport that is opened when it is needed, and what crossed it."""

    def __init__(self, connect: Callable[[], Transport], statistics: LinkStatistics) -> None:
        self.statistics = statistics
        self._connect = connect
        self._transport: Transport | None = None
        self._decoder = FrameDecoder()
        self.closed = False

    def write(self, data: bytes, *, timeout_s: float) -> None:
        logger.debug("to board   %s", data.hex())
        self._ready().write(data, timeout_s=timeout_s)
        self.statistics.wire_bytes += len(data)

    def read(self, *, timeout_s: float) -> list[Frame | FrameError]:
        data = self._ready().read(READ_BYTES, timeout_s=timeout_s)
        logger.debug("from board %s", data.hex())
        self.statistics.wire_bytes += len(data)
        return self._decoder.feed(data)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._decoder = FrameDecoder()

    def close(self) -> None:
        self.closed = True
        self.drop()

    def _ready(self) -> Transport:
        if self.closed:
            message = "the link is closed; make a new one"
            raise TargetUnavailableError(message)
        if self._transport is None:
            self._transport = self._connect()
        return self._transport


class _Exchange:
    """One request, from first sending to answer, refusal or giving up."""

    def __init__(self, wire: _Wire, policy: RetryPolicy, frame: Frame, timeout_s: float) -> None:
        self._wire = wire
        self._policy = policy
        self._frame = frame
        self._bytes = frame.encode()
        self._deadline = time.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._tried = 0
        self._sent = 0
        self._reconnects = 0

    def run(self) -> bytes:
        while self._tried < self._policy.attempts and time.monotonic() < self._deadline:
            try:
                answer = self._attempt()
            except TargetUnavailableError as error:
                self._reconnect(error)
                continue
            if answer is not None:
                return answer
        message = (
            f"no answer to {_name(self._frame.type)} within {self._timeout_s:g} s and {self._tried} attempts; "
            + self._guess()
        )
        raise DeadlineError(message)

    @property
    def _is_first(self) -> bool:
        return self._frame.type == Verb.HELLO

    def _guess(self) -> str:
        if self._is_first:
            return "is the board running this project's firmware?"
        return "it answered before, so it, or what serves it, has stopped: start it again"

    def _remaining_s(self) -> float:
        attempt_s = self._policy.attempt_timeout_s
        if self._is_first:
            attempt_s = min(attempt_s, FIRST_GREETING_TIMEOUT_S * 2.0 ** min(self._tried, 16))
        return min(attempt_s, max(self._deadline - time.monotonic(), 0.001))

    def _attempt(self) -> bytes | None:
        if self._tried:
            self._wire.statistics.retries += 1
        self._tried += 1
        try:
            self._wire.write(self._bytes, timeout_s=self._remaining_s())
            self._sent += 1  # a frame that was not taken to its last byte cannot have been executed
            return self._await_answer(time.monotonic() + self._remaining_s())
        except DeadlineError:
            return None

    def _await_answer(self, until: float) -> bytes | None:
        """Return the answer, or None when the request has to be sent again."""
        while True:
            items = self._wire.read(timeout_s=max(until - time.monotonic(), 0.001))
            again = False
            for item in items:
                if isinstance(item, FrameError):
                    self._wire.statistics.damaged += 1
                    again = True
                elif item.type == NAK:
                    self._heed_nak(item)
                    again = True
                elif self._is_answer(item):
                    return self._judge(item)
            if again or time.monotonic() > until:
                return None

    def _heed_nak(self, nak: Frame) -> None:
        self._wire.statistics.naks += 1
        if nak.status == Status.BAD_VERSION or nak.version != VERSION:
            message = f"the board refuses protocol version {VERSION}; it answers in version {nak.version}"
            raise VersionError(message)

    def _is_answer(self, item: Frame) -> bool:
        if item.version != VERSION:
            message = f"this host speaks protocol version {VERSION}, but the board answers in version {item.version}"
            raise VersionError(message)
        expected = (self._frame.type | REPLY, self._frame.sequence, self._frame.nonce)
        if (item.type, item.sequence, item.nonce) == expected:
            return True
        self._wire.statistics.late += 1
        return False

    def _judge(self, answer: Frame) -> bytes:
        name = _name(self._frame.type)
        if answer.status == Status.OK:
            return answer.payload
        if answer.status == Status.NO_SESSION:
            message = (
                f"the board has forgotten the session when asked to {name}: it was reset, or another host took it; "
                "run again, or let a target's ?recover=reload do so"
            )
            raise BoardResetError(message, maybe_executed=self._sent > 1)
        if answer.status == Status.BAD_SEQUENCE:
            message = f"the board expects another sequence number than {self._frame.sequence} for {name}"
            raise LinkError(message)
        message = f"the board refused {name}: {Status.describe(answer.status)}"
        raise RefusedError(message, status=answer.status)

    def _reconnect(self, error: TargetUnavailableError) -> None:
        if self._wire.closed:
            raise error
        self._wire.drop()
        self._reconnects += 1
        if self._reconnects > self._policy.reconnects or time.monotonic() > self._deadline:
            if self._is_first:
                raise error
            message = f"the connection was lost at {_name(self._frame.type)} and does not come back: {error}"
            raise TargetUnavailableError(message) from error
        self._wire.statistics.reconnects += 1
        logger.info("transport broke (%s); opening it again", error)
        time.sleep(min(RECONNECT_PAUSE_S * self._reconnects, max(self._deadline - time.monotonic(), 0.0)))


def _name(verb: int) -> str:
    return Verb(verb).name if verb in Verb._value2member_map_ else f"verb 0x{verb:02x}"
