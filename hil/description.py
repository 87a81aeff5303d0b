"""Everything of a network but its integers, as one JSON document, for formats that only hold codes."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.errors import FormatError
from hil.network import CaptionSet, FeatureSpec, Patches, Requantisation, TernaryLayer, TernaryNetwork
from hil.types import Float32Array

__all__ = ["LayerIntegers", "describe", "rebuild"]

VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class LayerIntegers:
    """The integers of one layer, as a format read them.

    Attributes:
        weight: (channels, fan_in) codes -1, 0, +1.
        bias: (channels,) int32.
        multiplier: (channels,) int32; ignored on the last layer.
        shift: (channels,) 1 to 62; ignored on the last layer.
    """

    weight: np.ndarray[Any, Any]
    bias: np.ndarray[Any, Any]
    multiplier: np.ndarray[Any, Any] | None = None
    shift: np.ndarray[Any, Any] | None = None


def _encode(values: Float32Array) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _decode(text: str) -> Float32Array:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)


def describe(network: TernaryNetwork) -> dict[str, Any]:
    """Return a JSON-ready document of everything that ``rebuild`` needs beside the layers' integers."""
    captions = network.captions
    document = {
        "version": VERSION,
        "name": network.name,
        "digest": network.digest,
        "output_scale": _encode(network.output_scale),
        "features": None if network.features is None else dataclasses.asdict(network.features),
        "captions": None
        if captions is None
        else {
            "texts": list(captions.texts),
            "vectors": _encode(captions.vectors),
            "model": captions.model,
            "model_sha256": captions.model_sha256,
        },
        "gate_threshold": network.gate_threshold,
        "metadata": dict(network.metadata),
        "layers": [_describe_layer(layer) for layer in network.layers],
    }
    return {**document, "sha256": _seal(document)}


def _seal(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _describe_layer(layer: TernaryLayer) -> dict[str, Any]:
    return {
        "channels": layer.channels,
        "fan_in": layer.fan_in,
        "weight_scale": layer.weight_scale,
        "relu": None if layer.requantisation is None else layer.requantisation.relu,
        "patches": None if layer.patches is None else dataclasses.asdict(layer.patches),
    }


def _rebuild_layer(document: Mapping[str, Any], integers: LayerIntegers) -> TernaryLayer:
    step = None
    if document["relu"] is not None:
        if integers.multiplier is None or integers.shift is None:
            raise FormatError("a layer that requantises lacks its multiplier or shift")
        step = Requantisation(integers.multiplier, integers.shift, relu=bool(document["relu"]))
    patches = None if document["patches"] is None else Patches(**document["patches"])
    return TernaryLayer(integers.weight, integers.bias, float(document["weight_scale"]), step, patches)


def _rebuild_captions(document: Mapping[str, Any] | None) -> CaptionSet | None:
    if document is None:
        return None
    texts = tuple(str(text) for text in document["texts"])
    vectors = _decode(document["vectors"]).reshape(len(texts), -1)
    return CaptionSet(texts, vectors, str(document["model"]), str(document["model_sha256"]))


def rebuild(document: Mapping[str, Any], layers: Sequence[LayerIntegers]) -> TernaryNetwork:
    """Return the network that ``describe`` was given, from its document and the integers read from elsewhere.

    Raises:
        FormatError: The document is malformed or newer, or the integers are not the ones it was written for.
    """
    version = document.get("version")
    if version != VERSION:
        raise FormatError(f"network description is of version {version!r}, but this release reads {VERSION}")
    if document.get("sha256") != _seal(document):
        raise FormatError("network description was altered or is malformed: its SHA-256 does not match")
    try:
        network = _rebuild(document, layers)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise FormatError(f"network description is malformed: {error}") from error
    if network.digest != document.get("digest"):
        raise FormatError(
            f"integers read have digest {network.digest[:12]}, but {document.get('digest')!r} was written"
        )
    return network


def _rebuild(document: Mapping[str, Any], layers: Sequence[LayerIntegers]) -> TernaryNetwork:
    features = document["features"]
    return TernaryNetwork(
        name=str(document["name"]),
        layers=tuple(_rebuild_layer(each, read) for each, read in zip(document["layers"], layers, strict=True)),
        output_scale=_decode(document["output_scale"]),
        features=None if features is None else FeatureSpec(**features),
        captions=_rebuild_captions(document["captions"]),
        gate_threshold=float(document["gate_threshold"]),
        metadata={str(key): str(value) for key, value in document["metadata"].items()},
    )
