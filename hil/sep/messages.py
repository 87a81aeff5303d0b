"""The message as a value: checked once at the door, trusted inside, and written the same way every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from google.protobuf.message import DecodeError

from hil.errors import FormatError, InvalidValueError
from hil.sep.codec import MAX_DIMENSIONS
from hil.sep.events_pb2 import SemanticEvent as _Message

__all__ = ["MAX_TTL", "SemanticEvent", "with_ttl"]

MAX_TTL = 255
MAX_TEXT_CHARACTERS = 1024
MAX_META_ENTRIES = 64
MAX_VECTOR_BYTES = 4 * MAX_DIMENSIONS
INT64 = range(-(2**63), 2**63)
UINT64 = range(2**64)


@dataclass(frozen=True, slots=True)
class SemanticEvent:
    """Something worth saying: who says it, when, and what it means.

    Attributes:
        node_id: Who says it.
        timestamp_ms: When it happened, in milliseconds of the sender's stream.
        vector: What it means, as ``packing`` writes it.
        dimensions: Length of the vector.
        ttl: Hops this copy may still make, counting the one it is on (SEP v2.0, section 5.2).
        packing: A codec's number; an unknown one is carried on and refused only by whoever decodes it.
        encoder_id: Which encoder's space the vector lives in.
        sequence: Counts the node's messages; ``(node_id, sequence)`` names this one.
        label: The same in words, may be empty.
        meta: Further text by name.
    """

    node_id: str
    timestamp_ms: int
    vector: bytes
    dimensions: int
    ttl: int
    packing: int
    encoder_id: str = ""
    sequence: int = 0
    label: str = ""
    meta: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse what no message can carry."""
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        self._check_sizes()
        self._check_numbers()

    def _check_sizes(self) -> None:
        texts = {"node_id": self.node_id, "encoder_id": self.encoder_id, "label": self.label}
        for name, text in {**texts, **{f"meta {key!r}": key + value for key, value in self.meta.items()}}.items():
            if len(text) > MAX_TEXT_CHARACTERS:
                message = f"{name} has at most {MAX_TEXT_CHARACTERS} characters, but got {len(text)}"
                raise InvalidValueError(message)
        if not self.node_id:
            message = "a message must name its sender, but node_id is empty"
            raise InvalidValueError(message)
        if len(self.vector) > MAX_VECTOR_BYTES or len(self.meta) > MAX_META_ENTRIES:
            message = (
                f"a message carries at most {MAX_VECTOR_BYTES} vector bytes and {MAX_META_ENTRIES} meta entries, "
                f"but got {len(self.vector)} and {len(self.meta)}"
            )
            raise InvalidValueError(message)

    def _check_numbers(self) -> None:
        allowed = {
            "timestamp_ms": INT64,
            "sequence": UINT64,
            "ttl": range(MAX_TTL + 1),
            "dimensions": range(1, MAX_DIMENSIONS + 1),
            "packing": range(2**31),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                message = f"{name} must be {values[0]} to {values[-1]}, but is {getattr(self, name)}"
                raise InvalidValueError(message)

    @property
    def name(self) -> tuple[str, int]:
        """What tells this message from every other."""
        return self.node_id, self.sequence

    def to_bytes(self) -> bytes:
        """Return the protobuf message, the same bytes for equal events."""
        return _Message(
            node_id=self.node_id,
            timestamp=self.timestamp_ms,
            hdc_vector=self.vector,
            dimensions=self.dimensions,
            ttl=self.ttl,
            label=self.label,
            meta=dict(self.meta),
            packing=self.packing,  # type: ignore[arg-type]  # proto3 enums are open: any number may travel
            encoder_id=self.encoder_id,
            sequence=self.sequence,
        ).SerializeToString(deterministic=True)

    @classmethod
    def from_bytes(cls, message: bytes) -> SemanticEvent:
        """Return the event that a message carries.

        Raises:
            FormatError: The bytes are no message, or one that says something impossible.
        """
        parsed = _parse(message)
        try:
            return cls(
                node_id=parsed.node_id,
                timestamp_ms=parsed.timestamp,
                vector=parsed.hdc_vector,
                dimensions=parsed.dimensions,
                ttl=parsed.ttl,
                packing=parsed.packing,
                encoder_id=parsed.encoder_id,
                sequence=parsed.sequence,
                label=parsed.label,
                meta=parsed.meta,
            )
        except InvalidValueError as error:
            raise FormatError(f"refused a message: {error}") from error


def with_ttl(message: bytes, ttl: int) -> bytes:
    """Return a message with another number of hops left; everything else, unknown fields too, is carried on.

    Raises:
        FormatError: The bytes are no message.
    """
    parsed = _parse(message)
    parsed.ttl = ttl
    return parsed.SerializeToString(deterministic=True)


def _parse(message: bytes) -> _Message:
    try:
        return _Message.FromString(message)
    except DecodeError as error:
        raise FormatError(f"{len(message)} bytes are no semantic event: {error}") from error
