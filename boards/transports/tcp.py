"""A board that somebody serves over TCP: ``hil board serve``, a serial-to-Ethernet bridge, another lab's rig."""

from __future__ import annotations

import socket

from boards.security import GREETING, Security
from boards.transports.sockets import SocketTransport
from hil.closing import undone_on_error
from hil.errors import LinkError, TargetUnavailableError
from hil.ports import Transport

__all__ = ["connect_tcp"]


def connect_tcp(host: str, port: int, *, security: Security | None = None, timeout_s: float = 5.0) -> Transport:
    """Connect, and prove both ends to each other when there is a secret to do it with.

    Raises:
        TargetUnavailableError: Nobody listens there.
        LinkError: The other end is not what it should be.
    """
    try:
        plain = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as error:
        message = f"no board answers at {host}:{port} ({error}); serve one there: hil board serve TARGET --port {port}"
        raise TargetUnavailableError(message) from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with undone_on_error(plain.close):
        connected = (security or Security()).as_client(plain, host=host, timeout_s=timeout_s)
    transport = SocketTransport(connected, peer=f"{host}:{port}")
    return _Unproven(transport) if security is None or security.is_open else transport


class _Unproven:
    """A connection without a proof: a server that asks for one is understood at once, not after every retry."""

    def __init__(self, transport: SocketTransport) -> None:
        self._transport = transport
        self._heard_nothing = True

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Send every byte."""
        self._transport.write(data, timeout_s=timeout_s)

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return the next bytes.

        Raises:
            LinkError: The server wants a token first.
        """
        data = self._transport.read(n_bytes, timeout_s=timeout_s)
        if self._heard_nothing and data.startswith(GREETING):
            message = "the board is served with a token; name the file that holds it with token_file=FILE"
            raise LinkError(message)
        self._heard_nothing = False
        return data

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._transport.close()
