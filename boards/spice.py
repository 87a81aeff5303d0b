"""``spice:ngspice``: a small array solved by an independent circuit simulator, the slow oracle.

Each weight is a pair of resistors (+1 is on/off, -1 is off/on, 0 is off/off) between a word line at
``input * v_unit`` and two bit lines held at 0 V. With ``wire_ohm`` every line has that resistance per cell, driven and
sensed at one end as in the layout that ``hil crossbar solve`` reads. Currents come back as integers: divided by the
current of one unit and rounded, which is exact without wires.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from boards.build_cache import run_tool
from hil.closing import Closing
from hil.errors import InvalidValueError, LinkError, UnknownNameError
from hil.network import TernaryNetwork
from hil.ports import Capabilities
from hil.progress import OnProgress, ignore_progress
from hil.registry import refuse_unknown_options
from hil.types import Float64Array, Inference, Int8Array, Int64Array, LayerTrace, Telemetry

__all__ = ["SpiceBackend", "netlist", "spice"]

MAX_ROWS, MAX_COLUMNS = 256, 256
SOLVE_TIMEOUT_S = 300.0
CURRENT = re.compile(r"^i\(vc(\d+)\) = (\S+)$", re.MULTILINE)


def _cells(g_siemens: Float64Array, wire_ohm: float) -> Iterator[str]:
    rows, columns = g_siemens.shape
    wired = wire_ohm > 0
    for i in range(rows):
        for j in range(columns):
            word = f"w{i}_{j}" if wired else f"in{i}"
            bit = f"b{i}_{j}" if wired else f"out{j}"
            if g_siemens[i, j] > 0:
                yield f"rc{i}_{j} {word} {bit} {1.0 / float(g_siemens[i, j])!r}"
            if wired:
                yield f"rw{i}_{j} {f'w{i}_{j - 1}' if j else f'in{i}'} {word} {wire_ohm!r}"
                yield f"rb{i}_{j} {bit} {f'b{i + 1}_{j}' if i + 1 < rows else f'out{j}'} {wire_ohm!r}"


def netlist(g_siemens: Float64Array, voltages: Float64Array, *, wire_ohm: float = 0.0) -> str:
    """Return an ngspice deck that solves an array for several input vectors.

    Args:
        g_siemens: (rows, columns) conductances; a zero is no device.
        voltages: (n, rows) volt.
        wire_ohm: Resistance of a line between neighbouring cells, and from its end to its driver or sense.
    """
    rows, columns = g_siemens.shape
    lines = ["array", ".options gmin=1e-25 reltol=1e-9 abstol=1e-21 vntol=1e-15"]
    lines += [f"v{i} in{i} 0 0" for i in range(rows)]
    lines += [f"vc{j} out{j} 0 0" for j in range(columns)]
    lines += _cells(g_siemens, wire_ohm)
    lines += [".control", "set numdgt=16", "set noaskquit"]
    for vector in voltages:
        lines += [f"alter v{i} = {float(v)!r}" for i, v in enumerate(vector)]
        lines += ["op", *(f"print i(vc{j})" for j in range(columns)), "destroy all"]
    return "\n".join([*lines, "quit", ".endc", ".end", ""])


def _solve(g_siemens: Float64Array, voltages: Float64Array, wire_ohm: float) -> Float64Array:
    """Return the (n, columns) currents into the virtual grounds."""
    with tempfile.TemporaryDirectory(prefix="hil-spice-") as folder:
        Path(folder, "array.cir").write_text(netlist(g_siemens, voltages, wire_ohm=wire_ohm))
        printed = run_tool(
            ["ngspice", "-b", "array.cir"],
            package="ngspice",
            purpose="the target spice:ngspice",
            timeout_s=SOLVE_TIMEOUT_S,
            cwd=Path(folder),
        )
    found = [float(value) for _, value in CURRENT.findall(printed)]
    if len(found) != len(voltages) * g_siemens.shape[1]:
        raise LinkError(f"ngspice printed {len(found)} currents, but {len(voltages) * g_siemens.shape[1]} were asked")
    return np.array(found).reshape(len(voltages), -1)


class SpiceSession(Closing):
    """A network as resistors; every product is an operating point."""

    def __init__(self, network: TernaryNetwork, backend: SpiceBackend) -> None:
        self._network, self._backend = network, backend
        self._open = True

    def infer(self, features: Int8Array, *, t_us: Int64Array, trace: bool = False) -> Inference:
        """Solve the array for every window and layer; see ``hil.ports.Session``.

        Raises:
            InvalidValueError: The windows have another width, or the session is closed.
        """
        if not self._open:
            raise InvalidValueError(f"session of {self._backend.name!r} must be open to infer, but it was closed")
        if features.ndim != 2 or features.shape[1] != self._network.d_in:
            raise InvalidValueError(f"features must be (n, {self._network.d_in}), but are {features.shape}")
        started = time.perf_counter()
        layers = self._run(features)
        provenance = MappingProxyType({"substrate": "ngspice operating points", "network": self._network.digest})
        telemetry = Telemetry("wall", time.perf_counter() - started, provenance=provenance)
        outputs = self._network.embed(layers[-1].activation)
        return Inference(outputs, telemetry, tuple(layers) if trace else ())

    def _run(self, values: Int8Array) -> list[LayerTrace]:
        layers = []
        for layer in self._network.layers:
            vectors = layer.unfold(values).reshape(-1, layer.fan_in)
            sums = self._product(layer.weight, vectors).reshape(len(values), layer.positions, layer.channels)
            biased = sums + layer.bias
            values = layer.fold(biased if layer.requantisation is None else layer.requantisation.apply(biased))
            layers.append(LayerTrace(layer.fold(sums), values))
        return layers

    def _product(self, weight: Int8Array, vectors: Int8Array) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
        if not len(vectors):
            return np.empty((0, len(weight)), np.int32)
        board = self._backend
        pairs = np.stack([weight == 1, weight == -1], axis=1).reshape(-1, weight.shape[1]).T
        g_siemens = np.where(pairs, board.g_on_siemens, board.g_off_siemens)
        current = _solve(g_siemens, vectors.astype(np.float64) * board.v_unit_volt, board.wire_ohm)
        unit_ampere = board.v_unit_volt * (board.g_on_siemens - board.g_off_siemens)
        return np.rint((current[:, 0::2] - current[:, 1::2]) / unit_ampere).astype(np.int32)

    def close(self) -> None:
        """Refuse further windows; may be called twice."""
        self._open = False


@dataclass(frozen=True, slots=True)
class SpiceBackend:
    """Resistors solved by ngspice.

    Attributes:
        wire_ohm: Line resistance per cell; 0 is ideal and exact.
        g_on_siemens: Conductance of a cell that is on.
        g_off_siemens: Conductance of a cell that is off.
        v_unit_volt: Word line voltage of an input of 1.
    """

    wire_ohm: float = 0.0
    g_on_siemens: float = 40e-6
    g_off_siemens: float = 1e-6
    v_unit_volt: float = 1e-3
    name: str = "spice:ngspice"

    @property
    def capabilities(self) -> Capabilities:
        """Exact without wires, analog with them; small layers only."""
        return Capabilities(exact=self.wire_ohm == 0, max_fan_in=MAX_ROWS, max_channels=MAX_COLUMNS // 2)

    def program(self, network: TernaryNetwork, *, seed: int, on_progress: OnProgress = ignore_progress) -> SpiceSession:
        """Check that every layer fits one tile.

        Raises:
            InvalidValueError: A layer is larger than the tile.
        """
        for i, layer in enumerate(network.layers):
            if layer.fan_in > MAX_ROWS or 2 * layer.channels > MAX_COLUMNS:
                raise InvalidValueError(
                    f"layer {i} needs {layer.fan_in}x{2 * layer.channels} cells, but {self.name} solves at most "
                    f"{MAX_ROWS}x{MAX_COLUMNS}; use crossbar:ideal?wires=1 for larger ones"
                )
        return SpiceSession(network, self)


class _SpiceFactory:
    """One small tile of resistors, solved by ngspice."""

    about = "one small tile of resistors solved by ngspice, the slow oracle (spice:ngspice?wire_ohm=1)"

    def __call__(self, argument: str, options: Mapping[str, str]) -> SpiceBackend:
        if argument not in ("", "ngspice"):
            raise UnknownNameError.of("circuit simulator", argument, ["ngspice"])
        known = ["wire_ohm", "g_on_siemens", "g_off_siemens", "v_unit_volt"]
        refuse_unknown_options(options, known, of="spice")
        try:
            numbers: dict[str, Any] = {key: float(value) for key, value in options.items()}
            backend = replace(SpiceBackend(), **numbers)
        except ValueError as error:
            raise InvalidValueError(f"options of spice are numbers, but got {dict(options)}") from error
        cells = 0 <= backend.g_off_siemens < backend.g_on_siemens
        if not (cells and backend.wire_ohm >= 0 and backend.v_unit_volt > 0):
            raise InvalidValueError(f"spice needs wire_ohm >= 0, 0 <= g_off < g_on, v_unit > 0; got {dict(options)}")
        return backend

    def missing(self) -> str | None:
        """Name the missing program, or None."""
        import shutil

        return None if shutil.which("ngspice") else "needs ngspice; apt-get install ngspice"


spice = _SpiceFactory()
