"""``hil demo``: the main job on what is shipped, as a newcomer runs it."""

from __future__ import annotations

import json

import jsonschema
import pytest

from hil.cli.main import _run
from hil.compare.document import schema_text


@pytest.mark.slow
def test_demo_compares_the_shipped_recording_and_writes_the_report(tmp_path, capsys):
    assert _run(["demo", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    document = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(document, json.loads(schema_text()))
    names = [target["target"] for target in document["targets"]]
    assert names == ["packed", "float", "crossbar:ideal", "crossbar:rram_wan2022"]
    assert document["targets"][0]["first_divergence"] is None
    assert document["reference"]["accuracy"] > 0.9
    assert document["targets"][-1]["accuracy"] > document["reference"]["accuracy"] - 0.02
    assert all(name in printed for name in names)
    assert (tmp_path / "report.html").read_text().count("data:image/png") == 12
