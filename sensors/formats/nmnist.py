"""N-MNIST and its relatives: 40-bit events without any header, known by their suffix and by making sense.

Orchard et al., Frontiers in Neuroscience 9:437 (2015): x, y, one bit of polarity and 23 bits of big-endian
microseconds. Row 240 is no event but adds 2^13 us to all that follows (N-Caltech101; option ``height``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hil.registry import refuse_unknown_options
from hil.types import Geometry
from sensors.formats import options as option
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel, WordStream

__all__ = ["FORMAT", "Nmnist"]

SUFFIXES = (".bin", ".bs2")
SIZE = Geometry(34, 34)
RECORD_BYTES = 5


class Nmnist:
    """The ``SourceFormat`` of N-MNIST recordings; options ``width`` and ``height`` read other sensors."""

    name = "nmnist"
    about = "N-MNIST, 40-bit events without a header (.bin, .bs2)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Take files of the right suffix whose first events mostly lie on the sensor and in order."""
        if path.suffix.lower() not in SUFFIXES or len(head) < RECORD_BYTES:
            return False
        records = np.frombuffer(head[: len(head) // 5 * 5], np.uint8).reshape(-1, 5).astype(np.int64)
        inside = (records[:, 0] < SIZE.width) & (records[:, 1] < SIZE.height)
        times = (records[:, 2] & 0x7F) << 16 | records[:, 3] << 8 | records[:, 4]
        in_order = np.diff(times, prepend=times[0]) >= 0
        return float(np.mean(inside & in_order)) > 0.5

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options: ``width``, ``height``."""
        refuse_unknown_options(options, ["width", "height"], of=self.name)
        geometry = option.geometry(options, SIZE)
        limits = (geometry.width, geometry.height)
        stream = WordStream(path, 0, np.uint8, _kernel, limits, (EARLIEST_US, 0, 0), RECORD_BYTES, events_when_cut=1)
        layout = Layout(self.name, geometry, expected_events=path.stat().st_size // RECORD_BYTES, resizable=True)
        return FileRecording(path, layout, stream.decode, salvage=salvage)


def _kernel() -> Kernel:
    from sensors.formats.kernels.nmnist import decode

    return decode


FORMAT = Nmnist()
