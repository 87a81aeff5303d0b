"""Marks where a message ends on a stream of bytes: a 4-byte big-endian length, then the message (SEP v2.0, 4.3)."""

from __future__ import annotations

from hil.errors import InvalidValueError, LinkError

__all__ = ["HEADER_BYTES", "MAX_MESSAGE_BYTES", "Deframer", "frame"]

HEADER_BYTES = 4
MAX_MESSAGE_BYTES = 1 << 20


def frame(message: bytes) -> bytes:
    """Return a message with its length in front.

    Raises:
        InvalidValueError: The message is longer than any receiver accepts.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise InvalidValueError(f"a message has at most {MAX_MESSAGE_BYTES} bytes, but got {len(message)}")
    return len(message).to_bytes(HEADER_BYTES, "big") + message


class Deframer:
    """Cuts a stream back into messages, whatever pieces it arrives in.

    A length is a claim of the other side: nothing is allocated for it, and one beyond the limit ends the stream.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes and return the messages they complete.

        Raises:
            LinkError: A length is beyond the limit; the stream cannot be followed any further.
        """
        self._pending += piece
        messages, start = [], 0
        while len(self._pending) - start >= HEADER_BYTES:
            length = int.from_bytes(self._pending[start : start + HEADER_BYTES], "big")
            if length > MAX_MESSAGE_BYTES:
                raise LinkError(f"a frame claims {length} bytes, but at most {MAX_MESSAGE_BYTES} are allowed")
            stop = start + HEADER_BYTES + length
            if stop > len(self._pending):
                break
            messages.append(bytes(self._pending[start + HEADER_BYTES : stop]))
            start = stop
        del self._pending[:start]
        return messages

    def finish(self) -> None:
        """Say that no more bytes will come.

        Raises:
            LinkError: The stream ends inside a message.
        """
        if self._pending:
            raise LinkError(f"the stream ends inside a message, {len(self._pending)} bytes after its frame began")
