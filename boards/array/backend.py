"""``array:emulated``: a network written cell by cell by a board, and multiplied by it, over the board protocol.

Every layer is cut into tiles; each tile is one array of the board, selected, calibrated, written by a strategy that the
board runs itself, and read as currents. The currents are taken as sensed, without an ADC: converters are the crossbar
emulator's subject.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from boards.array.client import ArrayBoard, Report
from boards.board import Servable
from hil.closing import Closing
from hil.errors import InvalidValueError
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.types import BoolArray, Inference, Int8Array, Int32Array, Int64Array, LayerTrace, Telemetry

__all__ = ["ArrayBackend", "ArraySession"]

READ_VOLT = 0.2
UNIT_VOLT = READ_VOLT / 128.0


@dataclass(frozen=True, slots=True)
class _Tiling:
    """How layers lie on arrays of one size: inputs on rows, a pair of neighbouring columns per output."""

    rows: int
    columns: int

    @property
    def pairs(self) -> int:
        return self.columns // 2

    def grid(self, layer: TernaryLayer) -> tuple[int, int]:
        return -(-layer.fan_in // self.rows), -(-layer.channels // self.pairs)

    def count(self, network: TernaryNetwork) -> int:
        return sum(int(np.prod(self.grid(layer))) for layer in network.layers)

    def masks(self, layer: TernaryLayer) -> list[BoolArray]:
        """Return which cells of each tile are on, row of tiles by row of tiles; cells beyond the layer are off."""
        down, across = self.grid(layer)
        padded = np.zeros((down * self.rows, across * self.pairs), np.int8)
        padded[: layer.fan_in, : layer.channels] = layer.weight.T
        on = np.stack([padded == 1, padded == -1], axis=-1).reshape(len(padded), -1)
        return [
            on[r * self.rows : (r + 1) * self.rows, c * self.columns : (c + 1) * self.columns]
            for r in range(down)
            for c in range(across)
        ]


class ArraySession(Closing):
    """A network on the arrays of one board."""

    def __init__(self, board: ArrayBoard, network: TernaryNetwork, reports: list[Report]) -> None:
        self._board, self._network, self.reports = board, network, reports
        rows, columns = board.shape
        self._tiling = _Tiling(rows, columns)
        self._unit_ampere = UNIT_VOLT * (board.info["on_siemens"] - board.info["off_siemens"])
        self._open = True

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        """Run windows through the arrays; see ``hil.ports.Session``.

        Raises:
            InvalidValueError: The windows have another width, or the session is closed.
        """
        if not self._open:
            raise InvalidValueError("session of 'array' must be open to infer, but it was closed")
        if features.ndim != 2 or features.shape[1] != self._network.d_in:
            raise InvalidValueError(f"features must be (n, {self._network.d_in}), but are {features.shape}")
        started = time.perf_counter()
        layers = self._run(features)
        telemetry = Telemetry(
            "wall", time.perf_counter() - started, counters=self._counters(), provenance=self._provenance()
        )
        outputs = self._network.embed(layers[-1].activation)
        return Inference(outputs, telemetry, tuple(layers) if trace else ())

    def _counters(self) -> Mapping[str, float]:
        return {
            "programming_joule_total": sum(float(each["energy_joule"]) for each in self.reports),
            "programming_pulses_total": float(sum(int(each["pulses"]) for each in self.reports)),
            "cells_in_window_share": float(np.mean([each["share"] for each in self.reports])),
        }

    def _provenance(self) -> Mapping[str, str]:
        info = self._board.info
        return MappingProxyType(
            {
                "substrate": f"{info['kind']}, {info['arrays']} of {info['rows']}x{info['columns']}",
                "device": info["device"],
                "strategy": str(self.reports[0]["strategy"]),
                "network": self._network.digest,
            }
        )

    def _run(self, values: Int8Array) -> list[LayerTrace]:
        layers, first = [], 0
        for layer in self._network.layers:
            vectors = layer.unfold(values).reshape(-1, layer.fan_in)
            sums = self._product(layer, vectors, first).reshape(len(values), layer.positions, layer.channels)
            first += int(np.prod(self._tiling.grid(layer)))
            biased = sums + layer.bias
            values = layer.fold(biased if layer.requantisation is None else layer.requantisation.apply(biased))
            layers.append(LayerTrace(layer.fold(sums), values))
        return layers

    def _product(self, layer: TernaryLayer, vectors: Int8Array, first: int) -> Int32Array:
        down, across = self._tiling.grid(layer)
        volts = np.zeros((len(vectors), down * self._tiling.rows))
        volts[:, : layer.fan_in] = vectors * UNIT_VOLT
        sums = np.zeros((len(vectors), across * self._tiling.pairs))
        for tile in range(down * across):
            r, c = divmod(tile, across)
            self._board.select(first + tile)
            current = self._board.vmm(volts[:, r * self._tiling.rows : (r + 1) * self._tiling.rows])
            sums[:, c * self._tiling.pairs : (c + 1) * self._tiling.pairs] += current[:, 0::2] - current[:, 1::2]
        integers: Int32Array = np.rint(sums[:, : layer.channels] / self._unit_ampere).astype(np.int32)
        return integers

    def close(self) -> None:
        """Put the board to 0 V and close the link; may be called twice."""
        self._open = False
        self._board.close()


@dataclass(frozen=True, slots=True)
class ArrayBackend:
    """Arrays behind the board protocol.

    Attributes:
        connect: Opens a board with so many arrays, under a seed.
        strategy: How cells are written: one of ``boards.array.STRATEGIES``.
        tolerance: Half the window, as a share of on minus off.
        most_pulses: After so many a cell is given up.
        name: As reports show it.
        tile: Rows and columns of an array.
        local: Makes arrays that can be served; None where they are at another host.
    """

    connect: Callable[[int, int], ArrayBoard]
    strategy: str
    tolerance: float = 0.15
    most_pulses: int = 100
    name: str = "array:emulated"
    tile: int = 128
    local: Callable[[], Servable] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Analog; time is wall time."""
        return Capabilities(exact=False)

    def program(self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress) -> ArraySession:
        """Write every tile of a network over the link; progress is told the tiles written."""
        tiling = _Tiling(self.tile, self.tile)
        with ExitStack() as stack:
            board = self.connect(tiling.count(network), seed)
            stack.callback(board.close)
            reports = self._write(
                board, [each for layer in network.layers for each in tiling.masks(layer)], on_progress
            )
            stack.pop_all()  # the session closes it
        return ArraySession(board, network, reports)

    def _write(self, board: ArrayBoard, masks: list[BoolArray], on_progress: OnProgress) -> list[Report]:
        levels = float(board.info["on_siemens"]), float(board.info["off_siemens"])
        window_siemens = self.tolerance * (levels[0] - levels[1])
        reports = []
        for index, on in enumerate(masks):
            board.select(index)
            board.calibrate()
            reports.append(
                board.program_verify(
                    on, strategy=self.strategy, tolerance_siemens=window_siemens, most_pulses=self.most_pulses
                )
            )
            on_progress(index + 1, len(masks))
        return reports

    def open(self) -> Servable:
        """Return the arrays themselves, to be offered to another host.

        Raises:
            InvalidValueError: They are at another host already.
        """
        if self.local is None:
            raise InvalidValueError(f"{self.name} is served already; its host can serve it to others")
        return self.local()
