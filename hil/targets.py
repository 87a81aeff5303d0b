"""How a target is shown to others: with the names of the files it names, never where they lie on this machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from hil.manifest import file_sha256
from hil.registry import parse_target

__all__ = ["files_of", "shown"]

UNQUOTED = "/:,@ "
"""What may stand in an option as it is."""


def shown(target: str) -> str:
    """Return a target with every path of a file cut to its name; devices and addresses stay as they are.

    Example:
        >>> shown("replay:/home/someone/session.jsonl?timeout_s=2")
        'replay:session.jsonl?timeout_s=2'
        >>> shown("serial:///dev/ttyACM0"), shown("tcp://lab:5000")
        ('serial:///dev/ttyACM0', 'tcp://lab:5000')
    """
    scheme, argument, options = parse_target(target)
    pairs = "&".join(f"{key}={quote(_name(value), safe=UNQUOTED)}" for key, value in options.items())
    body = f"{scheme}:{_name(argument)}" if argument else scheme
    return f"{body}?{pairs}" if pairs else body


def files_of(target: str) -> dict[str, str]:
    """Return the SHA-256 of every file that a target names, by the file's name."""
    _, argument, options = parse_target(target)
    paths = [Path(value) for value in (argument, *options.values()) if value and _is_file(value)]
    return {path.name: file_sha256(path) for path in paths}


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero in it
        return False


def _name(value: str) -> str:
    is_address = value.startswith("//") or "://" in value or value.startswith("/dev/")
    return value if is_address or "/" not in value else Path(value).name
