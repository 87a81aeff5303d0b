"""The integer contract: one ternary network that runs bit for bit the same on every exact substrate.

Inputs and activations are int8, weights are -1, 0 or +1, accumulators and biases int32, and between layers
``clip(((acc + bias) * multiplier + (1 << (shift - 1))) >> shift)`` brings accumulators back to int8 in 64-bit
arithmetic. Only the last step, a float scale per output, leaves the integers (after Jacob et al., CVPR 2018).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import InvalidValueError
from hil.types import Float32Array, Int8Array, Int32Array, Int64Array, read_only

__all__ = ["CaptionSet", "FeatureSpec", "Patches", "Requantisation", "TernaryLayer", "TernaryNetwork"]

INT8_MIN, INT8_MAX = -128, 127
INT32_MAX = 2**31 - 1

Fit: TypeAlias = Literal["area", "crop"]
LastWindow: TypeAlias = Literal["keep", "drop", "half"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """How a stretch of events becomes the network's input vector.

    The vector holds event counts; value ``((bin * 2 + polarity) * height + y) * width + x`` counts the events of
    one polarity (0 OFF, 1 ON) in one of ``time_bins`` equal parts of the window, in one cell of the grid.

    Attributes:
        width: Cells across.
        height: Cells down.
        time_bins: Equal parts of the window.
        window_us: Length of the window, divisible by ``time_bins``.
        fit: ``area`` spreads the whole sensor over the grid and scales counts by the pixels per cell
            (``pixels_per_cell`` counts as one); ``crop`` takes the centre of the sensor, ``pixels_per_cell`` per cell.
        pixels_per_cell: Sensor pixels (square number) that share a cell on the sensor the network was trained for.
        last_window: What becomes of the stretch after the last full window: ``keep`` it, ``drop`` it, or keep it
            when its events span at least ``half`` a window. A recording shorter than one window is always kept.
    """

    width: int
    height: int
    time_bins: int
    window_us: int
    fit: Fit = "area"
    pixels_per_cell: int = 1
    last_window: LastWindow = "half"

    def __post_init__(self) -> None:
        """Refuse sizes that make no vector."""
        for name in ("width", "height", "time_bins", "window_us", "pixels_per_cell"):
            if getattr(self, name) < 1:
                message = f"feature {name} must be at least 1, but is {getattr(self, name)}"
                raise InvalidValueError(message)
        if self.window_us % self.time_bins:
            message = f"window of {self.window_us} us must divide into {self.time_bins} equal time bins"
            raise InvalidValueError(message)
        if self.fit not in ("area", "crop") or self.last_window not in ("keep", "drop", "half"):
            message = f"fit is area or crop and last_window keep, drop or half, but got {self.fit}, {self.last_window}"
            raise InvalidValueError(message)

    @property
    def d_in(self) -> int:
        """Length of the input vector."""
        return self.time_bins * 2 * self.height * self.width


@dataclass(frozen=True, slots=True, eq=False)
class CaptionSet:
    """Sentences and where a text model puts them: what an embedding can be compared with.

    Attributes:
        texts: One caption per class.
        vectors: (n_captions, d_out) float32 unit vectors.
        model: Name of the text model that made the vectors.
        model_sha256: Hash of the model's weights.
    """

    texts: tuple[str, ...]
    vectors: Float32Array
    model: str
    model_sha256: str

    def __post_init__(self) -> None:
        """Refuse vectors that do not match the texts or are not of unit length."""
        object.__setattr__(self, "vectors", read_only(self.vectors, np.float32))
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.texts):
            message = f"captions need one vector per text, but got {self.vectors.shape} for {len(self.texts)} texts"
            raise InvalidValueError(message)
        norms = np.linalg.norm(self.vectors, axis=1)
        if not np.allclose(norms, 1.0, atol=1e-4):
            message = f"caption vectors must have unit length, but norms run from {norms.min()} to {norms.max()}"
            raise InvalidValueError(message)

    def nearest(self, embeddings: Float32Array) -> Int64Array:
        """Return (n,) indices of the caption with the highest cosine to each of (n, d_out) embeddings."""
        indices: Int64Array = np.argmax(embeddings @ self.vectors.T, axis=1).astype(np.int64)
        return indices


@dataclass(frozen=True, slots=True)
class Patches:
    """Geometry of a convolution: which inputs each output position sees (im2col), zero padded.

    Inputs are (in_channels, height, width) flattened; outputs are (channels, out_height, out_width) flattened.

    Attributes:
        in_channels: Channels of the input.
        height: Input rows.
        width: Input columns.
        kernel: Side of the square kernel.
        stride: Step between positions.
        padding: Rows and columns of zeros around the input.
    """

    in_channels: int
    height: int
    width: int
    kernel: int
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        """Refuse a kernel that does not fit its input."""
        if min(self.in_channels, self.height, self.width, self.kernel, self.stride) < 1 or self.padding < 0:
            message = f"patch sizes must be positive, but got {self}"
            raise InvalidValueError(message)
        if self.kernel > min(self.height, self.width) + 2 * self.padding:
            message = f"kernel {self.kernel} must fit the padded input {self.height}x{self.width}+{self.padding}"
            raise InvalidValueError(message)

    @property
    def out_height(self) -> int:
        """Output rows."""
        return (self.height + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def out_width(self) -> int:
        """Output columns."""
        return (self.width + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def positions(self) -> int:
        """Number of output positions."""
        return self.out_height * self.out_width

    @property
    def fan_in(self) -> int:
        """Inputs one output sees."""
        return self.in_channels * self.kernel * self.kernel

    @property
    def d_in(self) -> int:
        """Length of the flattened input."""
        return self.in_channels * self.height * self.width

    def unfold(self, inputs: Int8Array) -> Int8Array:
        """Return (n, positions, fan_in) patches of (n, d_in) inputs; fan_in runs channel, row, column."""
        n, pad = len(inputs), self.padding
        image = inputs.reshape(n, self.in_channels, self.height, self.width)
        padded = np.pad(image, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (self.kernel, self.kernel), axis=(2, 3))
        views = views[:, :, :: self.stride, :: self.stride]
        return views.transpose(0, 2, 3, 1, 4, 5).reshape(n, self.positions, self.fan_in)


@dataclass(frozen=True, slots=True, eq=False)
class Requantisation:
    """How a layer's int32 accumulators become the next layer's int8 inputs.

    Attributes:
        multiplier: (channels,) int32, zero or positive.
        shift: (channels,) uint8, 1 to 62.
        relu: Whether the lower clip is 0 instead of -128.
    """

    multiplier: Int32Array
    shift: npt.NDArray[np.uint8]
    relu: bool = True

    def __post_init__(self) -> None:
        """Take read-only views and refuse factors that overflow 64-bit arithmetic."""
        object.__setattr__(self, "multiplier", read_only(self.multiplier, np.int32))
        object.__setattr__(self, "shift", read_only(self.shift, np.uint8))
        if self.multiplier.shape != self.shift.shape or self.multiplier.ndim != 1:
            message = f"multiplier and shift are per channel, but got {self.multiplier.shape} and {self.shift.shape}"
            raise InvalidValueError(message)
        if (self.multiplier < 0).any() or (self.shift < 1).any() or (self.shift > 62).any():
            message = "requantisation needs multiplier >= 0 and 1 <= shift <= 62 on every channel"
            raise InvalidValueError(message)

    def apply(self, biased: Int32Array) -> Int8Array:
        """Return int8 activations of int32 accumulators that already carry their bias; channels are the last axis."""
        shift = self.shift.astype(np.int64)
        scaled = (biased.astype(np.int64) * self.multiplier + (np.int64(1) << (shift - 1))) >> shift
        clipped: Int8Array = np.clip(scaled, 0 if self.relu else INT8_MIN, INT8_MAX).astype(np.int8)
        return clipped


@dataclass(frozen=True, slots=True, eq=False)
class TernaryLayer:
    """A dense layer, or a convolution seen as a dense layer on patches.

    Attributes:
        weight: (channels, fan_in) int8 of -1, 0, +1.
        bias: (channels,) int32, batch norm folded in.
        weight_scale: Absmean scale of the weights the codes came from (Ma et al., arXiv:2402.17764); it is already
            part of the multiplier or output scale and is kept for exports.
        requantisation: How to reach int8 again; None on the last layer.
        patches: Geometry of a convolution; None for a dense layer.
    """

    weight: Int8Array
    bias: Int32Array
    weight_scale: float
    requantisation: Requantisation | None = None
    patches: Patches | None = None

    def __post_init__(self) -> None:
        """Refuse codes that are not ternary, mismatched shapes, and sums that could leave int32."""
        object.__setattr__(self, "weight", read_only(self.weight, np.int8))
        object.__setattr__(self, "bias", read_only(self.bias, np.int32))
        if self.weight.ndim != 2 or self.bias.shape != (self.weight.shape[0],):
            message = (
                f"weight {self.weight.shape} must be (channels, fan_in), with a bias per channel, got {self.bias.shape}"
            )
            raise InvalidValueError(message)
        if np.abs(self.weight.astype(np.int16)).max(initial=0) > 1:
            message = f"weights must be -1, 0 or +1, but run from {self.weight.min()} to {self.weight.max()}"
            raise InvalidValueError(message)
        if not (np.isfinite(self.weight_scale) and self.weight_scale > 0):
            message = f"weight scale must be positive, but is {self.weight_scale}"
            raise InvalidValueError(message)
        self._check_parts()

    def _check_parts(self) -> None:
        channels, fan_in = self.weight.shape
        if self.patches is not None and self.patches.fan_in != fan_in:
            message = f"patches of {self.patches.fan_in} inputs cannot feed weights of fan-in {fan_in}"
            raise InvalidValueError(message)
        if self.requantisation is not None and len(self.requantisation.multiplier) != channels:
            message = f"requantisation of {len(self.requantisation.multiplier)} channels cannot serve {channels}"
            raise InvalidValueError(message)
        nonzero = np.count_nonzero(self.weight, axis=1).astype(np.int64)
        if (nonzero * 128 + np.abs(self.bias.astype(np.int64))).max(initial=0) > INT32_MAX:
            message = "accumulator plus bias could leave int32; lower the bias or the fan-in"
            raise InvalidValueError(message)

    @property
    def channels(self) -> int:
        """Rows of the weight matrix."""
        return int(self.weight.shape[0])

    @property
    def fan_in(self) -> int:
        """Columns of the weight matrix."""
        return int(self.weight.shape[1])

    @property
    def positions(self) -> int:
        """Matrix-vector products per inference: 1 for a dense layer."""
        return 1 if self.patches is None else self.patches.positions

    @property
    def d_in(self) -> int:
        """Length of the flattened input."""
        return self.fan_in if self.patches is None else self.patches.d_in

    @property
    def d_out(self) -> int:
        """Length of the flattened output."""
        return self.channels * self.positions

    def unfold(self, inputs: Int8Array) -> Int8Array:
        """Return (n, positions, fan_in): the vectors the weight matrix is applied to, from (n, d_in) inputs."""
        return inputs[:, None, :] if self.patches is None else self.patches.unfold(inputs)

    def fold(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (n, d_out) channel-major outputs of (n, positions, channels) matrix products."""
        return outputs.transpose(0, 2, 1).reshape(len(outputs), self.d_out)


@dataclass(frozen=True, eq=False)
class TernaryNetwork:
    """A frozen encoder: integer layers, and what they mean.

    Attributes:
        name: For people and provenance.
        layers: In order; all but the last requantise.
        output_scale: (d_out,) float32 from the last layer's biased accumulators to the embedding.
        features: How events become its input; None for a bare network.
        captions: What its embeddings are compared with; None for a bare network.
        gate_threshold: Cosine distance to the last sent vector above which an event is worth sending; calibrated for
            the captions.
        metadata: Provenance as text: how it was trained, how activation scales were fixed.
    """

    name: str
    layers: tuple[TernaryLayer, ...]
    output_scale: Float32Array
    features: FeatureSpec | None = None
    captions: CaptionSet | None = None
    gate_threshold: float = 0.35
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse layers that do not fit each other."""
        object.__setattr__(self, "output_scale", read_only(self.output_scale, np.float32))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        if not self.layers:
            message = "network must have at least one layer, but has none"
            raise InvalidValueError(message)
        self._check_chain()
        self._check_meaning()

    def _check_chain(self) -> None:
        for i, (layer, following) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            if layer.requantisation is None:
                message = f"layer {i} must requantise, because layer {i + 1} follows it"
                raise InvalidValueError(message)
            if layer.d_out != following.d_in:
                message = f"layer {i} gives {layer.d_out} values, but layer {i + 1} takes {following.d_in}"
                raise InvalidValueError(message)
        if self.layers[-1].requantisation is not None:
            message = "the last layer must return int32, but it requantises"
            raise InvalidValueError(message)

    def _check_meaning(self) -> None:
        if self.output_scale.shape != (self.d_out,):
            message = f"output scale must be ({self.d_out},), but is {self.output_scale.shape}"
            raise InvalidValueError(message)
        if self.features is not None and self.features.d_in != self.d_in:
            message = f"features give {self.features.d_in} values, but the network takes {self.d_in}"
            raise InvalidValueError(message)
        if self.captions is not None and self.captions.vectors.shape[1] != self.d_out:
            message = f"captions have {self.captions.vectors.shape[1]} dimensions, but the network gives {self.d_out}"
            raise InvalidValueError(message)
        if not 0.0 <= self.gate_threshold <= 2.0:
            message = f"gate threshold is a cosine distance between 0 and 2, but is {self.gate_threshold}"
            raise InvalidValueError(message)

    @property
    def d_in(self) -> int:
        """Length of the input vector."""
        return self.layers[0].d_in

    @property
    def d_out(self) -> int:
        """Length of the embedding."""
        return self.layers[-1].d_out

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every integer and scale that decides an output: the same on every machine."""
        digest = hashlib.sha256()
        for layer in self.layers:
            digest.update(repr((layer.weight.shape, layer.patches)).encode())
            digest.update(layer.weight.tobytes())
            digest.update(layer.bias.astype("<i4").tobytes())
            if layer.requantisation is not None:
                digest.update(layer.requantisation.multiplier.astype("<i4").tobytes())
                digest.update(layer.requantisation.shift.tobytes())
                digest.update(bytes([layer.requantisation.relu]))
        digest.update(self.output_scale.astype("<f4").tobytes())
        return digest.hexdigest()

    def embed(self, biased: Int32Array) -> Float32Array:
        """Return (n, d_out) float32 outputs of the last layer's (n, d_out) accumulators plus bias."""
        return (biased.astype(np.float64) * self.output_scale.astype(np.float64)).astype(np.float32)
