"""Compiles the firmware when it is first needed, once per change of its sources or its compiler."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from boards.build_cache import cached_build, run_tool
from hil.errors import MissingToolError, UnknownNameError

__all__ = ["TARGETS", "firmware_elf", "missing_tools", "source_hash"]

SOURCES = Path(__file__).resolve().parent
ARM = ("arm-none-eabi-gcc", "gcc-arm-none-eabi")
RISCV = ("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf")
TARGETS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cortex-m3": ARM,
        "cortex-m33": ARM,
        "cortex-m4": ARM,
        "cortex-m55": ARM,
        "cortex-m7": ARM,
        "host": ("gcc", "gcc"),
        "netduinoplus2": ARM,
        "riscv32": RISCV,
        "stm32f4": ARM,
    }
)
"""Each target's compiler, and the Debian package that has it."""
BUILD_TIMEOUT_S = 300.0


def _hashed_files() -> list[Path]:
    patterns = ("src/*.[ch]", "port/*.[chS]", "ld/*.ld", "targets/*.mk")
    found = {path.relative_to(SOURCES).as_posix() for pattern in patterns for path in SOURCES.glob(pattern)}
    return [SOURCES / name for name in (*sorted(found), "Makefile")]


@cache
def source_hash() -> str:
    """Return 32 hex digits over every source: what ``make`` puts into a firmware, and what a board reports."""
    digest = hashlib.sha256()
    for path in _hashed_files():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _needed(target: str) -> tuple[tuple[str, str], ...]:
    if target not in TARGETS:
        raise UnknownNameError.of("firmware target", target, list(TARGETS))
    return TARGETS[target], ("make", "make")


def missing_tools(target: str) -> str | None:
    """Say which program must be installed before a target's firmware can be built, or None."""
    for program, package in _needed(target):
        if shutil.which(program) is None:
            return f"{program} (apt-get install {package})"
    return None


@cache
def firmware_elf(target: str) -> Path:
    """Return a target's firmware, built into the user's cache if it is not there yet.

    Raises:
        UnknownNameError: There is no such target.
        MissingToolError: The compiler or make is not installed.
        VerificationError: This compiler does not accept the sources.
    """
    purpose = f"building the firmware for {target}"
    for program, package in _needed(target):
        if shutil.which(program) is None:
            raise MissingToolError.of(program, package=package, purpose=purpose)
    compiler, package = TARGETS[target]
    version = run_tool([compiler, "-dumpfullversion"], package=package, purpose=purpose, timeout_s=30.0).strip()
    digest = hashlib.sha256(f"{target} {source_hash()} {version}".encode()).hexdigest()
    return cached_build("firmware", digest, lambda folder: _make(target, folder, purpose)) / f"{target}.elf"


def _make(target: str, folder: Path, purpose: str) -> None:
    arguments = ["make", "--silent", f"TARGET={target}", f"OUT={folder}", f"SOURCE_HASH={source_hash()}"]
    run_tool(arguments, package="make", purpose=purpose, timeout_s=BUILD_TIMEOUT_S, cwd=SOURCES)
