"""Writes a comparison: ``report.html``, one page that needs nothing else, and ``report.json`` for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hil.compare import Comparison
from hil.report.page import choose_windows, render
from hil.report.pictures import Picture, event_pictures, feature_pictures

__all__ = ["Picture", "choose_windows", "event_pictures", "feature_pictures", "json_text", "render", "write_report"]


def json_text(comparison: Comparison) -> str:
    """Return the text of ``report.json``: the same bytes for the same command and seed, but for ``timing``."""
    return json.dumps(comparison.as_document(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_report(
    comparison: Comparison, folder: str | Path, *, pictures: Sequence[Picture] | None = None
) -> tuple[Path, Path]:
    """Write both files into a folder and return their paths, ``report.html`` first.

    Args:
        comparison: What to report.
        folder: Made when it is not there.
        pictures: Pictures of some windows; when not given, they are drawn from what the network was given.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    page, document = folder / "report.html", folder / "report.json"
    page.write_text(render(comparison, _default(comparison) if pictures is None else pictures), encoding="utf-8")
    document.write_text(json_text(comparison), encoding="utf-8")
    return page, document


def _default(comparison: Comparison) -> tuple[Picture, ...]:
    spec = comparison.network.features
    return () if spec is None else feature_pictures(comparison.features, spec, choose_windows(comparison))
