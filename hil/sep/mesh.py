"""Gossip: each copy of a message carries its own hops left, and every node within that many hops hears it once.

A node delivers a message the first time and passes it on with one hop less. When a copy comes by a shorter way after
a longer one, it has more hops left, so it is passed on again, not delivered again: reach never depends on which copy
is faster.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from types import MappingProxyType

import numpy as np

from hil.errors import DeadlineError, FormatError, InvalidValueError, UnknownNameError
from hil.ports import Link
from hil.sep.links import MemoryBus, MemoryLink
from hil.sep.messages import SemanticEvent, with_ttl

__all__ = ["Delivery", "GossipNode", "MemoryMesh"]

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 5.0
REMEMBERED_MESSAGES = 65536


class GossipNode:
    """One participant: hears its neighbours, delivers each message once, passes copies on.

    Any number of threads may publish and accept at once, one per link for instance; sending happens outside the lock,
    so a neighbour that is slow to take a message holds up nobody but the thread that sends to it.

    Attributes:
        duplicates: Copies that were heard again.
        refused: Messages that could not be read.

    Args:
        node_id: Its name.
        links: Its links to neighbours.
        remembered: Messages it keeps in mind; a copy older than that would be delivered again.
    """

    def __init__(self, node_id: str, links: Sequence[Link], *, remembered: int = REMEMBERED_MESSAGES) -> None:
        self.node_id = node_id
        self.links = tuple(links)
        self.duplicates = 0
        self.refused = 0
        self._remembered = remembered
        self._hops_left: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._lock = Lock()  # of what it remembers and counts

    def publish(self, event: SemanticEvent) -> None:
        """Send an own event to every neighbour; it reaches those within ``event.ttl`` hops.

        Raises:
            InvalidValueError: The event is signed by another node.
        """
        if event.node_id != self.node_id:
            raise InvalidValueError(f"node {self.node_id!r} cannot publish as {event.node_id!r}")
        with self._lock:
            self._remember(event.name, event.ttl + 1)
        if event.ttl:
            self._send(event.to_bytes(), self.links)

    def accept(self, message: bytes, link: Link) -> SemanticEvent | None:
        """Take a copy that arrived on a link, pass it on where it may still go, and return it when it is new."""
        try:
            event = SemanticEvent.from_bytes(message)
        except FormatError as error:
            logger.debug("%s refused %d bytes: %s", self.node_id, len(message), error)
            with self._lock:
                self.refused += 1
            return None
        with self._lock:
            known = self._hops_left.get(event.name)
            self.duplicates += known is not None
            goes_on = event.ttl > (known or 0)
            if goes_on:
                self._remember(event.name, event.ttl)
        if goes_on:
            self._pass_on(message, event.ttl - 1, link)
        return event if goes_on and known is None else None

    def _pass_on(self, message: bytes, ttl: int, arrived_on: Link) -> None:
        if ttl:
            self._send(with_ttl(message, ttl), [link for link in self.links if link is not arrived_on])

    def _send(self, message: bytes, links: Iterable[Link]) -> None:
        for link in links:
            link.send(message, timeout_s=SEND_TIMEOUT_S)

    def _remember(self, name: tuple[str, int], hops_left: int) -> None:
        self._hops_left[name] = hops_left
        if len(self._hops_left) > self._remembered:
            self._hops_left.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a node heard for the first time.

    Attributes:
        node_id: Who heard it.
        event: The message, with the hops that this copy had left.
    """

    node_id: str
    event: SemanticEvent


class MemoryMesh:
    """Nodes and links of one process, run until nobody has anything left to say; for one thread.

    Attributes:
        nodes: The participants by name.

    Args:
        edges: Pairs of neighbours.
        loss: Share of copies that each link loses.
        rng: Draws the losses, and which copy arrives next; without it copies arrive in the order they were sent.
    """

    nodes: Mapping[str, GossipNode]

    def __init__(
        self, edges: Iterable[tuple[str, str]], *, loss: float = 0.0, rng: np.random.Generator | None = None
    ) -> None:
        self._rng = rng
        self._buses: list[MemoryBus] = []
        links: dict[str, list[MemoryLink]] = {}
        for one, other in edges:
            bus = MemoryBus(loss=loss, rng=rng)
            self._buses.append(bus)
            for name in (one, other):
                links.setdefault(name, []).append(bus.join())
        self.nodes = MappingProxyType({name: GossipNode(name, ends) for name, ends in links.items()})

    @property
    def bytes_carried(self) -> int:
        """Framed bytes of every copy on every link so far."""
        return sum(bus.bytes_sent for bus in self._buses)

    @property
    def copies(self) -> int:
        """Copies sent on every link so far."""
        return sum(bus.frames_sent for bus in self._buses)

    def publish(self, event: SemanticEvent) -> list[Delivery]:
        """Send an event from its own node and return who heard it, in order.

        Raises:
            UnknownNameError: The event's node is not in the mesh.
        """
        if event.node_id not in self.nodes:
            raise UnknownNameError.of("mesh node", event.node_id, list(self.nodes))
        self.nodes[event.node_id].publish(event)
        return self._settle()

    def _settle(self) -> list[Delivery]:
        heard: list[Delivery] = []
        in_flight = self._sent()
        while in_flight:
            node, link, message = in_flight.pop(self._next(len(in_flight)))
            event = node.accept(message, link)
            if event is not None:
                heard.append(Delivery(node.node_id, event))
            in_flight += self._sent()
        return heard

    def _next(self, n_in_flight: int) -> int:
        return 0 if self._rng is None else int(self._rng.integers(n_in_flight))

    def _sent(self) -> list[tuple[GossipNode, Link, bytes]]:
        """Return every copy that was sent since the last call, with who hears it on which link."""
        return [
            (node, link, message) for node in self.nodes.values() for link in node.links for message in _waiting(link)
        ]


def _waiting(link: Link) -> Iterator[bytes]:
    while True:
        try:
            yield link.receive(timeout_s=0.0)
        except DeadlineError:
            return
