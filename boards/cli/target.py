"""What the board commands share: opening a target that is a board, and facts in two columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hil.errors import InvalidValueError

if TYPE_CHECKING:
    from boards.driver import BoardBackend

__all__ = ["facts", "open_board"]


def open_board(target: str, **options: str) -> BoardBackend:
    """Return the backend of a target that is a board.

    Raises:
        InvalidValueError: The target is something else.
    """
    from urllib.parse import quote

    from boards.driver import BoardBackend
    from hil.registry import open_target

    more = "&".join(f"{key}={quote(value)}" for key, value in options.items())
    separator = "&" if "?" in target else "?"
    backend = open_target(f"{target}{separator}{more}" if more else target)
    if not isinstance(backend, BoardBackend):
        message = f"target {target!r} is no board on a link; see hil board list"
        raise InvalidValueError(message)
    return backend


def facts(document: dict[str, Any]) -> str:
    """Return one line per entry, values in a column."""
    width = max(len(key) for key in document)
    return "\n".join(f"{key.ljust(width)}  {value}" for key, value in document.items())
