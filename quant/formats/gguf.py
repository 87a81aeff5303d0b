"""GGUF with ggml's ternary tensors: TQ2_0 (2.0625 bit) and TQ1_0 (1.6875 bit).

Rows are padded with zeros to whole blocks of 256 and the true length is written beside them; block scales are 1, since
codes are what is stored; the absmean scales stay float64 in the description, because a block scale is only fp16.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import IndependentReading
from hil.types import Int8Array
from quant.formats.arithmetic import ReadLayer, runner
from quant.formats.verifiable import exact_codes, integers_of, need, refuse_altered

__all__ = ["GgufFormat", "tq1_0", "tq2_0"]

BLOCK = 256
ARCHITECTURE = "ternary-encoder"
DESCRIPTION_KEY = f"{ARCHITECTURE}.description"
MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class GgufFormat:
    """One GGUF file; ``quantisation`` names ggml's tensor type."""

    name: str
    about: str
    suffix: str
    quantisation: str

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the network as a GGUF file.

        Raises:
            MissingDependencyError: The package ``gguf`` is not installed.
        """
        gguf = need("gguf", "writing GGUF")
        with tempfile.TemporaryDirectory(prefix="hil-gguf-") as folder:
            path = Path(folder, "network.gguf")
            writer = gguf.GGUFWriter(path, ARCHITECTURE)
            writer.add_string(DESCRIPTION_KEY, json.dumps(describe(network), sort_keys=True))
            for i, layer in enumerate(network.layers):
                self._add(writer, gguf, i, layer)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            return path.read_bytes()

    def _add(self, writer: Any, gguf: Any, i: int, layer: TernaryLayer) -> None:
        kind = gguf.GGMLQuantizationType[self.quantisation]
        padded = np.pad(layer.weight, ((0, 0), (0, -layer.fan_in % BLOCK))).astype(np.float32)
        writer.add_tensor(f"layers.{i}.weight", gguf.quants.quantize(padded, kind), raw_dtype=kind)
        for name, values in integers_of(layer).items():
            writer.add_tensor(f"layers.{i}.{name}", values.astype(np.int32))

    def _tensors(self, blob: bytes) -> tuple[Any, dict[str, Any], str]:
        gguf = need("gguf", "reading GGUF")
        if not blob.startswith(MAGIC):
            raise FormatError(f"file is not GGUF: it starts with {blob[:4]!r}, not {MAGIC!r}")
        with tempfile.TemporaryDirectory(prefix="hil-gguf-") as folder:
            path = Path(folder, "network.gguf")
            path.write_bytes(blob)
            try:
                reader = gguf.GGUFReader(path)
                tensors = {str(t.name): (np.array(t.data), t.tensor_type) for t in reader.tensors}
                described = str(reader.fields[DESCRIPTION_KEY].contents())
            except (KeyError, ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
                raise FormatError(f"GGUF file is damaged or of another program: {error!r}") from error
        return gguf, tensors, described

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network of a GGUF file.

        Raises:
            FormatError: Foreign, truncated or altered.
            MissingDependencyError: The package ``gguf`` is not installed.
        """
        gguf, tensors, text = self._tensors(blob)
        try:
            described = json.loads(text)
            layers = [_layer(gguf, tensors, i, int(each["fan_in"])) for i, each in enumerate(described["layers"])]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"GGUF file lacks a part or holds a wrong one: {error!r}") from error
        return refuse_altered(blob, rebuild(described, layers), self.encode)

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read and dequantise with the ``gguf`` package, and run what it returns."""
        gguf, tensors, text = self._tensors(blob)
        layers = []
        for i, described in enumerate(json.loads(text)["layers"]):
            weights = _weights(gguf, tensors, i, described["fan_in"])
            layers.append(ReadLayer.of(weights, _beside(tensors, i), described))
        reader = f"gguf {version('gguf')}"
        return IndependentReading(reader, [each.weight for each in layers], runner(layers))


def _weights(gguf: Any, tensors: dict[str, Any], i: int, fan_in: int) -> Int8Array:
    data, kind = tensors[f"layers.{i}.weight"]
    values = gguf.quants.dequantize(data, kind)
    if values[:, fan_in:].any():
        raise FormatError(f"padding of layer {i} is not zero after {fan_in} weights")
    return exact_codes(values[:, :fan_in], f"GGUF layer {i}")


def _beside(tensors: dict[str, Any], i: int) -> dict[str, Any]:
    names = (f"layers.{i}.{name}" for name in ("bias", "multiplier", "shift"))
    return {name.rpartition(".")[2]: tensors[name][0] for name in names if name in tensors}


def _layer(gguf: Any, tensors: dict[str, Any], i: int, fan_in: int) -> LayerIntegers:
    return LayerIntegers(_weights(gguf, tensors, i, fan_in), **_beside(tensors, i))


tq2_0 = GgufFormat("gguf-tq2_0", "GGUF with ggml's TQ2_0 tensors, 2.0625 bit", ".tq2_0.gguf", "TQ2_0")
tq1_0 = GgufFormat("gguf-tq1_0", "GGUF with ggml's TQ1_0 tensors, 1.6875 bit", ".tq1_0.gguf", "TQ1_0")
