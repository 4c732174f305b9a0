"""Recipe: presets, JSON, and values that mean nothing."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tflm_ext import ConfigError, Recipe
from tflm_ext.compression.recipe import _RULES


@pytest.mark.parametrize("name", ["fast", "balanced", "smallest"])
def test_presets_survive_json(name: str) -> None:
    recipe = Recipe.preset(name)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe == getattr(Recipe, name)()


def test_json_has_every_value_and_may_leave_some_out() -> None:
    recipe = Recipe(shrink=3, sparsity=0.75, clusters=16, temperature=None)
    assert set(json.loads(recipe.to_json())) == {f.name for f in dataclasses.fields(Recipe)}
    assert Recipe.from_json('{"ratio": 0.25}') == Recipe(ratio=0.25)


def test_numbers_of_numpy_become_those_of_python() -> None:
    recipe = Recipe(ratio=np.float32(0.5), multiple_of=np.int64(8), learning_rate=np.float64(0.01))
    assert recipe == Recipe(ratio=0.5, multiple_of=8, learning_rate=0.01)
    assert type(recipe.ratio) is float and type(recipe.multiple_of) is int
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_every_value_has_a_rule() -> None:
    assert set(_RULES) == {field.name for field in dataclasses.fields(Recipe)}


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().ratio = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shrink", 1),
        ("shrink", "4"),
        ("ratio", 1.0),
        ("ratio", -0.1),
        ("ratio", float("nan")),
        ("ratio", np.bool_(False)),
        ("ratio", np.array([0.5])),
        ("importance", "size"),
        ("importance", []),
        ("multiple_of", 0),
        ("round_epochs", 0),
        ("fine_tune_epochs", -1),
        ("fine_tune_epochs", 2.0),
        ("fine_tune_epochs", None),
        ("temperature", 0),
        ("alpha", 1.5),
        ("sparsity", 1.0),
        ("sparsity_pattern", "4:8"),
        ("clusters", 1),
        ("clusters", 257),
        ("clusters_per", "layer"),
        ("quantize_epochs", True),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("batch_size", 0),
        ("validation_share", 0),
        ("validation_share", 1.0),
        ("seed", -1),
    ],
)
def test_values_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^Recipe\\({name}=") as caught:
        Recipe(**{name: value})
    assert caught.value.hint.startswith("Pass ")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"shrink": 4, "ratio": 0.5}, "both shrink and ratio"),
        ({"sparsity": 0.75, "sparsity_pattern": "2:4"}, "does not go with"),
    ],
)
def test_values_that_contradict_each_other(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Recipe(**values)


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("{", "not valid JSON", "to_json"),
        ("[" * 100_000, "not valid JSON", "to_json"),
        ("[4]", "a JSON list", "shrink"),
        ('{"shrnk": 4}', "no field 'shrnk'", "shrink"),
        ('{"shrink": "4"}', "shrink='4'", "greater than 1"),
        ('{"shrink": NaN}', "shrink=nan", "greater than 1"),
    ],
)
def test_json_that_is_no_recipe(text: str, problem: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        Recipe.from_json(text)
    assert hint in caught.value.hint


def test_there_is_no_such_preset() -> None:
    with pytest.raises(ConfigError, match="'tiny'") as caught:
        Recipe.preset("tiny")
    assert "balanced" in caught.value.hint


def test_a_recipe_needs_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, tflm_ext; tflm_ext.Recipe.balanced();"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    root = str(Path(tflm_ext.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": root}, check=False
    )
    assert done.returncode == 0
