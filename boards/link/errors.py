"""What can go wrong on a board's link, finer than the tree every user sees.

::

    LinkError
    |-- FrameError          bytes that are no frame
    |-- VersionError        a frame of another protocol version
    |-- RefusedError        the board understood, and said no
    |-- BoardResetError     the board has forgotten its session: it was reset, or another host greeted it
    `-- ProgramLostError    the board's program memory is not what was loaded
"""

from __future__ import annotations

from boards.link.verbs import Status
from hil.errors import LinkError

__all__ = ["BoardResetError", "FrameError", "ProgramLostError", "RefusedError", "VersionError"]


class FrameError(LinkError):
    """Bytes between two delimiters that are no frame.

    Attributes:
        status: BAD_CRC or BAD_FRAME, as a board would answer.
    """

    def __init__(self, message: str, *, status: Status) -> None:
        super().__init__(message)
        self.status = status


class VersionError(LinkError):
    """The other side speaks another version of the protocol."""


class RefusedError(LinkError):
    """The board refused a request and did not execute it.

    Attributes:
        status: The board's reason.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class BoardResetError(LinkError):
    """The board no longer knows the session.

    Attributes:
        maybe_executed: Whether the request may have run before the reset; False only when it certainly did not.
    """

    def __init__(self, message: str, *, maybe_executed: bool) -> None:
        super().__init__(message)
        self.maybe_executed = maybe_executed


class ProgramLostError(LinkError):
    """The program memory of the board does not hold what was loaded."""
