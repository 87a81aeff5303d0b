"""Sensors: readers, writers, windows and features of event streams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.ports import Recording
    from hil.types import EventBatch

__all__ = ["open", "read"]


def open(
    path: str | Path, *, format_name: str | None = None, options: Mapping[str, str] | None = None, salvage: bool = False
) -> Recording:
    """Open a recording by its content, not its name; see ``hil.open_recording``.

    Args:
        path: The file.
        format_name: Skip recognition and read it as this format; headerless files need it.
        options: Settings of the format.
        salvage: Step over damage and account for it.

    Raises:
        FormatError: The file is empty or of no known format.
        DamagedFileError: The file is broken and ``salvage`` is False.
    """
    from hil.registry import open_recording

    return open_recording(path, format_name=format_name, options=options, salvage=salvage)


def read(path: str | Path, *, format_name: str | None = None, options: Mapping[str, str] | None = None) -> EventBatch:
    """Return every event of a sound recording; see ``open``.

    Raises:
        FormatError: The file is empty or of no known format.
        DamagedFileError: The file is broken.
    """
    from hil.types import EventBatch  # brings numpy, which the command line must not wait for

    recording = open(path, format_name=format_name, options=options)
    try:
        whole = getattr(recording, "read", None)  # ours decode straight into one batch
        return whole() if whole else EventBatch.concatenate(list(recording))
    finally:
        recording.close()
