"""The page about replay shows code that runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hil.types import EventBatch, Geometry
from sensors.formats import aedat4

PAGE = Path(__file__).parents[2] / "docs" / "replay.md"
NEEDS_A_CAMERA = "open_camera"


def test_code_of_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    t = 1_605_537_493_718_345 + np.sort(rng.integers(0, 1_000_000, 20_000))
    x, y = rng.integers(0, 34, (2, len(t)))
    aedat4.write(Path("recording.aedat4"), [EventBatch(t, x, y, rng.random(len(t)) < 0.5)], Geometry(34, 34))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    for block in (block for block in blocks if NEEDS_A_CAMERA not in block):
        exec(block, names)
    assert names["replay"].account.received > 0  # type: ignore[attr-defined]
