"""Caption vectors come from a file that anybody can write, so a wrong one says what is wrong and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hil.errors import FormatError
from hil.network import CaptionSet
from quant.captions import distances, load, save

OWN = CaptionSet(("left", "right"), np.eye(2, 5, dtype=np.float32), "mine", "0" * 64)


def test_captions_when_written_and_read_then_are_the_same(tmp_path: Path) -> None:
    save(OWN, tmp_path / "own.npz")
    read = load(tmp_path / "own.npz")
    assert (read.texts, read.model, read.model_sha256) == (OWN.texts, OWN.model, OWN.model_sha256)
    np.testing.assert_array_equal(read.vectors, OWN.vectors)


def test_captions_when_vectors_are_of_double_precision_then_are_rounded(tmp_path: Path) -> None:
    vectors = np.ones((1, 3)) / np.sqrt(3)
    np.savez(tmp_path / "own.npz", texts=["all"], vectors=vectors, model="mine", model_sha256="")
    np.testing.assert_array_equal(load(tmp_path / "own.npz").vectors, vectors.astype(np.float32))


def test_distances_when_vectors_are_orthogonal_then_one_and_zero_to_themselves() -> None:
    np.testing.assert_allclose(distances(OWN), [[0, 1], [1, 0]])


def test_captions_when_made_as_the_page_says_then_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert load(tmp_path / "captions.npz").texts == ("goes left", "goes right", "stays")


def write(path: Path, **changed: object) -> None:
    parts = {"texts": ["left", "right"], "vectors": np.eye(2, 5), "model": "mine", "model_sha256": ""} | changed
    np.savez(path, **{name: np.array(value) for name, value in parts.items() if value is not None})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"vectors": None}, "vectors"),
        ({"vectors": 2 * np.eye(2, 5)}, "unit length"),
        ({"vectors": np.full((2, 5), np.nan)}, "unit length"),
        ({"vectors": np.eye(3, 5)}, "one vector per text"),
        ({"vectors": np.array([["a"], ["b"]])}, "could not convert"),
        ({"texts": "left"}, "0-d array"),
        ({"model": None}, "model"),
    ],
)
def test_load_when_a_part_is_wrong_then_says_which_and_how_to_make_one(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    write(tmp_path / "own.npz", **changed)
    with pytest.raises(FormatError, match=says) as refused:
        load(tmp_path / "own.npz")
    assert "--text-model" in str(refused.value)


@pytest.mark.parametrize("content", [None, b"", b"name = 'a configuration'", b"PK\x03\x04 cut"])
def test_load_when_file_is_missing_or_foreign_then_says_how_to_make_one(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(FormatError, match=r"own\.npz.*--text-model"):
        load(tmp_path / "own.npz")
