"""NIR: the network as a chain of Affine (and Conv2d) nodes, read by Lava, sinabs, Rockpool, Norse, snnTorch and others.

A node's weights are the codes and its bias the integer bias. NIR has no requantisation, so multiplier, shift and
the lower clip are metadata of the node; a reader that ignores them has the linear part exactly.
"""

from __future__ import annotations

import hashlib
import io
import json
from importlib.metadata import version
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import IndependentReading
from hil.types import Int8Array
from quant.formats.arithmetic import ReadLayer, runner
from quant.formats.verifiable import exact_codes, integers_of, need, refuse_altered

__all__ = ["NirFormat", "nir_graph"]

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SEAL_BYTES = 32


def _seal(body: bytes) -> bytes:
    """Return the digest that follows the HDF5 data, where its readers do not look."""
    return hashlib.sha256(body).digest()


class NirFormat:
    """One HDF5 file as ``nir.write`` makes it."""

    name: ClassVar[str] = "nir"
    about: ClassVar[str] = "NIR graph of Affine and Conv2d nodes (HDF5)"
    suffix: ClassVar[str] = ".nir"

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the network as a NIR file.

        Raises:
            MissingDependencyError: The package ``nir`` is not installed.
        """
        nir = need("nir", "writing NIR")
        nodes: dict[str, Any] = {"input": nir.Input(np.array(_in_shape(network.layers[0])))}
        names = ["input"]
        for i, layer in enumerate(network.layers):
            nodes |= _nodes(nir, i, layer)
            names += [name for name in nodes if name not in names]
        nodes["output"] = nir.Output(np.array([network.d_out]))
        names.append("output")
        metadata = {"description": json.dumps(describe(network), sort_keys=True)}
        edges = list(pairwise(names))
        graph = nir.NIRGraph(nodes, edges, metadata=metadata, type_check=False)
        buffer = io.BytesIO()
        nir.write(buffer, graph)
        return buffer.getvalue() + _seal(buffer.getvalue())

    def _read(self, blob: bytes) -> Any:
        nir = need("nir", "reading NIR")
        if not blob.startswith(HDF5_MAGIC):
            raise FormatError("file is not NIR: it does not start as HDF5 does")
        if blob[-SEAL_BYTES:] != _seal(blob[:-SEAL_BYTES]):  # HDF5's own library is not safe on damaged files
            raise FormatError("NIR file was altered or cut: the SHA-256 at its end does not match")
        try:
            return nir.read(io.BytesIO(blob), type_check=False)
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, AssertionError, AttributeError) as error:
            raise FormatError(f"NIR file is damaged or of another program: {str(error)[:120]}") from error

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network of a NIR file that this class wrote.

        Raises:
            FormatError: Foreign, truncated or altered.
        """
        graph = self._read(blob)
        try:
            described = json.loads(_text(graph.metadata["description"]))
            layers = [_layer(graph.nodes[f"layer{i}"], each) for i, each in enumerate(described["layers"])]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"NIR graph lacks a part or holds a wrong one: {error!r}") from error
        return refuse_altered(blob, rebuild(described, layers), self.encode)

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read the nodes with ``nir.read`` and run them by what they and their metadata say, not by our description."""
        graph = self._read(blob)
        layers = [_read_layer(graph.nodes[name]) for name in _in_order(graph)]
        return IndependentReading(f"nir {version('nir')}", [each.weight for each in layers], runner(layers))


def _in_shape(layer: TernaryLayer) -> tuple[int, ...]:
    p = layer.patches
    return (layer.d_in,) if p is None else (p.in_channels, p.height, p.width)


def _nodes(nir: Any, i: int, layer: TernaryLayer) -> dict[str, Any]:
    metadata = {name: values for name, values in integers_of(layer).items() if name != "bias"}
    if layer.requantisation is not None:
        metadata["lowest"] = np.array([0 if layer.requantisation.relu else -128])
    weight, bias = layer.weight.astype(np.float32), layer.bias.astype(np.float64)
    p = layer.patches
    if p is None:
        return {f"layer{i}": nir.Affine(weight, bias, metadata=metadata)}
    kernel = weight.reshape(layer.channels, p.in_channels, p.kernel, p.kernel)
    conv = nir.Conv2d((p.height, p.width), kernel, p.stride, p.padding, 1, 1, bias, metadata=metadata)
    shape = {"input": np.array([layer.channels, p.out_height, p.out_width])}
    return {f"layer{i}": conv, f"flatten{i}": nir.Flatten(shape, start_dim=0, end_dim=-1)}


def _codes(node: Any, channels: int, fan_in: int) -> Int8Array:
    return exact_codes(np.asarray(node.weight).reshape(channels, fan_in), "NIR graph")


def _layer(node: Any, described: dict[str, Any]) -> LayerIntegers:
    codes = _codes(node, int(described["channels"]), int(described["fan_in"]))
    found = {name: np.asarray(node.metadata[name]) for name in ("multiplier", "shift") if name in node.metadata}
    return LayerIntegers(codes, np.asarray(node.bias).astype(np.int32), **found)


def _in_order(graph: Any) -> list[str]:
    """Return the nodes with weights from the input to the output, along the edges."""
    following, name, found = dict(graph.edges), "input", []
    while name in following:
        name = following[name]
        if hasattr(graph.nodes[name], "weight"):
            found.append(name)
    return found


def _read_layer(node: Any) -> ReadLayer:
    weight, metadata = np.asarray(node.weight), node.metadata
    codes = exact_codes(weight.reshape(len(weight), -1), "NIR graph")
    multiplier, shift = (np.asarray(metadata[name]) if name in metadata else None for name in ("multiplier", "shift"))
    lowest = int(np.ravel(metadata.get("lowest", -128))[0])
    patches = None if weight.ndim == 2 else _patches(node)
    return ReadLayer(codes, np.asarray(node.bias), multiplier, shift, lowest, patches)


def _patches(node: Any) -> dict[str, int]:
    height, width = (int(size) for size in node.input_shape)
    _, in_channels, kernel, _ = np.asarray(node.weight).shape
    step, pad = (int(np.ravel(value)[0]) for value in (node.stride, node.padding))
    sizes = {"in_channels": in_channels, "height": height, "width": width}
    return {**sizes, "kernel": kernel, "stride": step, "padding": pad}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


nir_graph = NirFormat()
