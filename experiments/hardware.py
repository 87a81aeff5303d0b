"""A crossbar as training sees it: its device's cells, its wires and its converters, drawn anew while weights learn.

The physics is that of the ``crossbar`` backend - the same presets, options and wire solver - with three economies:
cells are written and read anew every few steps instead of every step; wires are solved once an epoch, for cells
without noise, and an error of conductance then counts by the square of the share that arrives; and converters take
their range from the first batch of each epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emulators.crossbar import CrossbarBackend
from emulators.devices.device import Device
from emulators.mapping import mapping_named
from emulators.tiles import Tiling
from emulators.wires.many import port_matrices
from hil.errors import InvalidValueError
from hil.registry import open_target
from hil.rng import stream
from hil.types import Float64Array, Int8Array

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CrossbarSubstrate", "substrate_of"]


@dataclass(slots=True, eq=False)
class _Drawn:
    """One layer's cells, as tensors of codes.

    Attributes:
        share: (channels, fan_in) of each code's current that arrives; None without wires.
        error: (channels, fan_in) what writing and reading its cells adds to a code, as it arrives.
    """

    share: Tensor | None
    error: Tensor


@dataclass(slots=True, eq=False)
class CrossbarSubstrate:
    """The ``quant.substrates.Substrate`` of a crossbar target.

    Attributes:
        backend: The target.
        seed: Decides every cell that is drawn.
        redraw_every: Forward passes between two draws of a layer's cells.
    """

    backend: CrossbarBackend
    seed: int = 0
    redraw_every: int = 8
    _epoch: int = field(default=0, init=False)
    _passes: dict[int, int] = field(default_factory=dict, init=False)
    _drawn: dict[int, _Drawn] = field(default_factory=dict, init=False)
    _shares: dict[int, Tensor] = field(default_factory=dict, init=False)
    _ranges: dict[int, Tensor] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse arrays whose columns are not one signed sum."""
        mapping = mapping_named(self.backend.config.mapping)
        if mapping.lines_per_input != 1 or len(mapping.conversions) != 1 or not mapping.conversions[0].signed:
            raise InvalidValueError(f"training knows the differential mapping, but the target uses {mapping.name!r}")
        if self.backend.config.inputs != "parallel" or self.backend.config.topology != "passive2d":
            raise InvalidValueError("training knows parallel inputs on passive arrays, but the target has others")

    @property
    def inputs_per_tile(self) -> int | None:
        """Inputs of one array; None where converters lose nothing."""
        config = self.backend.config
        return None if config.adc_bits is None else config.tile.word_lines

    def begin(self, epoch: int) -> None:
        """Forget everything drawn: an epoch depends on the seed, its number and the weights only."""
        self._epoch = epoch
        for memory in (self._passes, self._drawn, self._shares, self._ranges):
            memory.clear()

    # --- cells and wires ---------------------------------------------------------------------------------------

    def cells(self, layer: int, codes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what (channels, fan_in) codes become on cells that were just written, and the share that arrives."""
        passes = self._passes.get(layer, 0)
        if passes % self.redraw_every == 0:
            self._drawn[layer] = self._draw(layer, codes, passes)
        self._passes[layer] = passes + 1
        drawn = self._drawn[layer]
        return (codes if drawn.share is None else codes * drawn.share) + drawn.error, drawn.share

    def _draw(self, layer: int, codes: Tensor, passes: int) -> _Drawn:
        weight = codes.round().cpu().numpy().astype(np.int8)
        rng = stream(self.seed, "hardware", self._epoch, layer, passes)
        device, age_s = self._device, self.backend.config.age_s
        read = [device.read(device.program(plane, rng=rng), t_s=age_s, rng=rng) for plane in self._planes(weight)]
        error = (read[0] - read[1]) / device.span_siemens - weight
        share = self._share(layer, codes, weight)
        if share is not None:
            error = error * share.cpu().numpy().astype(np.float64) ** 2
        return _Drawn(share, _like(codes, error))

    @property
    def _device(self) -> Device:
        return self.backend.config.device.applied_to(self.backend.device)

    def _planes(self, weight: Int8Array) -> tuple[Float64Array, Float64Array]:
        """Return the two (channels, fan_in) conductances of a differential pair."""
        device = self._device
        positive, negative = (device.off_siemens + device.span_siemens * (weight == sign) for sign in (1, -1))
        return positive, negative

    def _share(self, layer: int, codes: Tensor, weight: Int8Array) -> Tensor | None:
        """Return what wires leave of each code, solved once an epoch; a zero takes the mean of its channel."""
        if self.backend.config.array_wires.are_ideal:
            return None
        if layer not in self._shares:
            positive, negative = (self._through_wires(plane) for plane in self._planes(weight))
            used = weight != 0
            arrived = (positive - negative) / self._device.span_siemens
            ratio = np.divide(arrived, weight, out=np.zeros_like(arrived), where=used)
            mean = ratio.sum(axis=1) / np.maximum(used.sum(axis=1), 1)
            self._shares[layer] = _like(codes, np.where(used, ratio, np.where(mean > 0, mean, 1.0)[:, None]))
        return self._shares[layer]

    def _through_wires(self, plane: Float64Array) -> Float64Array:
        """Return the (channels, fan_in) response of a plane of tiles; cells that hold nothing are off."""
        config, (channels, fan_in) = self.backend.config, plane.shape
        tiling = Tiling(fan_in, channels, config.tile, mapping_named(config.mapping))
        whole = (tiling.strips * tiling.lines, tiling.column_tiles * tiling.size.bit_lines)
        held = np.full(whole, self._device.off_siemens)
        held[:fan_in, :channels] = plane.T
        response, _ = port_matrices(tiling.cut(held), config.array_wires)
        return tiling.joined(response)[:fan_in, :channels].T

    # --- converters --------------------------------------------------------------------------------------------

    def convert(self, layer: int, sums: Tensor) -> Tensor:
        """Return (m, strips, channels) partial sums on the steps of the target's ADCs, one range per strip."""
        bits = self.backend.config.adc_bits
        if bits is None:
            return sums
        if layer not in self._ranges:
            largest = sums.abs().amax(dim=(0, 2), keepdim=True)
            self._ranges[layer] = largest.clamp(min=1e-12)
        steps = 2 ** (bits - 1) - 1
        step = self._ranges[layer] / steps
        converted: Tensor = (sums / step).round().clamp(-steps, steps) * step
        return converted


def _like(codes: Tensor, values: Float64Array) -> Tensor:
    import torch

    made: Tensor = torch.from_numpy(np.ascontiguousarray(values)).to(codes)
    return made


def substrate_of(target: str, *, seed: int, redraw_every: int = 8) -> CrossbarSubstrate:
    """Return the substrate of a target such as ``crossbar:rram_wan2022?wires=1``.

    Raises:
        InvalidValueError: The target is no crossbar, or of a kind that training does not know.
    """
    backend: Any = open_target(target)
    if not isinstance(backend, CrossbarBackend):
        raise InvalidValueError(f"training can be put on a crossbar target, but {target!r} is none")
    return CrossbarSubstrate(backend, seed, redraw_every)
