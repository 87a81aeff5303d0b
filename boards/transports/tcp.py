"""A board that somebody serves over TCP: ``hil board serve``, a serial-to-Ethernet bridge, another lab's rig."""

from __future__ import annotations

import socket

from boards.security import Security
from boards.transports.sockets import SocketTransport
from hil.errors import TargetUnavailableError

__all__ = ["connect_tcp"]


def connect_tcp(host: str, port: int, *, security: Security | None = None, timeout_s: float = 5.0) -> SocketTransport:
    """Connect, and prove both ends to each other when there is a secret to do it with.

    Raises:
        TargetUnavailableError: Nobody listens there.
        LinkError: The other end is not what it should be.
    """
    try:
        plain = socket.create_connection((host, port), timeout=timeout_s)
    except OSError as error:
        message = f"no board answers at {host}:{port}: {error}"
        raise TargetUnavailableError(message) from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connected = (security or Security()).as_client(plain, host=host, timeout_s=timeout_s)
    except BaseException:
        plain.close()
        raise
    return SocketTransport(connected, peer=f"{host}:{port}")
