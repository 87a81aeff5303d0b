"""Says whose code raised what nobody foresaw: a target may be a stranger's, and its users are not its authors."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.errors import HilError, TargetFailedError

__all__ = ["blamed_on"]


@contextmanager
def blamed_on(target: str, stage: str) -> Iterator[None]:
    """Turn an exception that nobody foresaw into one that names the target, the stage and the line.

    Errors written for the reader pass as they are: ours, and those of the system that name a file.

    Args:
        target: As the user wrote it.
        stage: What it was doing, such as ``inferring``.

    Raises:
        TargetFailedError: Anything else was raised; the cause keeps its traceback.
    """
    try:
        yield
    except HilError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise TargetFailedError.of(target, stage, error, where=_where(error)) from error


def _where(error: Exception) -> str:
    """Return the file and line that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
