"""A recipe under which nothing could be learned is refused before minutes are spent on it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hil.errors import ConfigError
from quant.recipe import LayerPlan, Recipe


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch", 1),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("second_learning_rate", -1e-9),
        ("weight_decay", math.nan),
        ("temperature", 0.0),
        ("pull", -1.0),
        ("weight_noise", math.inf),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("substrate_from", 1.0),
        ("teacher_weight", -1.0),
        ("patience", -1),
    ],
)
def test_recipe_when_a_setting_is_impossible_then_names_it_and_its_value(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=f"recipe {name} must be .* but is {value}"):
        Recipe((), **settings)


def test_recipe_when_settings_are_at_their_bounds_then_accepted() -> None:
    recipe = Recipe((), epochs=1, batch=2, second_learning_rate=0.0, pull=0.0, dropout=0.0, substrate_from=0.0)
    assert recipe.batch == 2


@pytest.mark.parametrize(("name", "value"), [("channels", 0), ("kernel", -1), ("stride", 0), ("padding", -1)])
def test_layer_when_a_size_is_impossible_then_names_it_and_its_value(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"layer {name} must be at least .*, but is {value}"):
        LayerPlan(**{"channels": 4, name: value})
