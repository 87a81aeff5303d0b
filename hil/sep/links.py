"""Links inside one process: whoever joins the same bus hears what the others send, framed as on a real wire."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from threading import Lock
from weakref import WeakValueDictionary

import numpy as np

from hil.errors import DeadlineError, InvalidValueError, TargetUnavailableError
from hil.registry import refuse_unknown_options
from hil.rng import stream
from hil.sep.framing import Deframer, frame

__all__ = ["MemoryBus", "MemoryLink", "MemoryLinks", "memory_links"]

INBOX_FRAMES = 4096


class MemoryBus:
    """A shared medium; every member hears every other.

    Args:
        loss: Share of copies that never arrive, 0 to 1; drawn for each listener.
        rng: Draws the losses; needed when there are any.
    """

    def __init__(self, *, loss: float = 0.0, rng: np.random.Generator | None = None) -> None:
        if not 0.0 <= loss <= 1.0 or (loss > 0 and rng is None):
            raise InvalidValueError(
                f"loss is a share from 0 to 1 with a generator to draw it, but is {loss} with {rng}"
            )
        self.bytes_sent = 0
        self.frames_sent = 0
        self._loss = loss
        self._rng = rng
        self._members: list[MemoryLink] = []
        self._lock = Lock()

    def join(self) -> MemoryLink:
        """Return a new member's end."""
        link = MemoryLink(self)
        with self._lock:
            self._members.append(link)
        return link

    def leave(self, link: MemoryLink) -> None:
        """Forget a member; one who is not there is fine."""
        with self._lock:
            self._members = [member for member in self._members if member is not link]

    def carry(self, data: bytes, sender: MemoryLink, *, timeout_s: float) -> None:
        """Hand one frame to every other member.

        Raises:
            DeadlineError: A member's inbox stayed full.
        """
        with self._lock:
            listeners = [member for member in self._members if member is not sender and not self._drops()]
            self.bytes_sent += len(data)
            self.frames_sent += 1
        for listener in listeners:
            listener.deliver(data, timeout_s=timeout_s)

    def _drops(self) -> bool:
        return self._rng is not None and bool(self._rng.random() < self._loss)


class MemoryLink:
    """One member's end of a bus; a ``Link``."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._inbox: queue.Queue[bytes] = queue.Queue(INBOX_FRAMES)
        self._ready: list[bytes] = []
        self._deframer = Deframer()
        self._closed = False

    def send(self, message: bytes, *, timeout_s: float) -> None:
        """Send one message to every neighbour on the bus.

        Raises:
            DeadlineError: A neighbour's inbox stayed full.
            TargetUnavailableError: The link is closed.
        """
        self._require_open()
        self._bus.carry(frame(message), self, timeout_s=timeout_s)

    def receive(self, *, timeout_s: float) -> bytes:
        """Return the next message.

        Raises:
            DeadlineError: Nothing arrived in time.
            TargetUnavailableError: The link is closed.
        """
        self._require_open()
        if not self._ready:
            self._ready += self._deframer.feed(self._next_frame(timeout_s))
        return self._ready.pop(0)

    def deliver(self, data: bytes, *, timeout_s: float) -> None:
        """Take a frame from the bus."""
        try:
            self._inbox.put(data, block=timeout_s > 0, timeout=max(timeout_s, 0.0) or None)
        except queue.Full as error:
            raise DeadlineError(f"a neighbour left {INBOX_FRAMES} frames unread for {timeout_s} s") from error

    def close(self) -> None:
        """Leave the bus; may be called twice."""
        self._closed = True
        self._bus.leave(self)

    def _next_frame(self, timeout_s: float) -> bytes:
        try:
            return self._inbox.get(block=timeout_s > 0, timeout=max(timeout_s, 0.0) or None)
        except queue.Empty as error:
            raise DeadlineError(f"no message arrived within {timeout_s} s") from error

    def _require_open(self) -> None:
        if self._closed:
            raise TargetUnavailableError("the link is closed; join the bus again")


class MemoryLinks:
    """Makes links from ``memory:BUS?loss=0.1&seed=3``; links of one bus name in one process are neighbours."""

    about = "neighbours within one process, by bus name; options loss, seed"

    def __init__(self) -> None:
        self._buses: WeakValueDictionary[str, MemoryBus] = WeakValueDictionary()

    def __call__(self, argument: str, options: Mapping[str, str]) -> MemoryLink:
        """Join the bus named by the argument; the first to join decides about its losses.

        Raises:
            UnknownNameError: An option is unknown.
            InvalidValueError: An option is no number.
        """
        refuse_unknown_options(options, ["loss", "seed"], of="link memory")
        bus = self._buses.get(argument)
        if bus is None:
            bus = self._buses[argument] = self._make(argument, options)
        return bus.join()

    def missing(self) -> str | None:
        """Return None: nothing needs to be installed."""
        return None

    def _make(self, argument: str, options: Mapping[str, str]) -> MemoryBus:
        try:
            loss, seed = float(options.get("loss", "0")), int(options.get("seed", "0"))
        except ValueError as error:
            raise InvalidValueError(f"options loss and seed are numbers, but got {dict(options)}") from error
        if seed < 0:
            raise InvalidValueError(f"option seed is zero or positive, but is {seed}")
        return MemoryBus(loss=loss, rng=stream(seed, "link", argument))


memory_links = MemoryLinks()
