"""Raw packed weights, 2 bits or 1.6 bits each, as plain binary files in a zip: the smallest thing a loader can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError
from hil.network import TernaryNetwork
from hil.ports import IndependentReading
from hil.sealed import seal, unseal
from hil.types import Int8Array
from quant.formats.arithmetic import ReadLayer, runner
from quant.formats.verifiable import integers_of
from quant.packing import pack_base3, pack_two_bit, unpack_base3, unpack_two_bit

__all__ = ["PackedFormat", "base3", "two_bit"]

DTYPES = {"bias": "<i4", "multiplier": "<i4", "shift": "u1"}

Bytes = npt.NDArray[np.uint8]


def _table_base3(packed: Bytes, columns: int) -> Int8Array:
    """Read base-3 bytes by a table of every byte's digits: shares nothing with the unpacker."""
    table = np.zeros((256, 5), np.int8)
    for byte in range(243):
        rest = byte
        for k in range(5):
            rest, digit = divmod(rest, 3)
            table[byte, k] = digit - 1
    return table[packed].reshape(len(packed), -1)[:, :columns]


def _table_two_bit(packed: Bytes, columns: int) -> Int8Array:
    """Read two-bit codes by bits: the low bit says whether, the high bit says which sign."""
    bits = np.unpackbits(packed, axis=1, bitorder="little").reshape(len(packed), -1, 2).astype(np.int8)
    return (bits[..., 0] * (1 - 2 * bits[..., 1]))[:, :columns]


@dataclass(frozen=True, slots=True)
class PackedFormat:
    """A sealed zip of ``layerN.weight.bin`` (packed rows) and little-endian integers beside them."""

    name: str
    about: str
    suffix: str
    pack: Callable[[Int8Array], Bytes]
    unpack: Callable[[Bytes, int], Int8Array]
    table: Callable[[Bytes, int], Int8Array]

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the network as a sealed zip."""
        files: dict[str, bytes] = {}
        for i, layer in enumerate(network.layers):
            files[f"layer{i}.weight.bin"] = self.pack(layer.weight).tobytes()
            for name, values in integers_of(layer).items():
                files[f"layer{i}.{name}.bin"] = values.astype(DTYPES[name]).tobytes()
        files["output_scale.bin"] = network.output_scale.astype("<f4").tobytes()
        files["network.json"] = json.dumps(describe(network), indent=1, sort_keys=True).encode()
        return seal(files)

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network of a sealed zip.

        Raises:
            FormatError: Foreign, truncated or altered.
        """
        files = unseal(blob)
        try:
            described = json.loads(files["network.json"])
            layers = [self._layer(files, i, each) for i, each in enumerate(described["layers"])]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{self.name} archive lacks a part or holds a wrong one: {error!r}") from error
        network = rebuild(described, layers)
        if files.get("output_scale.bin") != network.output_scale.astype("<f4").tobytes():
            raise FormatError("output_scale.bin is missing, or not the scale that network.json names")
        return network

    def _layer(self, files: dict[str, bytes], i: int, described: dict[str, Any]) -> LayerIntegers:
        packed = np.frombuffer(files[f"layer{i}.weight.bin"], np.uint8).reshape(int(described["channels"]), -1)
        found = {
            name: np.frombuffer(files[f"layer{i}.{name}.bin"], dtype)
            for name, dtype in DTYPES.items()
            if f"layer{i}.{name}.bin" in files
        }
        return LayerIntegers(self.unpack(packed, int(described["fan_in"])), **found)

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read the weights by a table instead of arithmetic, and run them with the integers beside them."""
        files = unseal(blob)
        layers = []
        for i, described in enumerate(json.loads(files["network.json"])["layers"]):
            raw = np.frombuffer(files[f"layer{i}.weight.bin"], np.uint8).reshape(described["channels"], -1)
            beside = {
                name: np.frombuffer(files[f"layer{i}.{name}.bin"], dtype)
                for name, dtype in DTYPES.items()
                if f"layer{i}.{name}.bin" in files
            }
            layers.append(ReadLayer.of(self.table(raw, described["fan_in"]), beside, described))
        return IndependentReading(f"numpy {np.__version__}, by table", [each.weight for each in layers], runner(layers))


two_bit = PackedFormat(
    "packed2", "2-bit codes, four to a byte (zip)", ".2bit.zip", pack_two_bit, unpack_two_bit, _table_two_bit
)
base3 = PackedFormat(
    "base3", "base-3 codes, five to a byte, 1.6 bit (zip)", ".base3.zip", pack_base3, unpack_base3, _table_base3
)
