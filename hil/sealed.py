"""Several files in one: a plain zip with its own hash as its comment, so no byte changes unnoticed."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

from hil.errors import FormatError

__all__ = ["seal", "unseal"]

PREFIX = b"sha256:"
COMMENT_BYTES = len(PREFIX) + 64
EPOCH = (1980, 1, 1, 0, 0, 0)


def seal(files: Mapping[str, bytes]) -> bytes:
    """Return a stored (uncompressed) zip of the files, the same bytes every time.

    Example:
        >>> unseal(seal({"a.txt": b"hello"}))["a.txt"]
        b'hello'
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
        archive.comment = PREFIX + b"0" * 64
    body = buffer.getvalue()[:-COMMENT_BYTES]
    return body + PREFIX + hashlib.sha256(body).hexdigest().encode()


def unseal(blob: bytes) -> dict[str, bytes]:
    """Return the files of a sealed zip.

    Raises:
        FormatError: Not a sealed zip, truncated, or altered anywhere.
    """
    body, comment = blob[:-COMMENT_BYTES], blob[-COMMENT_BYTES:]
    if not comment.startswith(PREFIX):
        raise FormatError("file is not a sealed archive, or its end is missing")
    if comment != PREFIX + hashlib.sha256(body).hexdigest().encode():
        raise FormatError("sealed archive was altered: its contents do not match the hash at its end")
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            return {info.filename: _stored(archive, info) for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError) as error:
        raise FormatError(f"sealed archive is not a zip file: {error}") from error


def _stored(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type != zipfile.ZIP_STORED:
        raise FormatError(f"sealed archive holds {info.filename!r} compressed, but only stored files are read")
    return archive.read(info)
