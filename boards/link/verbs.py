"""The numbers of the board protocol: verbs, statuses and where they are explained, ``docs/board-protocol.md``."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["MAX_PAYLOAD_BYTES", "NAK", "REPLY", "VERSION", "Status", "Verb"]

VERSION = 1
REPLY = 0x80
"""Added to a verb, it marks the answer."""
NAK = 0xFF
"""Type of the answer to a frame that could not be read, and so to nobody in particular."""
MAX_PAYLOAD_BYTES = 65535


class Verb(IntEnum):
    """What a host may ask of a board."""

    HELLO = 0x01
    INFO = 0x02
    HEALTH = 0x03
    BEGIN = 0x10
    CHUNK = 0x11
    COMMIT = 0x12
    CHECK = 0x13
    INPUT = 0x20
    INFER = 0x21
    READ = 0x22
    ARRAY_INFO = 0x40
    ARRAY_LIMITS = 0x41
    ARRAY_SELF_TEST = 0x42
    ARRAY_SELECT = 0x43
    ARRAY_FORM = 0x44
    ARRAY_SET = 0x45
    ARRAY_RESET = 0x46
    ARRAY_READ = 0x47
    ARRAY_READ_ARRAY = 0x48
    ARRAY_PROGRAM_VERIFY = 0x49
    ARRAY_VMM = 0x4A
    ARRAY_CALIBRATE = 0x4B
    ARRAY_REFRESH = 0x4C
    ARRAY_LOG = 0x4D
    ARRAY_SAFE_OFF = 0x4E


class Status(IntEnum):
    """What a board says of a request."""

    OK = 0
    BAD_CRC = 1
    BAD_FRAME = 2
    BAD_VERSION = 3
    NO_SESSION = 4
    BAD_SEQUENCE = 5
    UNKNOWN_VERB = 6
    BAD_LENGTH = 7
    BAD_VALUE = 8
    NO_PROGRAM = 9
    BAD_PROGRAM = 10
    TOO_LARGE = 11
    CRC_MISMATCH = 12
    NO_TRACE = 13
    LIMIT = 14
    FAILED = 15

    @classmethod
    def describe(cls, status: int) -> str:
        """Return the name of a status, also of one that this version does not know."""
        return cls(status).name if status in cls._value2member_map_ else f"status {status}"
