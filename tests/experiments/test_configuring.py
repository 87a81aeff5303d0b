"""A document becomes a configuration exactly or not at all: no number is rounded, no text taken for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from experiments.configuring import structured
from hil.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    count: int = 1
    share: float = 0.5
    quick: bool = False
    kind: Literal["big", "small"] = "big"
    sizes: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"count": 3, "share": 2, "quick": True}, Settings(3, 2.0, quick=True)),
        ({"count": 3.0, "sizes": [1, 2]}, Settings(3, sizes=(1, 2))),
    ],
)
def test_document_when_values_are_of_their_kinds_then_they_are_kept(
    document: dict[str, Any], expected: Settings
) -> None:
    assert structured(document, Settings, where="here") == expected


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"count": 2.5}, r"here: must be a whole number, but is 2\.5 @ config\.count"),
        ({"count": True}, "must be a whole number, but is True"),
        ({"count": "3"}, "must be a whole number, but is '3'"),
        ({"share": "0.5"}, r"must be a number, but is '0\.5'"),
        ({"share": False}, "must be a number, but is False"),
        ({"quick": "false"}, "must be true or false, but is 'false'"),
        ({"quick": 1}, "must be true or false, but is 1"),
        ({"sizes": [1, 2.5]}, r"must be a whole number, but is 2\.5 @ config\.sizes\[1\]"),
        ({"kind": "huge"}, r"must be 'big' or 'small', but is 'huge' @ config\.kind"),
    ],
)
def test_document_when_a_value_is_of_another_kind_then_refused_by_its_place(
    document: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        structured(document, Settings, where="here")
