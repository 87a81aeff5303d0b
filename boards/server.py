"""Offers a local board to one host at a time over TCP, to this machine only unless it is told and secured otherwise."""

from __future__ import annotations

import logging
import socket
import threading

from boards.board import Servable
from boards.relay import PassThrough, Relay, Tamper
from boards.security import Security, is_loopback
from boards.transports.sockets import SocketTransport
from hil.closing import Closing, undone_on_error
from hil.errors import HilError, InvalidValueError, TargetUnavailableError

__all__ = ["BoardServer"]

logger = logging.getLogger(__name__)

ACCEPT_POLL_S = 0.1
HANDSHAKE_TIMEOUT_S = 5.0
JOIN_TIMEOUT_S = 10.0
BACKLOG = 4


class BoardServer(Closing):
    """Serves a board from construction until ``close``.

    While one host is connected, others are turned away. A host that disconnects leaves the board as it is, so that it
    can come back and ask for an answer it missed.

    Args:
        board: What to serve; closed with the server, also when it cannot be served.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        security: How hosts prove themselves; needed for any address but this machine's own.
        tamper: What happens to the bytes on their way.

    Raises:
        InvalidValueError: The address is open to others and nothing secures it.
        TargetUnavailableError: The port is taken.
    """

    def __init__(
        self,
        board: Servable,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        security: Security | None = None,
        tamper: Tamper | None = None,
    ) -> None:
        self._board = board
        self._security = security or Security()
        self._tamper = tamper or PassThrough()
        with undone_on_error(board.close):
            self._listener = self._secured_listener(host, port)
        self._stopped = threading.Event()
        self._relay: Relay | None = None
        self._busy = threading.Lock()
        self.connections = 0
        """Hosts served so far."""
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: host and port."""
        name = self._listener.getsockname()
        return str(name[0]), int(name[1])

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server is closed; False when time ran out first."""
        return self._stopped.wait(timeout_s)

    def close(self) -> None:
        """Stop serving and close the board; may be called twice."""
        self._stopped.set()
        if self._relay is not None:
            self._relay.stop()
        self._listener.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(JOIN_TIMEOUT_S)
        self._board.close()

    def _secured_listener(self, host: str, port: int) -> socket.socket:
        if self._security.is_open and not is_loopback(host):
            message = (
                f"serving a board on {host} lets anybody there program it; give TLS files (ca, certificate, key) or a "
                f"token file, or serve on 127.0.0.1"
            )
            raise InvalidValueError(message)
        self._security.check()
        return _listen(host, port)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, peer = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # closed
                return
            if not self._busy.acquire(timeout=HANDSHAKE_TIMEOUT_S):
                logger.warning("turned %s away: the board is in use", peer)
                client.close()
                continue
            thread = threading.Thread(target=self._serve, args=(client, str(peer)), daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()]  # hosts come and go for months
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, peer: str) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(client)
            secured = self._security.as_server(client, timeout_s=HANDSHAKE_TIMEOUT_S)
            self.connections += 1
            self._relay = Relay(SocketTransport(secured, peer=peer), self._board.connect, self._tamper)
            self._relay.run()
        except (HilError, OSError) as error:
            logger.warning("turned %s away: %s", peer, error)
            client.close()
        finally:
            self._busy.release()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.settimeout(ACCEPT_POLL_S)
    except OSError as error:
        listener.close()
        message = f"cannot serve on {host}:{port}: {error}"
        raise TargetUnavailableError(message) from error
    return listener


def _keep_alive(client: socket.socket) -> None:
    """Notice within about ten seconds that a host has vanished without a word."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            client.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
