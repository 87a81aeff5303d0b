"""The packed layout of BitNet checkpoints in transformers: four rows to a byte, in a safetensors file.

Output row ``o`` is in bits ``2 * (o // (O / 4))`` of byte row ``o % (O / 4)``, as code plus one; rows are padded with
zeros to a multiple of four. ``weight_scale`` holds one over the absmean scale, as its loader expects.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError
from hil.network import TernaryNetwork
from hil.ports import IndependentReading
from hil.types import Int8Array
from quant.formats.arithmetic import ReadLayer, runner
from quant.formats.verifiable import integers_of, need, refuse_altered

__all__ = ["HuggingFaceFormat", "huggingface"]

DESCRIPTION = "network.json"
PURPOSE = "reading packed checkpoints as transformers does"
SHIFTS = np.array([0, 2, 4, 6], np.uint8)[:, None, None]


class HuggingFaceFormat:
    """Packed uint8 weights as transformers' bitnet integration unpacks them."""

    name: ClassVar[str] = "hf-packed"
    about: ClassVar[str] = "packed uint8 as in BitNet checkpoints of transformers (safetensors)"
    suffix: ClassVar[str] = ".hf.safetensors"

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the network as a safetensors file."""
        from safetensors.numpy import save

        tensors: dict[str, Any] = {}
        for i, layer in enumerate(network.layers):
            tensors[f"layers.{i}.weight"] = _pack(layer.weight)
            tensors[f"layers.{i}.weight_scale"] = np.array([1.0 / layer.weight_scale], np.float32)
            tensors |= {f"layers.{i}.{name}": np.array(values) for name, values in integers_of(layer).items()}
        described = json.dumps(describe(network), sort_keys=True).encode()
        tensors[DESCRIPTION] = np.frombuffer(described, np.uint8)
        return save(tensors, metadata={"format": "pt"})

    def _tensors(self, blob: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(blob)
            return tensors, json.loads(tensors[DESCRIPTION].tobytes())
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"file is not a packed safetensors checkpoint, or is damaged: {error!r}") from error

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network of a packed checkpoint.

        Raises:
            FormatError: Foreign, truncated or altered.
        """
        tensors, described = self._tensors(blob)
        try:
            layers = [_layer(tensors, i, int(each["channels"])) for i, each in enumerate(described["layers"])]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FormatError(f"checkpoint lacks a part or holds a wrong one: {error!r}") from error
        return refuse_altered(blob, rebuild(described, layers), self.encode)

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Unpack with the function that transformers itself uses, and run what it returns."""
        torch = need("torch", PURPOSE, extra="train")
        bitnet = need("transformers.integrations.bitnet", PURPOSE, extra="train")
        tensors, document = self._tensors(blob)
        layers = []
        for i, described in enumerate(document["layers"]):
            packed = torch.from_numpy(tensors[f"layers.{i}.weight"])
            codes = bitnet.unpack_weights(packed, dtype=torch.int8).numpy()[: described["channels"]]
            names = (f"layers.{i}.{name}" for name in ("bias", "multiplier", "shift"))
            beside = {name.rpartition(".")[2]: tensors[name] for name in names if name in tensors}
            layers.append(ReadLayer.of(codes, beside, described))
        reader = f"transformers {version('transformers')}"
        return IndependentReading(reader, [each.weight for each in layers], runner(layers))


def _pack(codes: Int8Array) -> Any:
    rows = np.pad(codes, ((0, -len(codes) % 4), (0, 0))) + 1
    quarters = rows.astype(np.uint8).reshape(4, -1, codes.shape[1])
    return np.bitwise_or.reduce(quarters << SHIFTS, axis=0)


def _layer(tensors: dict[str, Any], i: int, channels: int) -> LayerIntegers:
    packed = tensors[f"layers.{i}.weight"]
    codes = (packed[None] >> SHIFTS & 3).reshape(-1, packed.shape[1]).astype(np.int8) - 1
    found = {name: tensors.get(f"layers.{i}.{name}") for name in ("multiplier", "shift")}
    return LayerIntegers(codes[:channels], tensors[f"layers.{i}.bias"], **found)


huggingface = HuggingFaceFormat()
