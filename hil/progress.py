"""How long work tells whoever started it how far it is, without knowing who that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["OnProgress", "ignore_progress"]

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total); total 0 means unknown."""


def ignore_progress(done: int, total: int) -> None:
    """Do nothing: the default listener."""
