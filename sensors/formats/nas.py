"""Spikes of the NAS cochlea on an FPGA: pairs of address and tick without a header, so everything is an option.

Address = 2 * channel + polarity, a right ear's addresses follow; both numbers are big-endian. After Jimenez-Fernandez
et al., IEEE TNNLS 28 (2017). Width is the number of channels and height the number of ears.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from hil.errors import InvalidValueError
from hil.registry import refuse_unknown_options
from hil.types import Geometry
from sensors.formats import options as option
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.sink import EARLIEST_US
from sensors.formats.words import Kernel, WordStream

__all__ = ["FORMAT", "Nas"]


class Nas:
    """The ``SourceFormat`` of NAS files.

    Options: ``channels`` (must be given), ``ears`` (1), ``address_bytes`` (2 or 4), ``tick_us`` (0.2), ``on_bit``, the
    lowest bit of an address of an ON spike (1), and ``header_bytes`` to pass over (0).
    """

    name = "nas"
    about = "NAS cochlea, headerless address and tick (--format nas)"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Never: nothing in the file says what it is."""
        return False

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options as the class says."""
        known = ["channels", "ears", "address_bytes", "tick_us", "on_bit", "header_bytes"]
        refuse_unknown_options(options, known, of=self.name)
        channels = option.number(options, "channels", None, low=1, high=32768)
        ears = option.number(options, "ears", 1, low=1, high=2)
        address_bytes = int(option.choice(options, "address_bytes", "2", ("2", "4")))
        tick = _tick(options.get("tick_us", "0.2"))
        on_bit = option.number(options, "on_bit", 1, low=0, high=1)
        start = option.number(options, "header_bytes", 0, low=0, high=path.stat().st_size)
        limits = (channels, ears, address_bytes, tick.numerator, tick.denominator, on_bit)
        stream = WordStream(
            path, start, np.uint8, _kernel, limits, (EARLIEST_US, 0, 0), address_bytes + 4, events_when_cut=1
        )
        expected = (path.stat().st_size - start) // (address_bytes + 4)
        return FileRecording(
            path, Layout(self.name, Geometry(channels, ears), expected), stream.decode, salvage=salvage
        )


def _tick(text: str) -> Fraction:
    tick = Fraction(text) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) else Fraction(0)
    if not 0 < tick <= 1_000_000:
        message = f"option tick_us must be a decimal above 0 and at most 1000000, but is {text!r}"
        raise InvalidValueError(message)
    return tick


def _kernel() -> Kernel:
    from sensors.formats.kernels.aer import decode_cochlea

    return decode_cochlea


FORMAT = Nas()
