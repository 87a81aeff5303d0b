"""Damages a link on purpose, byte by byte and repeatably, so that a driver can be shown to survive it.

Put it between any host and any board: ``BoardServer(board, tamper=Faults("flip", rate=1e-3, seed=1))``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from boards.link import Frame, FrameError
from boards.link.verbs import VERSION
from boards.relay import Disconnect
from hil.errors import InvalidValueError
from hil.rng import stream

__all__ = ["FAULTS", "Fault", "FaultTimes", "Faults"]

Fault: TypeAlias = Literal[
    "flip", "drop", "duplicate", "delay", "stall", "disconnect", "reset", "wrong-version", "corrupt-weights"
]
FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True, slots=True)
class FaultTimes:
    """How long the slow faults last.

    Attributes:
        delay_s: A delay, well inside a host's patience.
        stall_s: A stall, beyond it.
    """

    delay_s: float = 0.002
    stall_s: float = 0.12


def _nothing() -> None:
    return None


class Faults:
    """A tamperer that does one kind of damage at a given rate, independently in both directions.

    Args:
        fault: What to do.
        rate: Probability per byte.
        seed: Decides where; one seed damages one stream of bytes always at the same places.
        reset: Resets the board; for ``reset``.
        corrupt: Flips a bit of the board's program memory; for ``corrupt-weights``.
        times: How long slow faults last.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        rate: float,
        seed: int,
        reset: Callable[[], None] = _nothing,
        corrupt: Callable[[], None] = _nothing,
        times: FaultTimes | None = None,
    ) -> None:
        if fault not in FAULTS or not 0.0 <= rate <= 1.0:
            message = f"a fault is one of {', '.join(FAULTS)} at a rate from 0 to 1, but got {fault!r} at {rate}"
            raise InvalidValueError(message)
        self._fault = fault
        self._times = times or FaultTimes()
        self._reset = reset
        self._corrupt = corrupt
        self._directions = {
            way: _Direction(rate, stream(seed, "faults", fault, way)) for way in ("to board", "from board")
        }

    @property
    def injected(self) -> int:
        """How often damage was done so far."""
        return sum(direction.hits for direction in self._directions.values())

    def to_board(self, data: bytes) -> Iterable[bytes]:
        """Damage bytes on their way to the board."""
        return self._apply(self._directions["to board"], data)

    def from_board(self, data: bytes) -> Iterable[bytes]:
        """Damage bytes on their way to the host."""
        return self._apply(self._directions["from board"], data)

    def _apply(self, direction: _Direction, data: bytes) -> Iterator[bytes]:
        if self._fault == "wrong-version":
            yield from direction.other_version(data)
            return
        start = 0
        for at in direction.places(len(data)):
            if at > start:
                yield data[start:at]
            yield self._damage(direction, data[at])
            start = at + 1
        if start < len(data):
            yield data[start:]

    def _damage(self, direction: _Direction, byte: int) -> bytes:
        match self._fault:
            case "flip":
                return bytes([byte ^ 1 << direction.draw(8)])
            case "drop":
                return b""
            case "duplicate":
                return bytes([byte, byte])
            case "disconnect":
                raise Disconnect
            case "delay":
                time.sleep(self._times.delay_s)
            case "stall":
                time.sleep(self._times.stall_s)
            case "reset":
                self._reset()
            case _:
                self._corrupt()
        return bytes([byte])


class _Direction:
    """Where damage falls in one direction: gaps between hits are geometric, so pieces do not matter."""

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        self.hits = 0
        self._rate = rate
        self._rng = rng
        self._until = self._gap()
        self._frame = bytearray()
        self._hit_frame = False

    def places(self, length: int) -> Iterator[int]:
        """Yield the positions among the next ``length`` bytes that are hit."""
        at = 0
        while self._until is not None and self._until < length - at:
            at += self._until
            self.hits += 1
            self._until = self._gap()
            yield at
            at += 1
        if self._until is not None:
            self._until -= length - at

    def draw(self, below: int) -> int:
        """Return a number below ``below``."""
        return int(self._rng.integers(below))

    def other_version(self, data: bytes) -> Iterator[bytes]:
        """Pass frames whole; one that was hit claims another version of the protocol, with a CRC that fits."""
        hits = set(self.places(len(data)))
        for i, byte in enumerate(data):
            self._hit_frame |= i in hits
            if byte != 0:
                self._frame.append(byte)
                continue
            yield self._take_frame()

    def _take_frame(self) -> bytes:
        stuffed, hit = bytes(self._frame), self._hit_frame
        self._frame.clear()
        self._hit_frame = False
        if not (stuffed and hit):
            return stuffed + b"\x00"
        try:
            frame = Frame.decode(stuffed)
        except FrameError:
            return stuffed + b"\x00"
        other = Frame(frame.type, frame.sequence, frame.nonce, frame.payload, frame.status, VERSION + 1)
        return other.encode()

    def _gap(self) -> int | None:
        return int(self._rng.geometric(self._rate)) - 1 if self._rate > 0 else None
