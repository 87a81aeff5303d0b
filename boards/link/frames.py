"""Frames: a versioned header, a payload and a CRC, stuffed and delimited; ``docs/board-protocol.md`` specifies them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from boards.link import cobs
from boards.link.errors import FrameError
from boards.link.verbs import MAX_PAYLOAD_BYTES, VERSION, Status
from hil.errors import InvalidValueError

__all__ = ["Frame", "FrameDecoder"]

HEADER = struct.Struct("<BBHIBBH")
CRC = struct.Struct("<I")
SMALLEST_BODY = HEADER.size + CRC.size
LARGEST_STUFFED = (SMALLEST_BODY + MAX_PAYLOAD_BYTES) * 255 // 254 + 2
"""Longer than this without a delimiter is noise, and is dropped."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message.

    Attributes:
        type: A verb, a verb plus REPLY, or NAK.
        sequence: 16-bit number of the request within its session.
        nonce: 32-bit name of the session.
        payload: At most 65535 bytes.
        status: 0 in requests; the board's verdict in answers.
        version: Version of the protocol.
    """

    type: int
    sequence: int
    nonce: int
    payload: bytes = b""
    status: int = Status.OK
    version: int = VERSION

    def __post_init__(self) -> None:
        """Refuse a payload longer than its length field can say."""
        if len(self.payload) > MAX_PAYLOAD_BYTES:
            message = f"payload must be at most {MAX_PAYLOAD_BYTES} bytes, but is {len(self.payload)}"
            raise InvalidValueError(message)

    def body(self) -> bytes:
        """Return header, payload and CRC."""
        header = HEADER.pack(self.version, self.type, self.sequence, self.nonce, self.status, 0, len(self.payload))
        sealed = header + self.payload
        return sealed + CRC.pack(zlib.crc32(sealed))

    def encode(self) -> bytes:
        """Return the bytes on the wire, delimiters included.

        The leading delimiter cuts off whatever noise the line held before, at the price of one byte.
        """
        return b"\x00" + cobs.encode(self.body()) + b"\x00"

    @classmethod
    def decode(cls, stuffed: bytes) -> Frame:
        """Return the frame that lay between two delimiters; its version is whatever it says.

        Raises:
            FrameError: The bytes are no frame.
        """
        body = cobs.decode(stuffed)
        if len(body) < SMALLEST_BODY:
            message = f"frame body must be at least {SMALLEST_BODY} bytes, but is {len(body)}"
            raise FrameError(message, status=Status.BAD_FRAME)
        sealed, crc = body[: -CRC.size], CRC.unpack(body[-CRC.size :])[0]
        if zlib.crc32(sealed) != crc:
            message = f"frame CRC must be {zlib.crc32(sealed):08x}, but is {crc:08x}"
            raise FrameError(message, status=Status.BAD_CRC)
        version, kind, sequence, nonce, status, _, length = HEADER.unpack_from(sealed)
        payload = sealed[HEADER.size :]
        if version == VERSION and length != len(payload):
            message = f"frame says {length} bytes of payload, but carries {len(payload)}"
            raise FrameError(message, status=Status.BAD_FRAME)
        return cls(kind, sequence, nonce, payload, status, version)


class FrameDecoder:
    """Cuts a stream of bytes at its delimiters, whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Return the frames that these bytes complete, and for each that is damaged, why."""
        *complete, rest = data.split(b"\x00")
        found: list[Frame | FrameError] = []
        for piece in complete:
            self._pending += piece
            if self._pending:
                found.append(self._decode())
            self._pending.clear()
        self._pending += rest
        if len(self._pending) > LARGEST_STUFFED:
            self._pending.clear()
        return found

    def _decode(self) -> Frame | FrameError:
        try:
            return Frame.decode(bytes(self._pending))
        except FrameError as error:
            return error
