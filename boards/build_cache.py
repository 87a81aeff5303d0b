"""Keeps compiled things by the hash of their sources, in the user's cache and never in the source tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from hil.errors import DeadlineError, MissingToolError, VerificationError

__all__ = ["cached_build", "run_tool", "source_digest"]


def source_digest(files: Iterable[Path], *settings: str) -> str:
    """Return the SHA-256 over files (names and contents) and settings."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for setting in settings:
        digest.update(setting.encode() + b"\0")
    return digest.hexdigest()


def _cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "neuromorphic-hil"


def cached_build(kind: str, digest: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of a build, building it if it is not there.

    Args:
        kind: What is built; a folder of the cache.
        digest: Hash of every source and setting.
        build: Called with an empty folder to fill. Two processes may build at once; one of the results is kept.
    """
    folder = _cache_root() / kind / digest[:32]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    try:
        build(fresh)
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise somebody else was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def run_tool(arguments: list[str], *, package: str, purpose: str, timeout_s: float, cwd: Path | None = None) -> str:
    """Run a program to its end and return what it printed.

    Raises:
        MissingToolError: It is not on the PATH.
        DeadlineError: It ran past its deadline.
        VerificationError: It failed; the message ends with its last lines.
    """
    program = shutil.which(arguments[0])
    if program is None:
        raise MissingToolError.of(arguments[0], package=package, purpose=purpose)
    try:
        done = subprocess.run(  # noqa: S603  (the program is ours to name, its arguments are paths and numbers)
            [program, *arguments[1:]], capture_output=True, text=True, timeout=timeout_s, cwd=cwd, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeadlineError(f"{arguments[0]} did not finish within {timeout_s} s") from error
    if done.returncode:
        last = "; ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise VerificationError(f"{arguments[0]} failed with exit code {done.returncode}: {last}")
    return done.stdout
