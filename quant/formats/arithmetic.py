"""The integer contract a second time, for readers that only read: floor division, and sums of shifted images.

What a file holds is run as its own numbers say, so a bias, a factor or a stride that was written wrongly shows in an
output, not only in a comparison of fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.types import Float64Array, Int8Array, Int64Array

__all__ = ["ReadLayer", "runner"]

Numbers = npt.NDArray[Any]
INT8_MIN, INT8_MAX = -128, 127


@dataclass(frozen=True, slots=True, eq=False)
class ReadLayer:
    """One layer as a file states it.

    Attributes:
        weight: (channels, fan_in) codes, or what stands for them, such as differences of conductances over a unit.
        bias: (channels,) integers.
        multiplier: (channels,) integers; None on the last layer.
        shift: (channels,) integers; None on the last layer.
        lowest: Lower clip: 0 with a ReLU, otherwise -128.
        patches: Sizes of a convolution by the names of ``hil.network.Patches``; None for a dense layer.
    """

    weight: Numbers
    bias: Numbers
    multiplier: Numbers | None = None
    shift: Numbers | None = None
    lowest: int = INT8_MIN
    patches: Mapping[str, int] | None = None

    @classmethod
    def of(cls, weight: Numbers, integers: Mapping[str, Numbers], described: Mapping[str, Any]) -> ReadLayer:
        """Return a layer of weights, the integers beside them and its entry in the file's description."""
        if described["relu"] is None:
            return cls(weight, integers["bias"], patches=described["patches"])
        lowest = 0 if described["relu"] else INT8_MIN
        factors = integers["multiplier"], integers["shift"]
        return cls(weight, integers["bias"], *factors, lowest, described["patches"])

    def biased(self, values: Int64Array) -> Int64Array:
        """Return (n, channels, positions) accumulators plus bias of (n, d_in) inputs."""
        products = self._dense(values) if self.patches is None else self._shifted(values, self.patches)
        return np.rint(products).astype(np.int64) + self.bias.astype(np.int64)[:, None]

    def _dense(self, values: Int64Array) -> Float64Array:
        return (values.astype(np.float64) @ self.weight.T.astype(np.float64))[:, :, None]

    def _shifted(self, values: Int64Array, patches: Mapping[str, int]) -> Float64Array:
        """Add up the image, shifted by each place of the kernel: no patch is ever cut out."""
        size, pad, step = patches["kernel"], patches["padding"], patches["stride"]
        images = values.reshape(-1, patches["in_channels"], patches["height"], patches["width"]).astype(np.float64)
        padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        down, across = (padded.shape[axis] - size + 1 for axis in (2, 3))
        kernels = self.weight.astype(np.float64).reshape(len(self.weight), -1, size, size)
        shifted = [
            np.tensordot(kernels[:, :, y, x], padded[:, :, y : y + down : step, x : x + across : step], axes=(1, 1))
            for y in range(size)
            for x in range(size)
        ]
        sums: Float64Array = np.sum(shifted, axis=0)
        return np.moveaxis(sums, 0, 1).reshape(len(values), len(kernels), -1)

    def following(self, biased: Int64Array) -> Int64Array:
        """Return (n, channels, positions) of the next layer's inputs; the last layer's stay as they are."""
        if self.multiplier is None or self.shift is None:
            return biased
        power = 2 ** self.shift.astype(np.int64)[:, None]
        scaled = np.floor_divide(biased * self.multiplier.astype(np.int64)[:, None] + power // 2, power)
        clipped: Int64Array = np.clip(scaled, self.lowest, INT8_MAX)
        return clipped


def runner(layers: Sequence[ReadLayer]) -> Callable[[Int8Array], Int64Array]:
    """Return a function that gives (n, d_out) accumulators plus bias of the last layer for (n, d_in) int8 features."""

    def run(features: Int8Array) -> Int64Array:
        values = features.astype(np.int64)
        for layer in layers:
            values = layer.following(layer.biased(values)).reshape(len(features), -1)
        return values

    return run
