"""What every recording format must do: sound columns, repeatable reading, clear errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest

from hil.errors import InputError
from hil.ports import SourceFormat
from hil.types import EventBatch

__all__ = ["SourceFormatTests"]


class SourceFormatTests(ABC):
    """Subclass and return your format, and write a small recording in it."""

    @abstractmethod
    def source_format(self) -> SourceFormat:
        """Return the format under test."""

    @abstractmethod
    def write(self, folder: Path) -> tuple[Path, EventBatch]:
        """Write a recording of at least two events into a folder; return its path and its events."""

    def test_events_read_are_the_events_written(self, tmp_path: Path) -> None:
        """Every column comes back."""
        path, written = self.write(tmp_path)
        recording = self.source_format().open(path, options={}, salvage=False)
        batches = list(recording)
        read = EventBatch.concatenate(batches)
        recording.close()
        assert all(len(batch) for batch in batches)
        for name in ("t", "x", "y", "p"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert recording.lost is None

    def test_recording_is_recognised_by_content(self, tmp_path: Path) -> None:
        """The head of the file is enough."""
        path, _ = self.write(tmp_path)
        assert self.source_format().recognises(path.read_bytes()[:4096], path)

    def test_recording_reads_twice_the_same(self, tmp_path: Path) -> None:
        """Iterating again starts again."""
        path, _ = self.write(tmp_path)
        recording = self.source_format().open(path, options={}, salvage=False)
        first, second = (EventBatch.concatenate(list(recording)) for _ in range(2))
        recording.close()
        np.testing.assert_array_equal(first.t, second.t)

    def test_events_lie_inside_the_geometry(self, tmp_path: Path) -> None:
        """No address is outside the sensor."""
        path, _ = self.write(tmp_path)
        recording = self.source_format().open(path, options={}, salvage=False)
        events = EventBatch.concatenate(list(recording))
        geometry = recording.geometry
        recording.close()
        assert int(events.x.max()) < geometry.width
        assert int(events.y.max()) < geometry.height

    def test_unknown_option_is_refused(self, tmp_path: Path) -> None:
        """A misspelt option is an error, not a default."""
        path, _ = self.write(tmp_path)
        with pytest.raises(InputError):
            self.source_format().open(path, options={"no_such_option": "1"}, salvage=False)

    def test_closing_twice_is_fine(self, tmp_path: Path) -> None:
        """Closing is idempotent."""
        path, _ = self.write(tmp_path)
        recording = self.source_format().open(path, options={}, salvage=False)
        recording.close()
        recording.close()
