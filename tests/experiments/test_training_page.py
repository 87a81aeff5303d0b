"""The page on training lists every key of a configuration as the code has it."""

import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path

import pytest

from experiments.training_config import CONFIGS, TrainingConfig, load_config
from hil.errors import ConfigError

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def meanings(kind: type) -> dict[str, str]:
    """Return what a dataclass says of each of its attributes."""
    section = (kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^        (\w+): (.*?)(?=^        \w|\Z)", section, re.DOTALL | re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "`") for name, text in found}


def type_words(kind: object) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return f"list of {type_words(item)}s" if item in WORDS else "list of tables"
    return WORDS.get(kind, getattr(kind, "__name__", ""))  # type: ignore[call-overload]


def default_words(field: Field) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "needed"
    value = field.default
    if isinstance(value, tuple):
        return "none"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def rows(kind: type, prefix: str = "") -> Iterator[str]:
    hints, said = typing.get_type_hints(kind), meanings(kind)
    for field in fields(kind):
        key, hint = prefix + field.name, hints[field.name]
        if is_dataclass(hint):
            yield from rows(typing.cast("type", hint), f"{key}.")
            continue
        yield f"| `{key}` | {type_words(hint)} | {default_words(field)} | {said[field.name]} |"
        items = [each for each in typing.get_args(hint) if is_dataclass(each)]
        if items and default_words(field) == "needed":  # the same tables a second time need no second list
            yield from rows(items[0], f"{key}[].")


def test_page_has_a_row_for_every_key_with_its_type_default_and_meaning():
    shown = [line for line in PAGE.partition("## Every key")[2].splitlines() if line.startswith("| `")]
    expected = list(rows(TrainingConfig))
    assert shown == expected, "the table of docs/training.md must be:\n" + "\n".join(expected)


def test_no_type_of_a_key_is_left_without_words():
    assert not any(re.search(r"\| (\w*Type|Union.*|) \| ", row) for row in rows(TrainingConfig))
    assert not any(isinstance(hint, types.UnionType) for hint in typing.get_type_hints(TrainingConfig).values())


def test_unknown_keys_are_named_with_the_known_ones_nearest_first(tmp_path):
    text = (CONFIGS / "digits.toml").read_text("utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("epochs =", "epoch =").replace("threads =", "thread ="))
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert "unknown key 'epoch'; known, nearest first: epochs, " in str(refused.value)
    assert "unknown key 'thread'; known, nearest first: threads, " in str(refused.value)
    assert "learning_rate" in str(refused.value)
