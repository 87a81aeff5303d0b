"""What a board says of itself when it is greeted: its limits, its clock, its firmware, the program it holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from boards.link.verbs import VERSION
from hil.errors import InvalidValueError, LinkError
from hil.network import TernaryNetwork
from hil.types import TimeSource

__all__ = ["READY", "BoardInfo"]

EMPTY, LOADING, READY = 0, 1, 2
FIXED = struct.Struct("<HBBIIIIIIIII16s")
TIME_SOURCES: dict[int, TimeSource] = {0: "wall", 1: "instructions", 2: "cycles", 3: "wall"}


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """The description a board answers a greeting with.

    Attributes:
        max_payload_bytes: Longest payload it takes or gives.
        counter: 0 none, 1 instructions, 2 clock cycles, 3 nanoseconds.
        state: 0 no program, 1 being loaded, 2 ready.
        program_capacity_bytes: Longest program.
        vector_capacity: Longest activation vector and fan-in.
        channel_capacity: Most weight rows in a layer.
        output_capacity: Most values of the last layer.
        trace_capacity_bytes: Room for a traced inference: 4 bytes an accumulator, 1 byte an activation.
        program_address: Where the program lies in its address space; 0 where that is nobody's business.
        program_bytes: Length of the program it holds.
        program_crc: CRC-32 of that program when it was committed.
        executed: Inferences since it was powered up.
        firmware_hash: 32 hex digits over the sources it was built from.
        name: CPU and board.
        compiler: Version of the compiler.
    """

    max_payload_bytes: int
    counter: int
    state: int
    program_capacity_bytes: int
    vector_capacity: int
    channel_capacity: int
    output_capacity: int
    trace_capacity_bytes: int
    program_address: int
    program_bytes: int
    program_crc: int
    executed: int
    firmware_hash: str
    name: str
    compiler: str

    @classmethod
    def decode(cls, payload: bytes) -> BoardInfo:
        """Read the answer to HELLO or INFO.

        Raises:
            LinkError: It is shorter than it says.
        """
        try:
            *numbers, firmware = FIXED.unpack_from(payload)
            name, rest = _text(payload[FIXED.size :])
            compiler, _ = _text(rest)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            message = f"a board describes itself in at least {FIXED.size + 2} bytes, but got {payload.hex()}"
            raise LinkError(message) from error
        values: list[Any] = [*numbers, firmware.hex(), name, compiler]
        return cls(*values)

    def encode(self) -> bytes:
        """Return the payload that ``decode`` reads."""
        numbers = [getattr(self, name) for name in list(self.__dataclass_fields__)[:12]]
        texts = b"".join(bytes([len(text.encode())]) + text.encode() for text in (self.name, self.compiler))
        return FIXED.pack(*numbers, bytes.fromhex(self.firmware_hash)) + texts

    @property
    def time_source(self) -> TimeSource:
        """What its counter makes of a telemetry's time; wall seconds where it has none."""
        return TIME_SOURCES.get(self.counter, "wall")

    def refuse_misfit(self, network: TernaryNetwork, program_bytes: int) -> None:
        """Check that a network fits before any of it is sent.

        Raises:
            InvalidValueError: Names the limit and what exceeds it.
        """
        needs = {
            "program bytes": (program_bytes, self.program_capacity_bytes),
            "activations or fan-in": (
                max(max(layer.d_in, layer.d_out, layer.fan_in) for layer in network.layers),
                self.vector_capacity,
            ),
            "channels in a layer": (max(layer.channels for layer in network.layers), self.channel_capacity),
            "outputs": (network.d_out, self.output_capacity),
        }
        for what, (needed, limit) in needs.items():
            if needed > limit:
                message = f"network {network.name!r} needs {needed} {what}, but {self.name} has room for {limit}"
                raise InvalidValueError(message)

    def can_trace(self, network: TernaryNetwork) -> bool:
        """Say whether the board has room for what every layer of one inference computes."""
        requantised = [layer.d_out for layer in network.layers if layer.requantisation is not None]
        needed = sum(4 * layer.d_out for layer in network.layers) + sum(-(-d_out // 4) * 4 for d_out in requantised)
        return needed <= self.trace_capacity_bytes

    def as_document(self) -> dict[str, Any]:
        """Return the description as JSON-ready values."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        names = {1: "instructions", 2: "cycles", 3: "nanoseconds"}
        document["counter"] = names.get(self.counter, "none")
        document["state"] = {EMPTY: "empty", LOADING: "loading", READY: "ready"}.get(self.state, str(self.state))
        return {**document, "program_crc": f"{self.program_crc:08x}", "protocol": VERSION}


def _text(data: bytes) -> tuple[str, bytes]:
    length = data[0]
    if len(data) < 1 + length:
        raise IndexError
    return data[1 : 1 + length].decode(), data[1 + length :]
