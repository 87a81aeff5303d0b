"""Files that appear whole or not at all: what was there before stays until what replaces it is on the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["replacing", "write_whole"]

SUFFIX = ".part"
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` and move it there when the block ends well; remove it otherwise.

    Args:
        path: What to write.
        durable: Whether the content must be on the disk before the name is, so that a power cut leaves no empty file.

    Raises:
        OSError: It cannot be written; the error names ``path``, which is as it was.
    """
    part = path.with_name(path.name + SUFFIX)
    try:
        with part.open("w+b") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        full = error.filename is None and error.errno in NO_ROOM  # a full disk does not say which file it was
        if not full and error.filename != str(part):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file in one step: a stop, a kill or a full disk leaves the old one or none.

    Args:
        path: What to write.
        content: All of it.
        durable: As for ``replacing``.

    Raises:
        OSError: It cannot be written; the error names ``path``.
    """
    with replacing(path, durable=durable) as file:
        file.write(content)
