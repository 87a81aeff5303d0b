"""A board that somebody serves on the network."""

from __future__ import annotations

from collections.abc import Mapping

from boards.board import ProgramMemory
from boards.info import BoardInfo
from boards.security import Security
from boards.transports import connect_tcp
from hil.errors import InvalidValueError, TargetUnavailableError
from hil.ports import Transport

__all__ = ["TcpBoard", "parse_address"]


class TcpBoard:
    """A board behind a TCP port.

    Args:
        host: Where it is served.
        port: On which port.
        security: How both ends prove themselves.
    """

    def __init__(self, host: str, port: int, *, security: Security | None = None) -> None:
        self._host = host
        self._port = port
        self._security = security or Security()

    @property
    def provenance(self) -> Mapping[str, str]:
        """How it is reached; what it is, it says itself."""
        return {"substrate": "served board", "transport": f"tcp {self._host}:{self._port}"}

    @property
    def expected_firmware(self) -> str | None:
        """Somebody else put it there."""
        return None

    def connect(self) -> Transport:
        """Connect and prove ourselves."""
        return connect_tcp(self._host, self._port, security=self._security)

    def program_memory(self, info: BoardInfo) -> ProgramMemory | None:
        """Programs travel over the link."""
        return None

    def restart(self) -> None:
        """Only whoever serves it can do that."""
        message = f"the board at {self._host}:{self._port} does not answer; only its owner can reset it"
        raise TargetUnavailableError(message)

    def close(self) -> None:
        """Nothing of ours runs."""


def parse_address(text: str) -> tuple[str, int]:
    """Split ``host:port``; an IPv6 address stands in brackets.

    Raises:
        InvalidValueError: There is no port, or it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        message = f"an address is host:port, but got {text!r}"
        raise InvalidValueError(message)
    return host.strip("[]"), int(port)
