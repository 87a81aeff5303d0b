"""The board's end of a link in Python: for emulated boards, and to hold the C of the firmware against.

Sessions, retries and refusals are here; what the verbs do is whatever handlers are given, so a new kind of board is a
table of functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from boards.link.errors import FrameError, RefusedError
from boards.link.frames import Frame, FrameDecoder
from boards.link.verbs import NAK, REPLY, VERSION, Status, Verb

__all__ = ["Endpoint", "Handler"]

Handler: TypeAlias = Callable[[bytes], bytes]
"""Takes the payload of a request and returns the payload of the answer, or raises RefusedError with a status."""


class Endpoint:
    """Answers frames the way every board must.

    Args:
        handlers: What each verb does; HELLO must be among them and describes the board.
    """

    def __init__(self, handlers: Mapping[int, Handler]) -> None:
        self._handlers = dict(handlers)
        self._decoder = FrameDecoder()
        self.reset()

    def reset(self) -> None:
        """Forget the session, as a board that lost power does."""
        self._nonce = 0
        self._sequence = 0
        self._last_reply = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the wire and return the bytes to put on it."""
        return b"".join(self._answer(item) for item in self._decoder.feed(data))

    def _answer(self, item: Frame | FrameError) -> bytes:
        if isinstance(item, FrameError):
            return Frame(NAK, 0xFFFF, self._nonce, status=item.status).encode()
        if item.version != VERSION:
            return Frame(NAK, 0xFFFF, self._nonce, status=Status.BAD_VERSION).encode()
        if item.type & REPLY:
            return b""
        if item.type == Verb.HELLO:
            return self._greet(item)
        return self._obey(item)

    def _greet(self, request: Frame) -> bytes:
        if request.nonce == 0 or request.sequence != 0:
            return _refusal(request, Status.BAD_VALUE)
        if request.nonce != self._nonce:
            return self._execute(request)
        return self._last_reply if self._sequence == 0 else _refusal(request, Status.BAD_SEQUENCE)

    def _obey(self, request: Frame) -> bytes:
        if request.nonce != self._nonce or self._nonce == 0:
            return _refusal(request, Status.NO_SESSION)
        if request.sequence == self._sequence:
            return self._last_reply
        if request.sequence != (self._sequence + 1) % 2**16:
            return _refusal(request, Status.BAD_SEQUENCE)
        return self._execute(request)

    def _execute(self, request: Frame) -> bytes:
        self._nonce, self._sequence = request.nonce, request.sequence
        status, payload = Status.UNKNOWN_VERB, b""
        if request.type in self._handlers:
            try:
                status, payload = Status.OK, self._handlers[request.type](request.payload)
            except RefusedError as error:
                status = Status(error.status)
        kind = request.type | REPLY
        self._last_reply = Frame(kind, request.sequence, request.nonce, payload, status).encode()
        return self._last_reply


def _refusal(request: Frame, status: Status) -> bytes:
    return Frame(request.type | REPLY, request.sequence, request.nonce, status=status).encode()
