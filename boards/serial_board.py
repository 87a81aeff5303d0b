"""A real board on a UART, which somebody else flashed and only a hand, or its DTR line, can reset."""

from __future__ import annotations

from collections.abc import Mapping

from boards.board import ProgramMemory
from boards.info import BoardInfo
from boards.transports import SerialTransport
from hil.errors import TargetUnavailableError
from hil.ports import Transport

__all__ = ["SerialBoard"]


class SerialBoard:
    """A board on a serial port, local or behind RFC 2217.

    Args:
        url: What pyserial opens.
        baud: Bits per second.
        reset_by_dtr: Whether pulling DTR resets the board, as most development boards are wired.
    """

    def __init__(self, url: str, *, baud: int = 115200, reset_by_dtr: bool = False) -> None:
        self._url = url
        self._baud = baud
        self._reset_by_dtr = reset_by_dtr

    @property
    def provenance(self) -> Mapping[str, str]:
        """How it is reached; what it is, it says itself."""
        return {"substrate": "board", "transport": f"serial {self._url} at {self._baud} baud"}

    @property
    def expected_firmware(self) -> str | None:
        """Somebody else flashed it."""
        return None

    def connect(self) -> Transport:
        """Open the port."""
        return SerialTransport(self._url, baud=self._baud)

    def program_memory(self, info: BoardInfo) -> ProgramMemory | None:
        """Programs travel over the link."""
        return None

    def restart(self) -> None:
        """Pull DTR, where that is wired to reset."""
        if not self._reset_by_dtr:
            message = f"the board at {self._url} does not answer; reset it by hand, or say reset=dtr if DTR resets it"
            raise TargetUnavailableError(message)
        port = SerialTransport(self._url, baud=self._baud)
        try:
            port.pulse_dtr()
        finally:
            port.close()

    def close(self) -> None:
        """Nothing of ours runs."""
