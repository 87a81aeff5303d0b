"""What every transport must do: carry bytes in order, and give up on time."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from hil.errors import DeadlineError, TargetUnavailableError
from hil.ports import Transport

__all__ = ["TransportTests"]


class TransportTests(ABC):
    """Subclass and return a context manager that yields two connected ends."""

    @abstractmethod
    def pair(self) -> AbstractContextManager[tuple[Transport, Transport]]:
        """Return two ends of one connection."""

    @pytest.fixture
    def ends(self) -> Iterator[tuple[Transport, Transport]]:
        """Yield both ends and close them afterwards."""
        with self.pair() as ends:
            yield ends

    @staticmethod
    def _read_exactly(end: Transport, n_bytes: int) -> bytes:
        received = b""
        while len(received) < n_bytes:
            received += end.read(n_bytes - len(received), timeout_s=5.0)
        return received

    def test_bytes_arrive_in_order_both_ways(self, ends: tuple[Transport, Transport]) -> None:
        """Every value of a byte passes, zero included."""
        near, far = ends
        message = bytes(range(256)) * 8
        near.write(message, timeout_s=5.0)
        assert self._read_exactly(far, len(message)) == message
        far.write(message[::-1], timeout_s=5.0)
        assert self._read_exactly(near, len(message)) == message[::-1]

    def test_read_of_silence_meets_its_deadline(self, ends: tuple[Transport, Transport]) -> None:
        """Nothing arriving is an error after the time-out, not a hang."""
        started = time.monotonic()
        with pytest.raises(DeadlineError):
            ends[0].read(1, timeout_s=0.05)
        assert time.monotonic() - started < 5.0

    def test_closed_end_is_unavailable(self, ends: tuple[Transport, Transport]) -> None:
        """Using a closed transport says so; closing twice is fine."""
        near, _ = ends
        near.close()
        near.close()
        with pytest.raises(TargetUnavailableError):
            near.write(b"x", timeout_s=1.0)
