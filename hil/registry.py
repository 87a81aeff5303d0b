"""Finds concrete things by name through entry points, so that ours take the same road as a stranger's.

======================  =====================================================================
kind (``hil list``)     entry point group, and what each entry is
======================  =====================================================================
``sources``             ``hil.sources``: a ``SourceFormat``
``backends``            ``hil.backends``: a ``BackendFactory``; the name is the target's scheme
``formats``             ``hil.weight_formats``: a ``WeightFormat``
``links``               ``hil.links``: makes a ``Link``
``experiments``         ``hil.experiments``: a module-like object with ``Config`` and ``run``
``presets``             ``hil.presets``: a ``DeviceModel`` with published parameters
``networks``            ``hil.networks``: a ``ShippedNetwork``
``configs``             ``hil.configs``: what ``hil train`` can be told by name, with ``about`` and ``path``
======================  =====================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from hil.blame import blamed_on
from hil.errors import (
    FormatError,
    InputError,
    InvalidValueError,
    MissingDependencyError,
    TargetFailedError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from hil.network import TernaryNetwork
    from hil.ports import Backend, BackendFactory, Recording, SourceFormat, WeightFormat

__all__ = [
    "BROKEN",
    "GROUPS",
    "Entry",
    "ShippedNetwork",
    "catalogue",
    "load",
    "load_network",
    "names",
    "open_recording",
    "open_target",
    "parse_target",
    "read_network",
    "refuse_unknown_options",
    "shipped_or_file",
    "weight_format_for",
    "weight_formats",
]

logger = logging.getLogger(__name__)

GROUPS: Mapping[str, str] = {
    "networks": "hil.networks",
    "sources": "hil.sources",
    "backends": "hil.backends",
    "presets": "hil.presets",
    "formats": "hil.weight_formats",
    "links": "hil.links",
    "experiments": "hil.experiments",
    "configs": "hil.configs",
}

HEAD_BYTES = 4096
PACKED: Mapping[bytes, str] = {  # what can hold a recording but is none, and what to do
    b"\x1f\x8b": "compressed; unpack it first with gunzip",
    b"BZh": "compressed; unpack it first with bunzip2",
    b"\xfd7zXZ": "compressed; unpack it first with unxz",
    b"\x28\xb5\x2f\xfd": "compressed; unpack it first with unzstd",
    b"PK\3\4": "an archive; unpack it first with unzip",
    b"\x93NUMPY": "a single NumPy array; save its columns with numpy.savez",
}
BROKEN = Exception  # loading a plugin runs a stranger's module, which may raise anything
PARTS = frozenset({"name", "capabilities", "program"})
"""What a backend must have."""


@dataclass(frozen=True, slots=True)
class ShippedNetwork:
    """A network that comes with a package.

    Attributes:
        about: What it encodes, in one line.
        path: Its checkpoint.
    """

    about: str
    path: Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered thing, as ``hil list`` shows it."""

    name: str
    about: str
    missing: str | None

    def as_document(self) -> dict[str, str | None]:
        """Return the entry as JSON-ready values."""
        return {"name": self.name, "about": self.about, "missing": self.missing}


@cache  # scanning what is installed takes 15 ms, and a data set opens thousands of recordings
def _group(kind: str) -> Mapping[str, EntryPoint]:
    if kind not in GROUPS:
        raise UnknownNameError.of("kind", kind, list(GROUPS))
    return {entry.name: entry for entry in entry_points(group=GROUPS[kind])}


def names(kind: str) -> list[str]:
    """Return the sorted names registered under a kind, importing nothing."""
    return sorted(_group(kind))


def load(kind: str, name: str) -> Any:
    """Import and return one registered thing.

    Raises:
        UnknownNameError: Nobody registered the name.
        MissingDependencyError: Its package is broken or needs something that is not installed.
    """
    group = _group(kind)
    if name not in group:
        raise UnknownNameError.of(kind.removesuffix("s"), name, list(group))
    try:
        return _loaded(group[name])
    except BROKEN as error:
        message = f"{kind.removesuffix('s')} {name!r} cannot be loaded: {type(error).__name__}: {error}"
        raise MissingDependencyError(message) from error


@cache  # finding a module again takes 0.3 ms, and a data set asks for the formats thousands of times
def _loaded(entry: EntryPoint) -> Any:
    return entry.load()


def _entry(kind: str, name: str) -> Entry:
    try:
        thing = load(kind, name)
    except MissingDependencyError as error:
        return Entry(name, "", str(error))
    return Entry(name, _about(thing), _missing(thing))


def _missing(thing: Any) -> str | None:
    ask = getattr(thing, "missing", None)
    if not callable(ask):
        return None
    try:
        missing: str | None = ask()
    except BROKEN as error:
        return f"it cannot say: {type(error).__name__}: {error}"
    return missing


def _about(thing: Any) -> str:
    about = getattr(thing, "about", None) or (getattr(thing, "__doc__", None) or "").strip().split("\n")[0]
    return str(about)


def _usable(kind: str) -> Iterator[Any]:
    """Yield what can be loaded, in the order of its names: a stranger's broken plugin must not break ours."""
    for name in names(kind):
        try:
            yield load(kind, name)
        except MissingDependencyError as error:
            logger.info("%s", error)


def catalogue(kind: str) -> list[Entry]:
    """Return every registered thing of a kind, with what is missing to use it."""
    return [_entry(kind, name) for name in names(kind)]


def parse_target(target: str) -> tuple[str, str, dict[str, str]]:
    """Split ``scheme:argument?key=value&...`` into its three parts.

    Example:
        >>> parse_target("crossbar:rram_wan2022?tile=64")
        ('crossbar', 'rram_wan2022', {'tile': '64'})
        >>> parse_target("tcp://localhost:5000")
        ('tcp', '//localhost:5000', {})
    """
    body, _, query = target.partition("?")
    scheme, _, argument = body.partition(":")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        message = f"target options must be key=value pairs joined by &, but got {query!r} in {target!r}"
        raise InvalidValueError(message) from error
    return scheme, argument, dict(pairs)


def refuse_unknown_options(options: Mapping[str, str], known: list[str], *, of: str) -> None:
    """Raise if an option is not among the known ones.

    Raises:
        UnknownNameError: Names the option and lists the known ones.
    """
    for key in options:
        if key not in known:
            raise UnknownNameError(f"{of} has no option {key!r}; known: {', '.join(sorted(known)) or 'none'}")


def open_target(target: str) -> Backend:
    """Return the backend a target names.

    Raises:
        UnknownNameError: The scheme or an option is unknown.
        MissingError: What the backend needs is not installed.
        TargetFailedError: What makes the backend failed, or made something else.
    """
    scheme, argument, options = parse_target(target)
    factory = cast("BackendFactory", load("backends", scheme))
    with blamed_on(target, "opening"):
        backend = factory(argument, options)
    if lacking := sorted(PARTS.difference(dir(backend))):
        raise TargetFailedError(
            f"target {target!r} must be a backend with {', '.join(sorted(PARTS))}, "
            f"but {type(backend).__name__} lacks {', '.join(lacking)}; see hil.ports.Backend"
        )
    return backend


def open_recording(
    path: str | Path, *, format_name: str | None = None, options: Mapping[str, str] | None = None, salvage: bool = False
) -> Recording:
    """Open a recording by its content, not its name.

    Args:
        path: The file.
        format_name: Skip recognition and read it as this format; headerless files need it.
        options: Settings of the format.
        salvage: Step over damage and account for it.

    Raises:
        FormatError: The file is empty, a folder, or of no known format.
        DamagedFileError: The file is broken and ``salvage`` is False.
    """
    path = Path(path)
    if path.is_dir():
        message = f"{path} is a folder; expected a recording, such as the .db3 or .mcap in the folder of a ROS 2 bag"
        raise FormatError(message)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        message = f"{path} is empty; expected an event recording"
        raise FormatError(message)
    reader = cast("SourceFormat", load("sources", format_name)) if format_name else _recognise(head, path)
    try:
        return reader.open(path, options=options or {}, salvage=salvage)
    except FormatError as error:
        raise error.in_file(path) from error


def _recognise(head: bytes, path: Path) -> SourceFormat:
    for thing in _usable("sources"):
        source = cast("SourceFormat", thing)
        if source.recognises(head, path):
            return source
    for magic, remedy in PACKED.items():
        if head.startswith(magic):
            raise FormatError(f"{path} is {remedy}")
    known = ", ".join(names("sources"))
    message = f"{path} is of no known recording format; known: {known}; headerless files need --format"
    raise FormatError(message)


def load_network(name_or_path: str | Path) -> TernaryNetwork:
    """Return a shipped network by name, or one from a file by its suffix.

    Raises:
        UnknownNameError: Neither a shipped network nor a file.
        FormatError: The file is damaged or of no known format.
    """
    return read_network(shipped_or_file("networks", name_or_path, called="network"))[1]


def shipped_or_file(kind: str, name_or_path: str | Path, *, called: str) -> Path:
    """Return where something is that ships under a name, or lies in a file of one's own.

    Args:
        kind: One of ``GROUPS`` whose things have a ``path``.
        name_or_path: As the user wrote it.
        called: What to call it in the error.

    Raises:
        UnknownNameError: It is neither.
    """
    name, shipped = str(name_or_path), names(kind)
    if name in shipped:
        path: Path = load(kind, name).path
        return path
    if not Path(name_or_path).is_file():
        raise UnknownNameError(f"{called} {name!r} is neither a file nor shipped; shipped: {', '.join(shipped)}")
    return Path(name_or_path)


def read_network(path: Path) -> tuple[WeightFormat, TernaryNetwork]:
    """Return the network in a file and its format: the one its name says, else whichever can read it.

    Raises:
        FormatError: No format can.
    """
    blob, formats = path.read_bytes(), weight_formats()
    named = _named(path, formats)
    if named is None:
        refused = FormatError(f"{path} is of no known weight format, or damaged; known: {', '.join(names('formats'))}")
    else:
        try:
            return named, named.decode(blob)
        except FormatError as error:
            refused = error.in_file(path)
    for each in formats:
        with suppress(FormatError, MissingDependencyError):
            return each, each.decode(blob)
    raise refused


def weight_formats() -> list[WeightFormat]:
    """Return every weight format that can be loaded, in the order of their names."""
    return [cast("WeightFormat", thing) for thing in _usable("formats")]


def weight_format_for(path: Path) -> WeightFormat:
    """Return the weight format whose suffix a path carries; the longest one where several fit.

    Raises:
        InputError: No format has that suffix.
    """
    formats = weight_formats()
    if (named := _named(path, formats)) is not None:
        return named
    known = ", ".join(sorted({each.suffix for each in formats}))
    raise InputError(f"{path} has the suffix of no weight format; known: {known}")


def _named(path: Path, formats: list[WeightFormat]) -> WeightFormat | None:
    matching = [each for each in formats if path.name.endswith(each.suffix)]
    return max(matching, key=lambda each: len(each.suffix), default=None)
