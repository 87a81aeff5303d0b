"""Lets a crossbar be built of any ``hil.ports.DeviceModel``, which can only be written and read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from emulators.devices.device import Cells, Device
from hil.errors import InvalidValueError
from hil.ports import DeviceModel
from hil.types import Float64Array

__all__ = ["ForeignDevice"]


@dataclass(frozen=True, slots=True)
class ForeignDevice(Device):
    """Somebody else's device model between two levels.

    It is read once at every moment the crossbar looks at its arrays, with a generator that belongs to the cells and
    the moment; what it draws in a read is therefore remembered until the next moment.

    Attributes:
        model: What writes and reads.
    """

    model: DeviceModel | None = None

    @classmethod
    def around(cls, model: DeviceModel, *, off_siemens: float, on_siemens: float) -> Self:
        """Return a device that asks the model.

        Raises:
            InvalidValueError: The levels are out of order.
        """
        if not 0 <= off_siemens < on_siemens:
            raise InvalidValueError(
                f"device model {model.name!r} says nothing about its levels; give off= and on= in microsiemens, "
                f"0 <= off < on, not {off_siemens:g} and {on_siemens:g} siemens"
            )
        about = str(getattr(model, "about", model.name))
        levels = (off_siemens, on_siemens, off_siemens, on_siemens)
        return cls(model.name, about, f"device model {model.name!r}", *levels, model=model)

    @property
    def ages(self) -> bool:
        """Nobody knows, so it may, unless it is told to stay still."""
        return not self.still

    def program(self, target_siemens: Float64Array, *, rng: np.random.Generator) -> Cells:
        """Write cells as the model does; its state rides along."""
        cells = super(ForeignDevice, self).program(target_siemens, rng=rng)
        return replace(cells, state=self._model().program(np.asarray(target_siemens, np.float64), rng=rng))

    def _model(self) -> DeviceModel:
        if self.model is None:
            raise InvalidValueError(f"foreign device {self.name!r} needs a model")
        return self.model

    def conductance(self, cells: Cells, *, t_s: float, reads: npt.NDArray[np.int64] | int = 0) -> Float64Array:
        """Return what the model reads at a moment."""
        seen_s = 0.0 if self.still else t_s
        rng = np.random.default_rng([cells.key, int(np.float64(seen_s).view(np.uint64))])
        g_siemens: Float64Array = np.maximum(self._model().read(cells.state, t_s=seen_s, rng=rng), 0.0)
        return self._afflicted(cells, g_siemens, reads)
