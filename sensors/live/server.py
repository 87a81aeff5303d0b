"""Sends events to programs that read the DV network protocol: DV itself, dv-processing's ``NetworkReader``, or ours."""

from __future__ import annotations

import logging
import socket
import threading
import time

from hil.closing import Closing
from hil.errors import DeadlineError, InvalidValueError, TargetUnavailableError
from hil.types import EventBatch, Geometry
from sensors.formats.aedat4_writer import event_structure
from sensors.live.wire import Address, write_header, write_packets

__all__ = ["EventServer"]

logger = logging.getLogger(__name__)


class EventServer(Closing):
    """A server that any number of DV clients may join; each gets the events from then on.

    We speak the protocol ourselves because dv-processing's ``NetworkWriter`` takes events one Python call at a time
    and queues without limit; here a client that does not keep up makes ``send`` wait, so that the caller's policy
    decides.

    Args:
        geometry: Size of the sensor.
        address: Where to listen; only this machine can connect unless the address says otherwise.
        source: Name of the camera, as clients show it.
        max_clients: Further clients are turned away.

    Raises:
        TargetUnavailableError: The address is taken or not ours.
    """

    def __init__(
        self,
        geometry: Geometry,
        address: Address | None = None,
        *,
        source: str = "neuromorphic-hil",
        max_clients: int = 10,
    ) -> None:
        wanted = address or Address()
        if max(geometry.width, geometry.height) > 32768:
            message = f"the protocol holds sensors up to 32768x32768, but this is {geometry.width}x{geometry.height}"
            raise InvalidValueError(message)
        try:
            family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
            self._listener = socket.create_server((wanted.host, wanted.port), family=family, backlog=max_clients)
        except OSError as error:
            message = f"cannot listen at {wanted}: {error.strerror or error}"
            raise TargetUnavailableError(message) from error
        self.address = Address(*self._listener.getsockname()[:2])
        self.lost_clients = 0
        self._header = write_header(geometry, source)
        event_structure(EventBatch.empty())  # compiles what packs events, before any is due
        self._max_clients = max_clients
        self._clients: list[socket.socket] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._welcome, name=f"welcome {self.address}", daemon=True)
        self._thread.start()

    def _welcome(self) -> None:
        while not self._closed:
            try:
                client, peer = self._listener.accept()
                client.settimeout(1.0)
                client.sendall(self._header)
            except TimeoutError:
                client.close()
                continue
            except OSError:  # the listener was closed, or the client left before it was greeted
                continue
            with self._changed:
                if len(self._clients) >= self._max_clients or self._closed:
                    client.close()
                    continue
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients.append(client)
                self._changed.notify_all()
            logger.info("client %s joined %s", peer, self.address)

    @property
    def clients(self) -> int:
        """How many clients there are."""
        with self._changed:
            return len(self._clients)

    def wait_for_client(self, *, timeout_s: float) -> None:
        """Return as soon as there is a client.

        Raises:
            DeadlineError: Nobody came.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._clients, timeout=timeout_s):
                message = f"no client connected to {self.address} within {timeout_s:g} s"
                raise DeadlineError(message)

    def send(self, batch: EventBatch, *, timeout_s: float) -> int:
        """Send events to every client and return how many clients took all of them.

        A client that leaves, or that does not take them in time, is let go: half a packet cannot be repaired.
        """
        with self._changed:
            clients = list(self._clients)
        if not clients:
            return 0
        payload = b"".join(write_packets(batch))
        deadline_s = time.monotonic() + timeout_s
        return sum(self._send_to(client, payload, deadline_s) for client in clients)

    def _send_to(self, client: socket.socket, payload: bytes, deadline_s: float) -> bool:
        try:
            client.settimeout(max(0.001, deadline_s - time.monotonic()))
            client.sendall(payload)
        except OSError as error:
            with self._changed:
                self._clients.remove(client)
                self.lost_clients += 1
            client.close()
            logger.warning("a client of %s is gone: %s", self.address, error)
            return False
        return True

    def close(self) -> None:
        """Let every client go and stop listening; may be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        finally:
            self._listener.close()
        self._thread.join(timeout=5.0)
        with self._changed:
            for client in self._clients:
                client.close()
            self._clients.clear()
