"""Joins two transports, both ways at once, with a place in between for whoever wants to meddle."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from hil.errors import DeadlineError, HilError, TargetUnavailableError
from hil.ports import Transport

__all__ = ["Disconnect", "PassThrough", "Relay", "Tamper"]

logger = logging.getLogger(__name__)

POLL_S = 0.02
WRITE_TIMEOUT_S = 30.0
BUFFER_BYTES = 65536


class Disconnect(Exception):  # noqa: N818  (a signal between the two, never an error anyone sees)
    """A tamperer wants the host's connection cut."""


class Tamper(Protocol):
    """What happens to bytes on their way; raising Disconnect cuts the host off."""

    def to_board(self, data: bytes) -> Iterable[bytes]:
        """Return what goes on to the board."""
        ...

    def from_board(self, data: bytes) -> Iterable[bytes]:
        """Return what goes on to the host."""
        ...


class PassThrough:
    """Changes nothing."""

    def to_board(self, data: bytes) -> Iterable[bytes]:
        """Return the bytes as they are."""
        return (data,)

    def from_board(self, data: bytes) -> Iterable[bytes]:
        """Return the bytes as they are."""
        return (data,)


class Relay:
    """One host's connection to a board, until either side goes away or ``stop`` is called.

    A board whose transport breaks, because it was reset, is connected again; the host does not notice more than a
    board that has forgotten its session.

    Args:
        host: Transport to the host.
        connect: Opens a transport to the board.
        tamper: What happens to the bytes.
    """

    def __init__(self, host: Transport, connect: Callable[[], Transport], tamper: Tamper) -> None:
        self._host = host
        self._connect = connect
        self._tamper = tamper
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._board = connect()

    def run(self) -> None:
        """Carry bytes until it is over."""
        other = threading.Thread(target=self._carry_from_board, daemon=True)
        other.start()
        try:
            self._carry_to_board()
        finally:
            other.join()
            self._host.close()
            self._board.close()

    def stop(self) -> None:
        """End the relay from another thread."""
        self._stopped.set()

    def _carry_to_board(self) -> None:
        self._carry(self._read_host, self._tamper.to_board, self._write_board)

    def _carry_from_board(self) -> None:
        self._carry(self._read_board, self._tamper.from_board, self._write_host)

    def _carry(
        self,
        read: Callable[[], bytes],
        tamper: Callable[[bytes], Iterable[bytes]],
        write: Callable[[bytes], None],
    ) -> None:
        try:
            while not self._stopped.is_set():
                for piece in tamper(read()):
                    write(piece)
        except (HilError, Disconnect) as error:
            logger.info("relay ends: %s", error)
        finally:
            self._stopped.set()

    def _read_host(self) -> bytes:
        try:
            return self._host.read(BUFFER_BYTES, timeout_s=POLL_S)
        except DeadlineError:
            return b""

    def _write_host(self, data: bytes) -> None:
        self._host.write(data, timeout_s=WRITE_TIMEOUT_S)

    def _read_board(self) -> bytes:
        board = self._board
        try:
            return board.read(BUFFER_BYTES, timeout_s=POLL_S)
        except DeadlineError:
            return b""
        except TargetUnavailableError:
            self._replace(board)
            return b""

    def _write_board(self, data: bytes) -> None:
        board = self._board
        try:
            board.write(data, timeout_s=WRITE_TIMEOUT_S)
        except TargetUnavailableError:  # what was on its way to a board that was reset is lost, as on a wire
            self._replace(board)

    def _replace(self, broken: Transport) -> None:
        with self._lock:
            if self._board is broken and not self._stopped.is_set():
                broken.close()
                self._board = self._connect()
