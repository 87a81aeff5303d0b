"""Plays a recording at its own pace into whatever takes it, and says exactly what became of every event.

One engine serves two clocks. On a ``VirtualClock`` time passes only when somebody says so: the run is as fast as the
machine and the same every time. On a ``WallClock`` packets are due when they happened, at any speed. There is no
second thread: what a perfect producer would have queued while the consumer was busy is worked out when the consumer
asks, from the times in the recording. So the queue is exact, runs are repeatable given the consumer's times, and
nothing competes with the consumer for the processor.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, dropwhile
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from hil.errors import DeadlineError, InvalidValueError
from hil.lateness import Lateness
from hil.ports import EventSource
from hil.types import EventBatch, Geometry

__all__ = ["Account", "Clock", "Looped", "Pace", "Policy", "Replay", "Timed", "VirtualClock", "WallClock"]

Policy: TypeAlias = Literal["block", "drop-oldest", "drop-newest"]


class Timed(Protocol):
    """A packet: a stretch of events that is complete, and so due, at its end; ``sensors.windows.Window`` is one."""

    @property
    def start_us(self) -> int:
        """Beginning of the stretch in stream time."""
        ...

    @property
    def end_us(self) -> int:
        """When the stretch is complete in stream time."""
        ...

    @property
    def events(self) -> EventBatch:
        """Its events."""
        ...


Packet = TypeVar("Packet", bound=Timed)


class Clock(Protocol):
    """Where seconds come from."""

    def now_s(self) -> float:
        """Return the time; only differences mean something."""
        ...

    def wait_until(self, at_s: float, wake: threading.Event) -> None:
        """Return at that time, or earlier when ``wake`` is set."""
        ...


class WallClock:
    """Real time, monotonic."""

    def now_s(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def wait_until(self, at_s: float, wake: threading.Event) -> None:
        """Sleep."""
        wake.wait(max(0.0, at_s - self.now_s()))


class VirtualClock:
    """Time that stands still while code runs; a model of a slow consumer advances it itself."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        """Return seconds since the clock was made."""
        return self._now_s

    def wait_until(self, at_s: float, wake: threading.Event) -> None:
        """Jump there at once."""
        self._now_s = max(self._now_s, at_s)

    def advance(self, duration_s: float) -> None:
        """Let time pass, as if the caller had worked that long.

        Raises:
            InvalidValueError: The duration is negative.
        """
        if not duration_s >= 0:
            message = f"time passes forwards, but got {duration_s} s"
            raise InvalidValueError(message)
        self._now_s += duration_s


@dataclass(frozen=True, slots=True)
class Pace:
    """How a recording is played.

    Attributes:
        speed: Stream seconds per second.
        policy: What happens to a packet that is due while the queue is full: ``block`` holds the stream back,
            ``drop-oldest`` makes room for it, ``drop-newest`` refuses it.
        capacity: Packets that wait for the consumer at most.
        step_locked: Whether the stream stands still while the consumer works, as a slow board needs it: packets come
            no faster than the pace, none is late and none is lost. The policy is not used.
    """

    speed: float = 1.0
    policy: Policy = "block"
    capacity: int = 64
    step_locked: bool = False

    def __post_init__(self) -> None:
        """Refuse a pace that is none."""
        if not 0 < self.speed < float("inf"):
            message = f"replay speed must be positive and finite, but is {self.speed}; a virtual clock is the fastest"
            raise InvalidValueError(message)
        if self.policy not in ("block", "drop-oldest", "drop-newest"):
            message = f"the policy is block, drop-oldest or drop-newest, but got {self.policy!r}"
            raise InvalidValueError(message)
        if self.capacity < 1:
            message = f"the queue must hold at least 1 packet, but its capacity is {self.capacity}"
            raise InvalidValueError(message)


@dataclass(frozen=True, slots=True)
class Account:
    """What became of everything that was due: ``received == delivered + dropped + queued``, always.

    Attributes:
        received: Events that were due.
        delivered: Events the consumer took.
        dropped: Events that found no room, were flushed by a seek, or that the consumer refused.
        queued: Events that wait.
        packets_received: The same in packets.
        packets_delivered: The same in packets.
        packets_dropped: The same in packets.
        packets_queued: The same in packets.
    """

    received: int = 0
    delivered: int = 0
    dropped: int = 0
    queued: int = 0
    packets_received: int = 0
    packets_delivered: int = 0
    packets_dropped: int = 0
    packets_queued: int = 0


class _Ledger:
    """Counts events and packets at each of three gates; what is queued is counted, not derived."""

    def __init__(self) -> None:
        self.counts = {"received": [0, 0], "delivered": [0, 0], "dropped": [0, 0]}

    def add(self, gate: str, packet: Timed, sign: int = 1) -> None:
        events, packets = self.counts[gate]
        self.counts[gate] = [events + sign * len(packet.events), packets + sign]


class Replay(Generic[Packet]):
    """Hands out packets when they are due; iterate it, or call ``next_packet`` with a deadline.

    ``pause``, ``resume``, ``seek`` and ``stop`` may be called from any thread; packets are taken by one.

    Args:
        packets: In time order; iterated again by ``seek``.
        pace: How fast, and what a full queue means.
        clock: Real or virtual time; real when not given.
    """

    def __init__(self, packets: Iterable[Packet], pace: Pace | None = None, *, clock: Clock | None = None) -> None:
        self.pace = pace or Pace()
        self.lateness = Lateness()
        self.held_s = 0.0
        self._clock = clock or WallClock()
        self._packets = packets
        self._coming = iter(packets)
        self._next: Packet | None = None
        self._after_next: Packet | None = None
        self._queue: deque[tuple[Packet, float]] = deque()
        self._ledger = _Ledger()
        self._origin: tuple[float, int] | None = None
        self._paused_at_s: float | None = None
        self._stopped = False
        self._lock = threading.RLock()
        self._wake = threading.Event()

    def __iter__(self) -> Iterator[Packet]:
        """Yield packets when they are due, until the recording ends or ``stop`` is called."""
        while (packet := self.next_packet()) is not None:
            yield packet

    def next_packet(self, *, timeout_s: float | None = None) -> Packet | None:
        """Return the next packet as soon as it is due, or None at the end.

        Args:
            timeout_s: Longest wait by the replay's clock (in real time while it is paused); None waits as long as it
                takes.

        Raises:
            DeadlineError: Nothing was due in time.
        """
        give_up_s = None if timeout_s is None else self._clock.now_s() + timeout_s
        while True:
            with self._lock:
                self._wake.clear()
                if self._stopped:
                    return None
                wait_until_s = self._advance()
                packet = self._take()
                if packet is not None or (wait_until_s is None and self._paused_at_s is None):
                    return packet
                self._look_ahead()
            self._wait(wait_until_s, give_up_s)

    def _advance(self) -> float | None:
        """Admit what is due by now; return when the next packet is due, None when none is or time stands still."""
        if self._paused_at_s is not None:
            return None
        self._fetch()
        if self.pace.step_locked:
            self._admit_in_step()
        else:
            self._admit_due()
        return None if self._next is None else self._due_s(self._next)

    def _fetch(self) -> None:
        if self._next is None:
            ahead, self._after_next = self._after_next, None
            self._next = next(self._coming, None) if ahead is None else ahead
        if self._origin is None and self._next is not None:
            self._origin = (self._clock.now_s(), self._next.start_us)

    def _look_ahead(self) -> None:
        """Read one packet more while nothing is due, so that none is late because the one behind it is being read."""
        if self._after_next is None and self._next is not None:
            self._after_next = next(self._coming, None)

    def _admit_due(self) -> None:
        while self._next is not None and (due_s := self._due_s(self._next)) <= self._clock.now_s():
            full = len(self._queue) >= self.pace.capacity
            if full and self.pace.policy == "block":
                return
            self._ledger.add("received", self._next)
            if full:
                self._drop(self._next)
            if not full or self.pace.policy == "drop-oldest":
                self._queue.append((self._next, due_s))
            self._next = None
            self._fetch()

    def _drop(self, newest: Packet) -> None:
        oldest = self.pace.policy == "drop-oldest"
        self._ledger.add("dropped", self._queue.popleft()[0] if oldest else newest)

    def _admit_in_step(self) -> None:
        """Admit one packet; where the consumer took longer than the packet lasts, move the stream's clock instead."""
        if self._next is None or self._queue:
            return
        late_s = self._clock.now_s() - self._due_s(self._next)
        if late_s >= 0:
            self.held_s += late_s
            self._shift(late_s)
            self._ledger.add("received", self._next)
            self._queue.append((self._next, self._clock.now_s()))
            self._next = None

    def _take(self) -> Packet | None:
        if self._paused_at_s is not None or not self._queue:
            return None
        packet, due_s = self._queue.popleft()
        self._ledger.add("delivered", packet)
        self.lateness.add(max(0.0, self._clock.now_s() - due_s) * 1e6)
        return packet

    def _wait(self, at_s: float | None, give_up_s: float | None) -> None:
        if at_s is None:  # paused: wait in real time, whatever the clock, until somebody calls
            left_s = None if give_up_s is None else give_up_s - self._clock.now_s()
            if not self._wake.wait(left_s):
                message = "the replay is paused and was not resumed in time; call resume() or allow more time"
                raise DeadlineError(message)
            return
        self._clock.wait_until(at_s if give_up_s is None else min(at_s, give_up_s), self._wake)
        if give_up_s is not None and give_up_s < at_s and self._clock.now_s() >= give_up_s:
            message = f"no packet was due in time; the next one is due {at_s - give_up_s:.6f} s after the deadline"
            raise DeadlineError(message)

    def _due_s(self, packet: Packet) -> float:
        origin_s, start_us = self._origin or (0.0, 0)
        return origin_s + (packet.end_us - start_us) / (1e6 * self.pace.speed)

    def _shift(self, duration_s: float) -> None:
        if self._origin is not None:
            self._origin = (self._origin[0] + duration_s, self._origin[1])

    def stream_time_us(self) -> float:
        """Return where the stream is now, in its own microseconds; 0 before it starts."""
        with self._lock:
            if self._origin is None:
                return 0.0
            now_s = self._clock.now_s() if self._paused_at_s is None else self._paused_at_s
            return self._origin[1] + (now_s - self._origin[0]) * 1e6 * self.pace.speed

    def pause(self) -> None:
        """Let the stream stand still; packets that are queued wait as well."""
        with self._lock:
            if self._paused_at_s is None:
                self._paused_at_s = self._clock.now_s()
            self._wake.set()

    def resume(self) -> None:
        """Go on where ``pause`` stopped: the pause makes nothing late."""
        with self._lock:
            if self._paused_at_s is not None:
                paused_s = self._clock.now_s() - self._paused_at_s
                self._queue = deque((packet, due_s + paused_s) for packet, due_s in self._queue)
                self._shift(paused_s)
                self._paused_at_s = None
            self._wake.set()

    def seek(self, t_us: int) -> None:
        """Go on with the packet that holds this stream time, forwards or backwards; what was queued is dropped.

        Raises:
            InvalidValueError: The packets can be iterated only once.
        """
        again = iter(self._packets)
        if again is self._packets:
            message = "seeking needs packets that can be iterated again, such as sensors.windows.TimeWindows"
            raise InvalidValueError(message)
        with self._lock:
            while self._queue:
                self._ledger.add("dropped", self._queue.popleft()[0])
            self._coming = dropwhile(lambda packet: packet.end_us <= t_us, again)
            self._next = self._after_next = None
            now_s = self._clock.now_s() if self._paused_at_s is None else self._paused_at_s
            self._origin = (now_s, t_us)
            self._wake.set()

    def stop(self) -> None:
        """End the replay: ``next_packet`` returns None from now on, and the account stands."""
        with self._lock:
            self._stopped = True
            self._wake.set()

    def refuse(self, packet: Packet) -> None:
        """Count a packet that was handed out as dropped after all, because the consumer could not pass it on."""
        with self._lock:
            self._ledger.add("delivered", packet, -1)
            self._ledger.add("dropped", packet)

    @property
    def account(self) -> Account:
        """What became of everything that was due so far."""
        with self._lock:
            events, packets = ({gate: pair[i] for gate, pair in self._ledger.counts.items()} for i in (0, 1))
            return Account(
                **events,
                queued=sum(len(packet.events) for packet, _ in self._queue),
                **{f"packets_{gate}": n for gate, n in packets.items()},
                packets_queued=len(self._queue),
            )


@dataclass(frozen=True, slots=True)
class Looped:
    """A source that starts again when it ends; time goes on, one microsecond after the last event.

    Attributes:
        source: Can be iterated again.
        times: How often; None for ever.
    """

    source: EventSource
    times: int | None = None

    def __post_init__(self) -> None:
        """Refuse to play nothing."""
        if self.times is not None and self.times < 1:
            message = f"a source is played at least once, but got {self.times} times"
            raise InvalidValueError(message)

    @property
    def geometry(self) -> Geometry:
        """Size of the sensor."""
        return self.source.geometry

    def __iter__(self) -> Iterator[EventBatch]:
        """Yield the batches of every round, with times that never go back."""
        offset_us = 0
        for _ in range(self.times) if self.times is not None else count():
            first_us = end_us = None
            for batch in self.source:
                first_us = int(batch.t[0]) if first_us is None else first_us
                end_us = int(batch.t[-1]) + 1
                yield EventBatch.unchecked(batch.t + offset_us, batch.x, batch.y, batch.p) if offset_us else batch
            if first_us is None or end_us is None:
                return
            offset_us += end_us - first_us
