"""Conductance tables: what to program into each tile of an array, as CSV or npz, row by row and column by column.

A weight is a pair of neighbouring columns: +1 is (on, off), -1 is (off, on), 0 is (off, off). Tile ``layerN.tileRxC``
holds inputs ``R * rows`` and up on its rows, outputs ``C * columns / 2`` and up on its column pairs; cells beyond
the layer's edge are off.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError, InvalidValueError
from hil.network import TernaryNetwork
from hil.ports import IndependentReading
from hil.registry import refuse_unknown_options
from hil.sealed import seal, unseal
from hil.types import Float64Array, Int8Array
from quant.formats.arithmetic import ReadLayer, runner
from quant.formats.verifiable import integers_of

__all__ = ["ConductanceFormat", "conductance_csv", "conductance_npz"]

LARGEST_TILE = 4096
MICRO_PER_ONE = 1e6  # divided by, because 50 * 1e-6 is not the number nearest to 50e-6

Writer = Callable[[Float64Array], bytes]
Reader = Callable[[bytes], Float64Array]


def _write_csv(g_siemens: Float64Array) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["row \\ column", *range(g_siemens.shape[1])])
    for i, row in enumerate(g_siemens):
        writer.writerow([i, *(repr(float(g)) for g in row)])
    return buffer.getvalue().encode()


def _read_csv(blob: bytes) -> Float64Array:
    lines = blob.decode("ascii").splitlines()[1:]
    return np.array([[float(g) for g in line.split(",")[1:]] for line in lines])


def _write_npy(g_siemens: Float64Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, g_siemens, allow_pickle=False)
    return buffer.getvalue()


def _read_npy(blob: bytes) -> Float64Array:
    values: Float64Array = np.load(io.BytesIO(blob), allow_pickle=False)
    return values


@dataclass(frozen=True, slots=True)
class ConductanceFormat:
    """One table per tile in a sealed zip.

    Attributes:
        g_on_siemens: Conductance of a cell that is on.
        g_off_siemens: Conductance of a cell that is off.
        rows: Word lines of a tile.
        columns: Bit lines of a tile, even.
    """

    name: str
    about: str
    suffix: str
    extension: str
    write: Writer
    read: Reader
    g_on_siemens: float = 40e-6
    g_off_siemens: float = 1e-6
    rows: int = 128
    columns: int = 128

    def __post_init__(self) -> None:
        """Refuse pairs that cannot be told apart and tiles that cannot hold a pair."""
        if not 0 <= self.g_off_siemens < self.g_on_siemens < float("inf"):
            got = f"off {self.g_off_siemens} and on {self.g_on_siemens} S"
            raise InvalidValueError(f"conductances must be finite with 0 <= off < on, but got {got}")
        if not (1 <= self.rows <= LARGEST_TILE and 2 <= self.columns <= LARGEST_TILE) or self.columns % 2:
            bound = f"1x2 to {LARGEST_TILE}x{LARGEST_TILE} cells with an even number of columns"
            raise InvalidValueError(f"a tile has {bound}, but got {self.rows}x{self.columns}")

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the tables, the digital integers and the settings as a sealed zip."""
        settings = {k: getattr(self, k) for k in ("g_on_siemens", "g_off_siemens", "rows", "columns")}
        digital = [{k: v.tolist() for k, v in integers_of(layer).items()} for layer in network.layers]
        document = {"settings": settings, "digital": digital, "network": describe(network)}
        files = {"network.json": json.dumps(document, sort_keys=True).encode()}
        for i, layer in enumerate(network.layers):
            for r, c, g_siemens in self._tiles(layer.weight):
                files[f"layer{i}.tile{r}x{c}.{self.extension}"] = self.write(g_siemens)
        return seal(files)

    def _tiles(self, weight: Int8Array) -> Iterator[tuple[int, int, Float64Array]]:
        pairs = self.columns // 2
        channels, fan_in = weight.shape
        padded = np.zeros((-(-fan_in // self.rows) * self.rows, -(-channels // pairs) * pairs), np.int8)
        padded[:fan_in, :channels] = weight.T
        on = np.stack([padded == 1, padded == -1], axis=-1).reshape(len(padded), -1)
        g_siemens = np.where(on, self.g_on_siemens, self.g_off_siemens)
        for r in range(len(padded) // self.rows):
            for c in range(g_siemens.shape[1] // self.columns):
                yield r, c, g_siemens[r * self.rows :, c * self.columns :][: self.rows, : self.columns]

    def having(self, options: Mapping[str, str]) -> ConductanceFormat:
        """Return the format for another device or tile; see ``hil.ports.ConfigurableFormat``.

        Args:
            options: ``on`` and ``off`` in microsiemens, ``tile`` as ``128`` or ``128x64``.

        Raises:
            InvalidValueError: An option is unknown, no number, or asks for pairs or tiles that cannot be.
        """
        refuse_unknown_options(options, ["off", "on", "tile"], of=self.name)
        rows_text, _, columns_text = options.get("tile", f"{self.rows}x{self.columns}").partition("x")
        try:
            rows, columns = int(rows_text), int(columns_text or rows_text)
            on = float(options["on"]) / MICRO_PER_ONE if "on" in options else self.g_on_siemens
            off = float(options["off"]) / MICRO_PER_ONE if "off" in options else self.g_off_siemens
        except ValueError as error:
            message = f"on and off are numbers and tile is like 128 or 128x64, but got {dict(options)}"
            raise InvalidValueError(message) from error
        return replace(self, rows=rows, columns=columns, g_on_siemens=on, g_off_siemens=off)

    def _document(self, files: dict[str, bytes]) -> tuple[ConductanceFormat, dict[str, Any]]:
        document = json.loads(files["network.json"])
        return replace(self, **document["settings"]), document

    def _codes(self, files: dict[str, bytes], i: int, channels: int, fan_in: int) -> Int8Array:
        half = (self.g_on_siemens + self.g_off_siemens) / 2.0
        rows, columns = -(-fan_in // self.rows), -(-2 * channels // self.columns)
        tiles = [
            [self.read(files[f"layer{i}.tile{r}x{c}.{self.extension}"]) for c in range(columns)] for r in range(rows)
        ]
        on = np.block(tiles) > half
        codes = on[:, 0::2].astype(np.int8) - on[:, 1::2].astype(np.int8)
        return codes[:fan_in, :channels].T

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network whose weights the tables hold.

        Raises:
            FormatError: Foreign, truncated or altered.
        """
        files = unseal(blob)
        try:
            settings, document = self._document(files)
            described = document["network"]
            layers = [
                LayerIntegers(
                    settings._codes(files, i, int(each["channels"]), int(each["fan_in"])),
                    **{name: np.array(values) for name, values in document["digital"][i].items()},
                )
                for i, each in enumerate(described["layers"])
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"conductance tables lack a part or hold a wrong one: {error!r}") from error
        return rebuild(described, layers)

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read the tables with numpy's own loaders and do as an array does: differences of column currents are sums.

        Raises:
            FormatError: A cell is neither on nor off, or one beyond the edge of its layer is on.
        """
        files = unseal(blob)
        document = json.loads(files["network.json"])
        layers, weights = [], []
        for i, described in enumerate(document["network"]["layers"]):
            differences = _differences(self._tables(files, i), described, document["settings"])
            beside = {name: np.array(values) for name, values in document["digital"][i].items()}
            layers.append(ReadLayer.of(differences, beside, described))
            weights.append(np.rint(differences).astype(np.int8))
        return IndependentReading(f"numpy {np.__version__}, {self.extension} loader", weights, runner(layers))

    def _tables(self, files: Mapping[str, bytes], i: int) -> Iterator[tuple[int, int, Float64Array]]:
        for name, content in files.items():
            if found := re.fullmatch(rf"layer{i}\.tile(\d+)x(\d+)\.{self.extension}", name):
                yield int(found[1]), int(found[2]), _load(content, self.extension)


def _load(content: bytes, extension: str) -> Float64Array:
    if extension == "npy":
        return _read_npy(content)
    return np.loadtxt(io.BytesIO(content), delimiter=",", skiprows=1, ndmin=2)[:, 1:]


def _differences(
    tables: Iterator[tuple[int, int, Float64Array]], described: Mapping[str, Any], settings: Mapping[str, Any]
) -> Float64Array:
    """Return the (channels, fan_in) differences within column pairs, over on minus off."""
    rows, pairs = settings["rows"], settings["columns"] // 2
    on, off = settings["g_on_siemens"], settings["g_off_siemens"]
    channels, fan_in = described["channels"], described["fan_in"]
    whole = np.zeros((-(-fan_in // rows) * rows, -(-channels // pairs) * pairs))
    for r, c, table in tables:
        if not np.isin(table, (on, off)).all() or (table[:, 0::2] + table[:, 1::2] == 2 * on).any():
            raise FormatError(f"tile {r}x{c} holds a cell that is neither {on} nor {off} S, or a pair that is on twice")
        whole[r * rows : (r + 1) * rows, c * pairs : (c + 1) * pairs] = (table[:, 0::2] - table[:, 1::2]) / (on - off)
    if whole[fan_in:].any() or whole[:, channels:].any():
        raise FormatError(f"cells beyond the {fan_in} inputs and {channels} outputs of a layer must be off")
    return whole[:fan_in, :channels].T


conductance_csv = ConductanceFormat(
    "conductance-csv",
    "target conductances per tile (zip of CSV); options on, off, tile",
    ".conductance.csv.zip",
    "csv",
    _write_csv,
    _read_csv,
)
conductance_npz = ConductanceFormat(
    "conductance-npz",
    "target conductances per tile (npz); options on, off, tile",
    ".conductance.npz",
    "npy",
    _write_npy,
    _read_npy,
)
