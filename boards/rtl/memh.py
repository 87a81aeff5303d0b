"""The ``readmemh`` export: three memory images for the RTL core, and everything else of the network beside them.

Layout (see docs/rtl.md): ``weights.memh`` has one word of ``2 * lanes`` bits per input and group of channels, lane 0 in
the lowest bits; ``channels.memh`` one 72-bit word per channel (shift, multiplier, bias from the top); ``layers.memh``
sixteen 32-bit words per layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.description import LayerIntegers, describe, rebuild
from hil.errors import FormatError, InvalidValueError, VerificationError
from hil.network import Patches, TernaryLayer, TernaryNetwork
from hil.ports import IndependentReading
from hil.registry import refuse_unknown_options
from hil.sealed import seal, unseal

__all__ = ["DESCRIPTOR_WORDS", "Readmemh", "layer_patches", "readmemh"]

DESCRIPTOR_WORDS = 16
FLAG_LAST, FLAG_RELU = 1, 2
IMAGES = ("weights.memh", "channels.memh", "layers.memh")
DESCRIPTION = "network.json"
MAX_SIZE = 65535
STEPS_A_WINDOW = 2_500
"""Inputs streamed through the core for one window, up to which Icarus runs it: a millisecond for each."""


def layer_patches(layer: TernaryLayer) -> Patches:
    """Return a layer's patches; a dense layer is a 1x1 convolution over a 1x1 image."""
    return layer.patches or Patches(in_channels=layer.fan_in, height=1, width=1, kernel=1)


def _weight_words(layer: TernaryLayer, lanes: int) -> list[str]:
    groups = -(-layer.channels // lanes)
    padded = np.zeros((groups * lanes, layer.fan_in), np.int8)
    padded[: layer.channels] = layer.weight
    codes = (padded & 3).reshape(groups, lanes, layer.fan_in).transpose(0, 2, 1).reshape(-1, lanes)
    bits = np.stack([codes & 1, codes >> 1], axis=-1).reshape(len(codes), 2 * lanes).astype(np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    digits = -(-2 * lanes // 4)
    return [bytes(row).hex()[-digits:] for row in packed]


def _channel_words(layer: TernaryLayer) -> list[str]:
    step = layer.requantisation
    multiplier = np.zeros(layer.channels, np.int64) if step is None else step.multiplier.astype(np.int64)
    shift = np.ones(layer.channels, np.int64) if step is None else step.shift.astype(np.int64)
    bias = layer.bias.astype(np.int64) & 0xFFFFFFFF
    return [f"{s:02x}{m:08x}{b:08x}" for s, m, b in zip(shift, multiplier, bias, strict=True)]


def _descriptor(layer: TernaryLayer, *, weight_base: int, channel_base: int) -> list[str]:
    patches, step = layer_patches(layer), layer.requantisation
    flags = (FLAG_LAST if step is None else 0) | (FLAG_RELU if step is not None and step.relu else 0)
    words = [
        flags,
        weight_base,
        channel_base,
        layer.channels,
        patches.in_channels,
        patches.kernel,
        patches.stride,
        patches.padding,
        patches.height,
        patches.width,
        patches.height * patches.width,
        patches.stride * patches.width,
        patches.padding * patches.width,
        patches.out_height,
        patches.out_width,
        patches.positions,
    ]
    return [f"{word:08x}" for word in words]


def _text(words: list[str]) -> bytes:
    return ("\n".join(words) + "\n").encode()


def _words(files: dict[str, bytes], name: str) -> list[int]:
    try:
        return [int(line, 16) for line in files[name].decode("ascii").split()]
    except (KeyError, UnicodeDecodeError, ValueError) as error:
        raise FormatError(f"memory image {name} is missing or not hexadecimal: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Readmemh:
    """Memory images for ``$readmemh``.

    Attributes:
        lanes: Accumulators of the core the images are for.
    """

    lanes: int = 64
    name: str = "readmemh"
    about: str = "memory images for the RTL core, read by $readmemh (zip of .memh files); option lanes"
    suffix: str = ".memh.zip"

    def __post_init__(self) -> None:
        """Refuse a core without lanes."""
        if not 1 <= self.lanes <= 4096:
            raise InvalidValueError(f"the core has between 1 and 4096 lanes, but got {self.lanes}")

    def having(self, options: Mapping[str, str]) -> Readmemh:
        """Return the format for another core; see ``hil.ports.ConfigurableFormat``.

        Args:
            options: ``lanes`` of the core.
        """
        refuse_unknown_options(options, ["lanes"], of=self.name)
        try:
            return self.with_lanes(int(options.get("lanes", self.lanes)))
        except ValueError as error:
            raise InvalidValueError(f"lanes must be a whole number, 1 to 4096, but got {options['lanes']!r}") from error

    def with_lanes(self, lanes: int) -> Readmemh:
        """Return the format for a core of another width."""
        return replace(self, lanes=lanes)

    def images(self, network: TernaryNetwork) -> dict[str, bytes]:
        """Return the three memory images by file name.

        Raises:
            InvalidValueError: A size does not fit the core's 16-bit counters.
        """
        weights: list[str] = []
        channels: list[str] = []
        layers: list[str] = []
        for i, layer in enumerate(network.layers):
            if max(layer.channels, layer_patches(layer).in_channels) > MAX_SIZE:
                raise InvalidValueError(f"layer {i} has more than {MAX_SIZE} channels, which the core cannot count")
            layers += _descriptor(layer, weight_base=len(weights), channel_base=len(channels))
            weights += _weight_words(layer, self.lanes)
            channels += _channel_words(layer)
        return {"weights.memh": _text(weights), "channels.memh": _text(channels), "layers.memh": _text(layers)}

    def encode(self, network: TernaryNetwork) -> bytes:
        """Return a zip of the images, of ``network.json``, which holds what the core does not need, and of a kit.

        The kit (``boards.rtl.kit``) has the core's sources and sizes, a window, and what must come out of it.
        """
        from boards.rtl.kit import kit

        document = {"lanes": self.lanes, "network": describe(network)}
        described = json.dumps(document, indent=1, sort_keys=True).encode()
        return seal({**self.images(network), DESCRIPTION: described, **kit(network, self.lanes)})

    def decode(self, blob: bytes) -> TernaryNetwork:
        """Return the network, its integers read from the images.

        Raises:
            FormatError: The archive is foreign, truncated or altered, or the images contradict the description.
        """
        files = unseal(blob)
        document = _document(files)
        lanes, described = int(document["lanes"]), document["network"]
        weights, channels = _words(files, "weights.memh"), _words(files, "channels.memh")
        layers = []
        for each in described["layers"]:
            layer, weights, channels = _take_layer(each, weights, channels, lanes)
            layers.append(layer)
        network = rebuild(described, layers)
        for name, image in self.with_lanes(lanes).images(network).items():
            if files[name] != image:
                raise FormatError(
                    f"{name} is not what this network is written as: an unused lane, word or size differs"
                )
        return network

    def read_independently(self, blob: bytes, network: TernaryNetwork) -> IndependentReading:
        """Read the images with Icarus Verilog's ``$readmemh``, and run the core on windows.

        Icarus runs the core too, unless that would take minutes and Verilator is there.

        Raises:
            MissingToolError: Icarus Verilog is not installed.
        """
        from boards.rtl import backend, icarus

        files = unseal(blob)
        lanes = int(_document(files)["lanes"])
        images = {name: files[name] for name in IMAGES}
        _check_kit(files, network, lanes)

        weights = icarus.read_weights(images, network, lanes)
        steps = sum(-(-layer.channels // lanes) * layer.fan_in * layer.positions for layer in network.layers)
        if steps > STEPS_A_WINDOW and backend.rtl.missing() is None:
            reader = "Icarus Verilog, run by Verilator"
            return IndependentReading(reader, weights, lambda x: backend.run_images(images, network, lanes, x))
        windows = max(1, 16 * STEPS_A_WINDOW // steps)
        reader = "Icarus Verilog"
        return IndependentReading(reader, weights, lambda x: icarus.run_images(images, network, lanes, x), windows)


def _check_kit(files: dict[str, bytes], network: TernaryNetwork, lanes: int) -> None:
    """Refuse sources, sizes or a window that are not ours; an archive may lack them all, as older ones do."""
    from boards.rtl.kit import kit

    beside = {name: content for name, content in files.items() if name not in (*IMAGES, DESCRIPTION)}
    if not beside:
        return
    wanted = kit(network, lanes)
    different = [name for name in sorted({*beside, *wanted}) if beside.get(name) != wanted.get(name)]
    if different:
        raise VerificationError(
            f"{', '.join(different)} must be as this version writes it beside the images, but is not; export again"
        )


def _document(files: dict[str, bytes]) -> dict[str, Any]:
    try:
        document = json.loads(files[DESCRIPTION])
        if not isinstance(document["network"]["layers"], list):
            raise FormatError("network.json holds no list of layers")
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"network.json is missing or malformed: {error!r}") from error
    return dict(document)


def _take_layer(
    described: dict[str, Any], weights: list[int], channels: list[int], lanes: int
) -> tuple[LayerIntegers, list[int], list[int]]:
    count, fan_in = int(described["channels"]), int(described["fan_in"])
    n_words = -(-count // lanes) * fan_in
    if len(weights) < n_words or len(channels) < count:
        raise FormatError(f"memory images are too short for a layer of {count} channels and fan-in {fan_in}")
    layer = LayerIntegers(_unpack_weights(weights[:n_words], count, fan_in, lanes), *_unpack_channels(channels[:count]))
    return layer, weights[n_words:], channels[count:]


def _unpack_weights(words: list[int], channels: int, fan_in: int, lanes: int) -> np.ndarray[Any, Any]:
    n_bytes = -(-2 * lanes // 8)
    raw = np.frombuffer(b"".join(word.to_bytes(n_bytes, "little") for word in words), np.uint8)
    bits = np.unpackbits(raw.reshape(len(words), n_bytes), axis=1, bitorder="little")[:, : 2 * lanes]
    pairs = bits.reshape(len(words), lanes, 2).astype(np.int8)
    codes = pairs[..., 0] - 2 * pairs[..., 1]
    return codes.reshape(-1, fan_in, lanes).transpose(0, 2, 1).reshape(-1, fan_in)[:channels]


def _unpack_channels(words: list[int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    bias = np.array([word & 0xFFFFFFFF for word in words], np.uint32).view(np.int32)
    multiplier = np.array([word >> 32 & 0xFFFFFFFF for word in words], np.int64)
    shift = np.array([word >> 64 for word in words], np.int64)
    return bias, multiplier, shift


readmemh = Readmemh()
