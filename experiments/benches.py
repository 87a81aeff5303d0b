"""Finds the benchmarks by name and gives their rows one shape."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

from hil.errors import MissingDependencyError, UnknownNameError
from hil.progress import OnProgress, ignore_progress

__all__ = ["benches", "measure"]

PACKAGE = "experiments.bench"


def benches(name: str | None = None) -> list[str]:
    """Return the benchmarks of a name: a module of ``experiments.bench``, or the word before its first underscore.

    Raises:
        UnknownNameError: There is none of that name.
    """
    modules = [module.name for module in pkgutil.iter_modules(import_module(PACKAGE).__path__)]
    found = [module for module in modules if name in {None, module, _topic(module)} and _runs(module)]
    if not found:
        raise UnknownNameError.of(
            "benchmark", str(name), sorted({_topic(module) for module in modules if _runs(module)})
        )
    return found


def measure(bench: str, on_progress: OnProgress = ignore_progress, *, required: bool) -> list[dict[str, Any]]:
    """Run one benchmark and return its rows, each with ``bench``, ``meets`` and ``missing``.

    Args:
        bench: As ``benches`` returns it.
        on_progress: Called with the figures done.
        required: Raise if a peer is not installed, instead of returning a row that says so.

    Raises:
        MissingDependencyError: A peer is not installed and the benchmark is required.
    """
    try:
        rows = import_module(f"{PACKAGE}.{bench}").run(on_progress)
    except MissingDependencyError as error:
        if required:
            raise
        return [_row(bench, dict.fromkeys(("name", "ours", "peer", "peer_name", "ratio", "target")), str(error))]
    return [_row(bench, row, None) for row in rows]


def _topic(module: str) -> str:
    return module.partition("_")[0]


def _runs(module: str) -> bool:
    return hasattr(import_module(f"{PACKAGE}.{module}"), "run")


def _row(bench: str, row: dict[str, Any], missing: str | None) -> dict[str, Any]:
    asked = row["target"] is not None and row["ratio"] is not None
    return {"bench": bench, **row, "meets": bool(row["ratio"] >= row["target"]) if asked else None, "missing": missing}
