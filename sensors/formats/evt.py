"""What the three encodings of Prophesee's RAW files share: their header, and a stream of words behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.registry import refuse_unknown_options
from hil.types import Geometry, Int64Array
from sensors.formats import options as option
from sensors.formats import percent_header
from sensors.formats.percent_header import PercentHeader
from sensors.formats.recording import FileRecording, Layout
from sensors.formats.words import Kernel, WordStream

__all__ = ["EventWords", "RawFormat"]

GUESS_BYTES = 1 << 16
REORDER_US = 16  # how far arbitration in the sensor can put events out of order; later ones are damage


@dataclass(frozen=True, slots=True)
class EventWords:
    """One encoding.

    Attributes:
        dtype: Of a word.
        kernel: Imports and returns the compiled loop.
        state: What the loop remembers before the first word.
        time_high: Where the state says whether a time has been seen, below 0 for no.
        events_per_word: Most events one word can hold.
        bytes_per_event: About what an event takes.
        size: Of the sensor when the header does not say.
        guess_legacy: Tells from the first words whether their halves are swapped; None where they cannot be.
    """

    dtype: npt.DTypeLike
    kernel: Callable[[], Kernel]
    state: tuple[int, ...]
    time_high: int
    events_per_word: int
    bytes_per_event: int
    size: Geometry
    guess_legacy: Callable[[npt.NDArray[Any]], bool] | None = None


def _first_words(path: Path, start: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(GUESS_BYTES)
    return np.frombuffer(head, dtype, count=len(head) // np.dtype(dtype).itemsize)


class RawFormat:
    """The ``SourceFormat`` of RAW files of one encoding.

    Options: ``width`` and ``height`` where the header does not say, ``reorder_us`` for how late an event may be,
    ``endianness`` = ``little`` or ``legacy`` for EVT 2.1.
    """

    def __init__(self, name: str, about: str, words: EventWords) -> None:
        self.name = name
        self.about = about
        self._words = words

    def recognises(self, head: bytes, path: Path) -> bool:
        """Look for the encoding in the header."""
        return percent_header.parse(head).encoding == self.name

    def open(self, path: Path, *, options: Mapping[str, str], salvage: bool) -> FileRecording:
        """Open a recording; options as the class says."""
        refuse_unknown_options(options, ["width", "height", "reorder_us", "endianness"], of=self.name)
        with path.open("rb") as file:
            header = percent_header.read(file)
        geometry, assumed = self._geometry(header, options)
        reorder_us = option.number(options, "reorder_us", REORDER_US, low=0, high=10_000)
        swapped, assumed_order = self._halves(path, header, options)
        words = self._words
        stream = WordStream(
            path,
            header.start,
            words.dtype,
            words.kernel,
            (geometry.width, geometry.height, reorder_us, int(swapped)),
            words.state,
            words.bytes_per_event,
            words.events_per_word,
            complaint=self._complaint,
        )
        expected = (path.stat().st_size - header.start) // words.bytes_per_event
        assumed = "\n".join(filter(None, (assumed_order, assumed)))
        layout = Layout(self.name, geometry, expected, reorder_us, assumed, header.start_us, resizable=True)
        return FileRecording(path, layout, stream.decode, salvage=salvage)

    def _halves(self, path: Path, header: PercentHeader, options: Mapping[str, str]) -> tuple[bool, str]:
        """Return whether the halves of words are swapped, and a sentence where the first words had to tell."""
        legacy, assumed = header.legacy_words, ""
        if legacy is None and self._words.guess_legacy and "endianness" not in options:
            legacy = self._words.guess_legacy(_first_words(path, header.start, self._words.dtype))
            order = "swapped" if legacy else "usual"
            assumed = f"halves of words in {order} order, which the header does not say; say otherwise with endianness"
        stated = "legacy" if legacy else "little"
        return option.choice(options, "endianness", stated, ("little", "legacy")) == "legacy", assumed

    def _geometry(self, header: PercentHeader, options: Mapping[str, str]) -> tuple[Geometry, str]:
        known = header.geometry
        geometry = option.geometry(options, known or self._words.size)
        if known or {"width", "height"} <= options.keys():
            return geometry, ""
        size = f"{geometry.width} x {geometry.height}"
        return geometry, f"a sensor of {size}, because the header names none; say otherwise with width and height"

    def _complaint(self, state: Int64Array) -> str:
        if state[self._words.time_high] < 0:
            return "no word of the file says the time, so no event has one"
        return ""
