"""What every mesh link must do: carry whole messages, and give up on time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from hil.errors import DeadlineError
from hil.ports import Link

__all__ = ["LinkTests"]


class LinkTests(ABC):
    """Subclass and return a context manager that yields two linked ends."""

    @abstractmethod
    def pair(self) -> AbstractContextManager[tuple[Link, Link]]:
        """Return two neighbours' ends."""

    @pytest.fixture
    def ends(self) -> Iterator[tuple[Link, Link]]:
        """Yield both ends and close them afterwards."""
        with self.pair() as ends:
            yield ends

    def test_messages_arrive_whole(self, ends: tuple[Link, Link]) -> None:
        """Message boundaries survive, the empty message included."""
        near, far = ends
        messages = [b"one", b"", bytes(range(256)) * 20]
        for message in messages:
            near.send(message, timeout_s=5.0)
        assert [far.receive(timeout_s=5.0) for _ in messages] == messages

    def test_silence_meets_its_deadline(self, ends: tuple[Link, Link]) -> None:
        """Nothing arriving is an error after the time-out."""
        with pytest.raises(DeadlineError):
            ends[0].receive(timeout_s=0.05)

    def test_closing_twice_is_fine(self, ends: tuple[Link, Link]) -> None:
        """Closing is idempotent."""
        ends[0].close()
        ends[0].close()
