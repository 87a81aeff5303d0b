"""The page about exports lists every format, and its code reads what is written."""

import re
from pathlib import Path

import numpy as np

from hil.registry import load, load_network, names

PAGE = (Path(__file__).parents[2] / "docs" / "exports.md").read_text("utf-8")


def test_page_lists_every_format_with_its_suffix():
    listed = dict(re.findall(r"^\| `([\w-]+)` \| `(\.[\w.]+)` \|", PAGE, re.MULTILINE))
    assert listed == {name: load("formats", name).suffix for name in names("formats")}


def test_code_of_the_page_reads_the_first_layer(tmp_path, monkeypatch):
    network = load_network("digits")
    monkeypatch.chdir(tmp_path)
    Path("digits.2bit.zip").write_bytes(load("formats", "packed2").encode(network))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found = {}
    exec(code, found)
    np.testing.assert_array_equal(found["codes"], network.layers[0].weight)
    np.testing.assert_array_equal(found["bias"], network.layers[0].bias)
