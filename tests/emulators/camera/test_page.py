"""The page about the camera shows code that runs."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "camera.md"


def test_code_of_the_page_makes_events():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(code.replace("346, 260", "64, 48"), names)
    assert len(names["events"]) > 10_000  # type: ignore[arg-type]
