"""Experiments by name: a module that answers one question with ``Config``, ``run``, ``table`` and perhaps ``plot``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from experiments.configuring import structured
from hil.progress import OnProgress, ignore_progress
from hil.registry import load

__all__ = ["Drawn", "Question", "configured", "documents", "question"]


class Question(Protocol):
    """An experiment; registered under ``hil.experiments``. Its docstring's first line is the question."""

    Config: type[Any]
    """A frozen dataclass of everything that decides the answer."""

    def run(self, config: Any, *, on_progress: OnProgress = ignore_progress) -> Sequence[Any]:
        """Return the rows of the answer, each a dataclass or something with ``as_document``."""
        ...

    def table(self, rows: Any) -> str:
        """Return the rows as Markdown."""
        ...


@runtime_checkable
class Drawn(Protocol):
    """An experiment that has a figure."""

    def plot(self, rows: Any, path: Path) -> None:
        """Write the figure; the suffix of ``path`` says the format."""
        ...


def question(name: str) -> Question:
    """Return the experiment of a name.

    Raises:
        UnknownNameError: Nobody registered it.
    """
    return cast("Question", load("experiments", name))


def configured(asked: Question, settings: Mapping[str, Any], *, where: str) -> Any:
    """Return an experiment's configuration of a document; a sweep makes one per point of its grid.

    Raises:
        ConfigError: A setting is unknown, missing or impossible.
    """
    return structured(settings, asked.Config, where=where)


def documents(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return rows as JSON-ready values."""
    return [row.as_document() if hasattr(row, "as_document") else asdict(row) for row in rows]
