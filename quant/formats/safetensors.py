"""The project's own checkpoint: one safetensors file that any safetensors reader opens and that cannot lie.

The layout is the public one (8-byte little-endian header length, JSON header, tensors), so nothing is ever unpickled.
The header's metadata names the format and its version, describes the network as JSON, and carries a SHA-256 over the
whole file with the digest itself read as zeros: no byte can change unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import DamagedFileError, FormatError
from hil.network import TernaryLayer, TernaryNetwork
from hil.ports import IndependentReading
from quant.formats.arithmetic import ReadLayer, runner

__all__ = ["SafetensorsFormat", "safetensors_format"]

MAGIC = "neuromorphic-hil ternary network"
VERSION = 1
DIGEST_KEY = b'"sha256":"'
DIGEST_LENGTH = 64
PREFIX_BYTES = 8
ALIGNMENT_BYTES = 8

_DTYPES: Mapping[str, str] = {"I8": "<i1", "U8": "<u1", "I32": "<i4"}
_NAMES: Mapping[str, str] = {np.dtype(code).str: name for name, code in _DTYPES.items()}

Tensors = Mapping[str, npt.NDArray[Any]]


class SafetensorsFormat:
    """Codes, scales, captions and provenance of a network in one verifiable safetensors file."""

    name: ClassVar[str] = "safetensors"
    about: ClassVar[str] = "the project's checkpoint: versioned, hashed, pickle-free, read by any safetensors library"
    suffix: ClassVar[str] = ".safetensors"

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return the network as bytes; equal networks give equal bytes."""
        tensors = _ordered(network)
        header = _header(json.dumps(describe(network), sort_keys=True, separators=(",", ":")), tensors)
        body = b"".join(tensor.tobytes() for tensor in tensors.values())
        return _seal(len(header).to_bytes(PREFIX_BYTES, "little") + header + body)

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network that ``encode`` was given.

        Raises:
            FormatError: The bytes are foreign, truncated, altered or of a newer version.
        """
        header, start = _read_header(blob)
        metadata = _own_metadata(header)
        _check_length(blob, header, start)
        if _digest(blob) != metadata.get("sha256"):
            raise FormatError("checkpoint was altered: its SHA-256 is not the one it was written with")
        try:
            values = json.loads(metadata["network"])
            tensors = _tensors(blob, header, start)
            layers = [_integers(tensors, i) for i in range(len(values["layers"]))]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"checkpoint describes no network that can be built: {error}") from error
        return rebuild(values, layers)

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read the tensors and the description with the safetensors library, and run what it returns."""
        tensors, metadata = _read_with_the_library(blob)
        layers = []
        for i, described in enumerate(json.loads(metadata["network"])["layers"]):
            names = (f"layers.{i}.{name}" for name in ("bias", "multiplier", "shift"))
            beside = {name.rpartition(".")[2]: tensors[name] for name in names if name in tensors}
            layers.append(ReadLayer.of(tensors[f"layers.{i}.weight"], beside, described))
        reader = f"safetensors {version('safetensors')}"
        return IndependentReading(reader, [each.weight for each in layers], runner(layers))


def _read_with_the_library(blob: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    with tempfile.TemporaryDirectory(prefix="hil-safetensors-") as folder:
        path = Path(folder, "network.safetensors")
        path.write_bytes(blob)
        try:
            with safe_open(path, framework="numpy") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
        except SafetensorError as error:
            raise FormatError(f"the safetensors library refuses the checkpoint: {error}") from error


safetensors_format = SafetensorsFormat()


def _layer_tensors(layer: TernaryLayer) -> Tensors:
    tensors: dict[str, npt.NDArray[Any]] = {"weight": layer.weight, "bias": layer.bias}
    if layer.requantisation is not None:
        tensors |= {"multiplier": layer.requantisation.multiplier, "shift": layer.requantisation.shift}
    return tensors


def _ordered(network: TernaryNetwork) -> Tensors:
    """Return the tensors by name, the widest numbers first, so that every one of them is aligned."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    for i, layer in enumerate(network.layers):
        tensors |= {f"layers.{i}.{name}": tensor for name, tensor in _layer_tensors(layer).items()}
    return dict(sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))


def _integers(tensors: Tensors, i: int) -> LayerIntegers:
    read = {name: tensors.get(f"layers.{i}.{name}") for name in ("multiplier", "shift")}
    return LayerIntegers(tensors[f"layers.{i}.weight"], tensors[f"layers.{i}.bias"], **read)


def _header(network: str, tensors: Tensors) -> bytes:
    metadata = {"format": MAGIC, "network": network, "sha256": "0" * DIGEST_LENGTH, "version": str(VERSION)}
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + tensor.nbytes
        header[name] = {"dtype": _NAMES[tensor.dtype.str], "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    return text + b" " * (-len(text) % ALIGNMENT_BYTES)


def _digest_span(blob: bytes) -> slice:
    start = blob.find(DIGEST_KEY) + len(DIGEST_KEY)
    return slice(start, start + DIGEST_LENGTH)


def _digest(blob: bytes) -> str:
    span = _digest_span(blob)
    return hashlib.sha256(blob[: span.start] + b"0" * DIGEST_LENGTH + blob[span.stop :]).hexdigest()


def _seal(blob: bytes) -> bytes:
    span = _digest_span(blob)
    return blob[: span.start] + _digest(blob).encode() + blob[span.stop :]


def _read_header(blob: bytes) -> tuple[dict[str, Any], int]:
    """Return the JSON header and where the tensors start."""
    if len(blob) < PREFIX_BYTES:
        raise FormatError(f"checkpoint must be a safetensors file, but has only {len(blob)} bytes")
    start = PREFIX_BYTES + int.from_bytes(blob[:PREFIX_BYTES], "little")
    if start > len(blob):
        if blob[PREFIX_BYTES : PREFIX_BYTES + 1] == b"{":
            raise DamagedFileError("checkpoint is truncated inside its header", offset_bytes=len(blob))
        raise FormatError("checkpoint must be a safetensors file, but its first bytes are no header length")
    try:
        header = json.loads(blob[PREFIX_BYTES:start])
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are both ValueErrors
        raise FormatError("checkpoint must be a safetensors file, but its header is not JSON") from error
    if not isinstance(header, dict):
        raise FormatError("checkpoint must be a safetensors file, but its header is not a JSON object")
    return header, start


def _own_metadata(header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != MAGIC:
        raise FormatError(f"safetensors file is of another program: its metadata does not say {MAGIC!r}")
    version = str(metadata.get("version"))
    if version.isdigit() and int(version) > VERSION:
        raise FormatError(f"checkpoint is of version {version}, but this program reads up to {VERSION}; update it")
    if version != str(VERSION):
        raise FormatError(f"checkpoint version must be {VERSION}, but is {version!r}")
    return metadata


def _check_length(blob: bytes, header: dict[str, Any], start: int) -> None:
    try:
        length = max(int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FormatError("checkpoint header does not say where its tensors are") from error
    if start + length > len(blob):
        raise DamagedFileError(f"checkpoint is truncated: {start + length} bytes expected", offset_bytes=len(blob))


def _tensors(blob: bytes, header: dict[str, Any], start: int) -> Tensors:
    return {name: _tensor(blob, entry, start) for name, entry in header.items() if name != "__metadata__"}


def _tensor(blob: bytes, entry: dict[str, Any], start: int) -> npt.NDArray[Any]:
    first, last = entry["data_offsets"]
    return np.frombuffer(blob[start + first : start + last], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
