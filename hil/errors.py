"""One tree of errors, each written for the person who will read it, each with the exit code a script sees.

::

    HilError
    |-- InputError (ValueError)              exit 2: bad usage or bad input
    |   |-- InvalidValueError                a value outside what is allowed
    |   |-- ConfigError                      a configuration file that says something impossible or unknown
    |   |-- UnknownNameError (LookupError)   a name nobody registered
    |   `-- FormatError                      a file that is not what it claims to be
    |       `-- DamagedFileError             the right format, but broken at a byte offset
    |-- MissingError                         exit 3: a target or tool is missing
    |   |-- MissingDependencyError (ImportError)
    |   |-- MissingToolError
    |   `-- TargetUnavailableError (ConnectionError)
    |-- DeadlineError (TimeoutError)         exit 3: a blocking call ran past its deadline
    |-- LinkError (ConnectionError)          exit 3: the other side answered, but wrongly
    |-- TargetFailedError                    exit 3: a target's own code raised what nobody foresaw
    `-- VerificationError                    exit 1: two things that must agree do not
"""

from __future__ import annotations

from os import PathLike
from typing import ClassVar

__all__ = [
    "ConfigError",
    "DamagedFileError",
    "DeadlineError",
    "FormatError",
    "HilError",
    "InputError",
    "InvalidValueError",
    "LinkError",
    "MissingDependencyError",
    "MissingError",
    "MissingToolError",
    "TargetFailedError",
    "TargetUnavailableError",
    "UnknownNameError",
    "VerificationError",
]


class HilError(Exception):
    """Root of every error this project raises on purpose."""

    exit_code: ClassVar[int] = 2


class InputError(HilError, ValueError):
    """What the caller gave cannot be used."""


class InvalidValueError(InputError):
    """A value is outside what is allowed."""


class ConfigError(InputError):
    """A configuration says something unknown or impossible."""


class UnknownNameError(InputError, LookupError):
    """A name that nobody registered; the message lists the names that exist."""

    @classmethod
    def of(cls, kind: str, name: str, known: list[str]) -> UnknownNameError:
        """Build the message from the kind of thing, the name asked for and the names that exist."""
        return cls(f"unknown {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}")


def _on_one_line(message: str) -> str:
    """Return a message that quotes a file without what would break the line, or command the terminal."""
    if message.isprintable():
        return message
    return " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())


class FormatError(InputError):
    """A file is not of the format it was read as."""

    def in_file(self, path: str | PathLike[str]) -> FormatError:
        """Return the same error on one line, with the file's name in front unless the message names it already."""
        name, message = str(path), _on_one_line(str(self))
        return type(self)(message if name in message else f"{name}: {message}")


class DamagedFileError(FormatError):
    """A file of the right format is broken.

    Attributes:
        message: What is wrong, without its place.
        offset_bytes: Where in the file the damage was met.
    """

    def __init__(self, message: str, *, offset_bytes: int) -> None:
        super().__init__(f"{message} (at byte {offset_bytes})")
        self.message = message
        self.offset_bytes = offset_bytes

    def in_file(self, path: str | PathLike[str]) -> DamagedFileError:
        """Return the same error on one line, with the file's name in front unless the message names it already."""
        name, message = str(path), _on_one_line(self.message)
        return type(self)(message if name in message else f"{name}: {message}", offset_bytes=self.offset_bytes)


class MissingError(HilError):
    """A target or tool that the call needs is not there."""

    exit_code: ClassVar[int] = 3


class MissingDependencyError(MissingError, ImportError):
    """An optional Python package is not installed."""

    @classmethod
    def of(cls, package: str, *, extra: str, purpose: str) -> MissingDependencyError:
        """Build the message from the package, the extra that installs it and what it is needed for."""
        return cls(f"{purpose} needs the package {package!r}; install it with: pip install 'neuromorphic-hil[{extra}]'")


class MissingToolError(MissingError):
    """A program such as qemu, verilator or ngspice is not on the PATH."""

    @classmethod
    def of(cls, tool: str, *, package: str, purpose: str) -> MissingToolError:
        """Build the message from the program, the Debian package that has it and what it is needed for."""
        return cls(f"{purpose} needs the program {tool!r}; install it with: apt-get install {package}")


class TargetUnavailableError(MissingError, ConnectionError):
    """A board, server or camera could not be reached."""


class DeadlineError(HilError, TimeoutError):
    """A blocking call ran past its deadline."""

    exit_code: ClassVar[int] = 3


class LinkError(HilError, ConnectionError):
    """The other side of a link answered, but not what the protocol allows."""

    exit_code: ClassVar[int] = 3


class TargetFailedError(HilError):
    """The code behind a target raised what nobody foresaw; the cause is the exception, with its traceback."""

    exit_code: ClassVar[int] = 3

    @classmethod
    def of(cls, target: str, stage: str, error: Exception, *, where: str) -> TargetFailedError:
        """Build the message from the target, what it was doing, what was raised and the file and line that did."""
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(f"target {target!r} failed while {stage}: {what} ({where}); hil --debug ... shows the traceback")


class VerificationError(HilError):
    """Two things that must agree do not."""

    exit_code: ClassVar[int] = 1
