"""What must be let go of is a context manager: the same three lines for every session, link and server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

__all__ = ["Closing", "undone_on_error"]


class Closing(ABC):
    """Something whose block ends with ``close``."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Let go; may be called twice."""

    def __enter__(self) -> Self:
        """Return what must be closed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()


@contextmanager
def undone_on_error(*undo: Callable[[], object]) -> Iterator[None]:
    """Call what lets go of half-made things, in order, where the block fails; where it ends well, they are kept.

    Example:
        >>> with undone_on_error(lambda: print("closed")):
        ...     kept = "made"
    """
    with ExitStack() as stack:
        for each in reversed(undo):
            stack.callback(each)
        yield
        stack.pop_all()
