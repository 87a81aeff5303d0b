"""The link between a host and a board: stuffing, frames, sessions; specified in ``docs/board-protocol.md``."""

from boards.link.endpoint import Endpoint, Handler
from boards.link.errors import BoardResetError, FrameError, ProgramLostError, RefusedError, VersionError
from boards.link.frames import Frame, FrameDecoder
from boards.link.session import LinkSession, LinkStatistics, RetryPolicy
from boards.link.verbs import NAK, REPLY, VERSION, Status, Verb

__all__ = [
    "NAK",
    "REPLY",
    "VERSION",
    "BoardResetError",
    "Endpoint",
    "Frame",
    "FrameDecoder",
    "FrameError",
    "Handler",
    "LinkSession",
    "LinkStatistics",
    "ProgramLostError",
    "RefusedError",
    "RetryPolicy",
    "Status",
    "Verb",
    "VersionError",
]
