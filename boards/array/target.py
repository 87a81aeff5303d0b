"""The target ``array``: emulated arrays in this process, or arrays that somebody serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

from boards.array.backend import ArrayBackend
from boards.array.client import ArrayBoard
from boards.array.endpoint import ArrayEndpoint, Cells
from boards.array.local import LocalArrays
from boards.array.strategies import STRATEGIES
from boards.security import SECURITY_OPTIONS, Security
from boards.tcp_board import TcpBoard, parse_address
from boards.transports.loopback import LoopbackTransport
from hil.errors import InvalidValueError, UnknownNameError
from hil.registry import load, refuse_unknown_options

__all__ = ["array"]

WRITING = ["most_pulses", "strategy", "tile", "tolerance"]


@dataclass(frozen=True, slots=True)
class _Emulated:
    """Makes endpoints with emulated arrays."""

    make: Callable[..., Cells]
    preset: str
    tile: int

    def endpoint(self, count: int, seed: int) -> ArrayEndpoint:
        size = {"rows": self.tile, "columns": self.tile}
        return ArrayEndpoint([self.make(preset=self.preset, seed=seed, index=index, **size) for index in range(count)])

    def connect(self, count: int, seed: int) -> ArrayBoard:
        endpoint = self.endpoint(count, seed)
        return ArrayBoard(lambda: LoopbackTransport(endpoint))


@dataclass(frozen=True, slots=True)
class _Served:
    """Reaches arrays that somebody serves."""

    board: TcpBoard
    tile: int

    def connect(self, count: int, seed: int) -> ArrayBoard:
        """Connect to arrays that are as they are: a seed means nothing to them."""
        board = ArrayBoard(self.board.connect)
        if board.arrays < count or board.shape != (self.tile, self.tile):
            found = f"{board.arrays} of {board.shape[0]}x{board.shape[1]}"
            board.close()
            raise InvalidValueError(f"the network needs {count} arrays of {self.tile}x{self.tile}, but has {found}")
        return board


class _ArrayFactory:
    """Memristor arrays written cell by cell over the board protocol."""

    about = (
        "memristor arrays written cell by cell: array:emulated?strategy=window, or served ones: array:tcp://host:port"
    )

    def __call__(self, argument: str, options: Mapping[str, str]) -> ArrayBackend:
        strategy = options.get("strategy", "window")
        if strategy not in STRATEGIES:
            raise UnknownNameError.of("programming strategy", strategy, list(STRATEGIES))
        chosen = _Numbers.of(options)
        make = self._served if argument.startswith("tcp:") else self._emulated
        return make(argument, options, chosen, strategy)

    @staticmethod
    def _emulated(argument: str, options: Mapping[str, str], chosen: _Numbers, strategy: str) -> ArrayBackend:
        refuse_unknown_options(options, [*WRITING, "arrays", "preset", "seed"], of="array")
        makers = {entry.name: entry for entry in entry_points(group="hil.arrays")}
        if argument not in makers:
            raise UnknownNameError.of("array", argument, [*makers, "tcp://host:port"])
        preset = options.get("preset", "hfo2_gong2022")
        load("presets", preset)  # an unknown one is refused before anything is read or written
        emulated = _Emulated(makers[argument].load(), preset, chosen.tile)
        return ArrayBackend(
            emulated.connect,
            strategy,
            chosen.tolerance,
            chosen.most_pulses,
            f"array:{argument}",
            chosen.tile,
            lambda: LocalArrays(emulated.endpoint(chosen.arrays, chosen.seed)),
        )

    @staticmethod
    def _served(argument: str, options: Mapping[str, str], chosen: _Numbers, strategy: str) -> ArrayBackend:
        refuse_unknown_options(options, [*WRITING, *SECURITY_OPTIONS], of="array")
        host, port = parse_address(argument.removeprefix("tcp:").removeprefix("//"))
        served = _Served(TcpBoard(host, port, security=Security.from_options(options)), chosen.tile)
        return ArrayBackend(
            served.connect, strategy, chosen.tolerance, chosen.most_pulses, f"array:{argument}", chosen.tile
        )

    def missing(self) -> str | None:
        """Nothing is missing."""
        return None


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Options of an array that are numbers."""

    tile: int = 128
    tolerance: float = 0.15
    most_pulses: int = 100
    arrays: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no array can be."""
        if not (2 <= self.tile <= 256 and self.tile % 2 == 0 and 0 < self.tolerance < 1):
            message = f"got tile={self.tile} and tolerance={self.tolerance}"
            raise InvalidValueError(f"array needs an even tile of 2 to 256 and a tolerance of 0 to 1, {message}")
        if self.most_pulses < 1 or not 1 <= self.arrays <= 65535 or self.seed < 0:
            message = f"got most_pulses={self.most_pulses}, arrays={self.arrays}, seed={self.seed}"
            raise InvalidValueError(f"array needs pulses, 1 to 65535 arrays and a seed from 0, {message}")

    @classmethod
    def of(cls, options: Mapping[str, str]) -> _Numbers:
        try:
            whole = {key: int(options[key]) for key in ("tile", "most_pulses", "arrays", "seed") if key in options}
            return cls(**whole, tolerance=float(options.get("tolerance", "0.15")))
        except InvalidValueError:
            raise
        except ValueError as error:
            raise InvalidValueError(f"options of array are numbers, but got {dict(options)}") from error


array = _ArrayFactory()
