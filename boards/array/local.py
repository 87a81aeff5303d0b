"""Arrays of this process as a board that can be served to another host."""

from __future__ import annotations

from boards.array.endpoint import ArrayEndpoint
from boards.transports.loopback import WaitingLoopback
from hil.ports import Transport

__all__ = ["LocalArrays"]


class LocalArrays:
    """An endpoint behind whichever host is connected; cells keep what was written from one host to the next.

    Args:
        endpoint: The arrays.
    """

    def __init__(self, endpoint: ArrayEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self) -> Transport:
        """Return a transport to the arrays."""
        return WaitingLoopback(self._endpoint)

    def close(self) -> None:
        """Nothing of it runs by itself; may be called twice."""
