"""A UART: a serial port of this machine, or one behind an RFC 2217 server or a raw socket, through pyserial."""

from __future__ import annotations

import os
import time
from typing import Any

from hil.errors import DeadlineError, MissingDependencyError, TargetUnavailableError

__all__ = ["SerialTransport"]

POLL_S = 0.05
"""How long one read of the port waits; the deadline is ours, because changing the port's own reconfigures the line."""


class SerialTransport:
    """A serial port, opened for us alone.

    Args:
        url: A device such as ``/dev/ttyACM0``, or ``rfc2217://host:port`` or ``socket://host:port``.
        baud: Bits per second; 8 data bits, no parity, one stop bit.
        write_timeout_s: When a write that the line does not take is given up.
    """

    def __init__(self, url: str, *, baud: int = 115200, write_timeout_s: float = 5.0) -> None:
        try:
            import serial
        except ImportError as error:
            raise MissingDependencyError.of("pyserial", extra="boards", purpose="a serial port") from error
        self._url = url
        self._write_timeout_s = write_timeout_s
        self._errors = (serial.SerialException, OSError)
        settings: dict[str, Any] = {"baudrate": baud, "timeout": POLL_S}
        if not url.startswith("rfc2217:"):  # which bounds its writes itself, and accepts no time-out
            settings["write_timeout"] = write_timeout_s
        if "://" not in url:
            settings["exclusive"] = True
        try:
            self._port: Any = serial.serial_for_url(url, **settings)
        except (*self._errors, ValueError) as error:
            number = getattr(error, "errno", None)  # pyserial says the same thing three times over
            message = f"serial port {url} cannot be opened: {os.strerror(number) if number else error}"
            raise TargetUnavailableError(message) from error

    def write(self, data: bytes, *, timeout_s: float) -> None:
        """Send every byte; the port's own write time-out bounds the call."""
        import serial

        try:
            self._open_port().write(data)
        except (serial.SerialTimeoutException, TimeoutError) as error:
            message = f"{self._url} did not take {len(data)} bytes within {self._write_timeout_s:g} s"
            raise DeadlineError(message) from error
        except self._errors as error:
            raise self._gone(error) from error

    def read(self, n_bytes: int, *, timeout_s: float) -> bytes:
        """Return between 1 and ``n_bytes`` bytes, as soon as there are any."""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                port = self._open_port()
                data = bytes(port.read(1))
                if data:
                    return data + bytes(port.read(min(port.in_waiting, n_bytes - 1)))
                if time.monotonic() >= deadline:
                    break
        except self._errors as error:
            raise self._gone(error) from error
        message = f"nothing came from {self._url} within {timeout_s:g} s"
        raise DeadlineError(message)

    def pulse_dtr(self, *, seconds: float = 0.1) -> None:
        """Pull the DTR line for a moment, which resets the boards that wire it so."""
        port = self._open_port()
        port.dtr = False
        time.sleep(seconds)
        port.dtr = True

    def close(self) -> None:
        """Close the port; may be called twice."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def _open_port(self) -> Any:
        if self._port is None:
            message = f"serial port {self._url} is closed"
            raise TargetUnavailableError(message)
        return self._port

    def _gone(self, error: OSError) -> TargetUnavailableError:
        if isinstance(error, TargetUnavailableError):
            return error
        return TargetUnavailableError(f"serial port {self._url} is gone: {error}")
