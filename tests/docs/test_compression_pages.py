"""What the pages on compression say of layers, measurements and settings is what the code does."""

from __future__ import annotations

import inspect
import json
import re
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import tflm_ext
from tests.conftest import ROOT
from tests.docs.test_docs import generator

HOW_TO = ROOT / "docs" / "how-to"
TABLE_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
SPAN = re.compile(r"`(\w+)`")


@pytest.fixture(scope="module")
def untouched() -> str:
    """The section on what channel pruning leaves alone."""
    page = (HOW_TO / "prune-channels.md").read_text("utf-8")
    return page.split("\n## What it leaves alone\n")[1].split("\n## ")[0]


def walls() -> dict[str, set[str]]:
    """Every layer of Keras that has no rule, by the reason that the report gives."""
    import keras

    from tflm_ext.compression.channels.rules import RULES, _wall

    found = defaultdict(set)
    for name, kind in vars(keras.layers).items():
        layer = inspect.isclass(kind) and issubclass(kind, keras.layers.Layer)
        if not layer or kind in RULES or kind in (keras.layers.Layer, keras.layers.InputLayer):
            continue
        if ".layers.preprocessing." not in kind.__module__:
            found[str(_wall(object.__new__(kind)))].add(name)
    return found


@pytest.mark.slow
def test_every_layer_that_pruning_leaves_alone_is_listed(untouched: str) -> None:
    kinds = untouched.split("All other Keras layers", maxsplit=1)[0]
    rows = {reason: set(SPAN.findall(cell)) for reason, cell in TABLE_ROW.findall(kinds)}
    del rows["reason"]
    of_preprocessing = {"Rescaling", "Resizing"}  # named as the exceptions
    assert {reason: names - of_preprocessing for reason, names in rows.items()} == walls()


@pytest.mark.slow
def test_two_of_the_preprocessing_layers_are_followed() -> None:
    from tflm_ext.compression.channels.rules import RULES

    found = {kind.__name__ for kind in RULES if ".layers.preprocessing." in kind.__module__}
    assert found == {"Rescaling", "Resizing"}


@pytest.mark.slow
def test_every_reason_is_explained(untouched: str) -> None:
    from tflm_ext.compression.channels.groups import Reason

    assert {reason for reason, _ in TABLE_ROW.findall(untouched)} - {"reason"} == set(Reason)


@pytest.mark.slow
def test_every_function_that_pruning_follows_is_listed(untouched: str) -> None:
    import keras

    from tflm_ext.compression.channels.rules import _FUNCTIONS

    listed = untouched.split("functions of `keras.ops` other than")[1].split(".\n", maxsplit=1)[0]
    named = set(SPAN.findall(listed))
    assert {name for name in named if not hasattr(keras.ops, name)} == set()
    camel = {"".join(word.capitalize() for word in name.split("_")) for name in named}
    assert camel | {"Abs", "TrueDivide"} == set(_FUNCTIONS)  # two that go by two names


@pytest.mark.slow
@pytest.mark.parametrize("page", ["sparsity", "clustering"])
def test_the_layers_of_the_callbacks_are_listed(page: str) -> None:
    from tflm_ext.compression.weights import _KERNELS

    text = (HOW_TO / f"{page}.md").read_text("utf-8")
    section = text.split("\n## What it cannot touch\n")[1].split("\n## ")[0]
    named = set(SPAN.findall(section)) - {"reason", "clusters"}
    assert named == set(_KERNELS)


def test_the_page_on_compress_names_fields_of_a_recipe() -> None:
    text = (HOW_TO / "compress.md").read_text("utf-8")
    fields = asdict(tflm_ext.Recipe())
    matter = text.split("Four matter most: ")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", matter))
    assert len(named) == 4
    assert named <= set(fields)
    shown = set(re.findall(r"Recipe\((\w+)=", text)) | set(re.findall(r"`(\w+)=`", text))
    assert shown <= {*fields, "loss"}


def test_presets_are_as_the_page_says() -> None:
    text = " ".join((HOW_TO / "compress.md").read_text("utf-8").split())
    assert "`balanced()` and `smallest()` aim for 4 and 8 times fewer weights and MACs" in text
    assert tflm_ext.Recipe.balanced().shrink == 4
    assert tflm_ext.Recipe.smallest().shrink == 8
    for preset in (tflm_ext.Recipe.fast(), tflm_ext.Recipe.balanced(), tflm_ext.Recipe.smallest()):
        assert preset.sparsity is preset.clusters is None


RESULT: dict[str, Any] = {
    "name": "net",
    "title": "A small net",
    "metric": "accuracy",
    "about": "Half of the data.",
    "versions": {"keras": "3.0"},
    "rows": [
        {
            "way": "plain",
            "seed": seed,
            "float_score": 0.5,
            "score": 0.25 + seed / 2,
            "parameters": 10,
            "macs": 20,
            "weight_bytes": 1234,
            "tflite_bytes": 40,
            "ram_bytes": 50,
            "more": None,
        }
        for seed in (0, 1)
    ],
}


def test_results_that_are_added_come_onto_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = generator.of_checkout("benchmarks.compression.results")
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert "\n## " not in generator.compression_measured()
    (tmp_path / "net.json").write_text(json.dumps(RESULT), "utf-8")
    page = generator.compression_measured()
    assert "## A small net\n\nHalf of the data.\n\n| way |" in page
    assert "| plain | 2 | 0.5000 ± 0.0000 | 0.5000 ± 3.1766 |" in page
    assert "| 1,234 |" in page
    assert "![" not in page
    assert "Scales" not in page
    (tmp_path / "net_scales.md").write_text("| a |\n|---|\n| 7 |\n", "utf-8")
    assert "**Scales.**\n\n| a |\n|---|\n| 7 |\n" in generator.compression_measured()
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (tmp_path / "docs" / "images" / "compression-net.png").touch()
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    assert "![A small net](../images/compression-net.png)" in generator.compression_measured()


def points(name: str, way: str, other: str, key: str = "score") -> str:
    """The paired difference of two ways, in percentage points, as the pages show it."""
    results = generator.of_checkout("benchmarks.compression.results")
    found = results.ways(generator.of_checkout("docs.measured").read(name))
    mean, half = results.paired(found, way, other, key)
    return f"{100 * mean:.1f} ± {100 * half:.1f}"


def test_the_pages_state_the_measured_differences_with_their_intervals() -> None:
    distil = (HOW_TO / "distil.md").read_text("utf-8")
    for epochs, said in ((60, "gained {} percentage points"), (10, "difference of {} was not")):
        found = points("distillation", f"distilled, {epochs} epochs", f"plain, {epochs} epochs")
        assert said.format(found) in " ".join(distil.split())
    aware = " ".join((HOW_TO / "quantize-aware.md").read_text("utf-8").split())
    float_way, way = "float fine-tuning, plain int8", "quantize_aware()"
    gained = points("quantization_aware", way, float_way)
    assert f"was {gained} percentage points more accurate than plain int8" in aware
    assert f"differ by {gained} points" in aware
    for below, said in (
        (float_way, "plain int8 is {} percentage points below it"),
        (way, "`quantize_aware()` {}."),
    ):
        lost = points("quantization_aware", below, float_way, "float_score")
        assert said.format(lost.removeprefix("-")) in aware


def test_no_compressed_network_differs_from_a_new_one_as_the_readme_says() -> None:
    """That the intervals of all its differences include zero."""
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert "The intervals of all differences include zero" in readme
    results = generator.of_checkout("benchmarks.compression.results")
    measured = generator.of_checkout("docs.measured")
    for name in measured.NETWORKS:
        found = results.ways(measured.read(name))
        for way, scratch in results.pairs(found):
            mean, half = results.paired(found, way, scratch)
            assert abs(mean) <= half, "say in README which networks differ"


def test_the_readme_shows_the_intervals_of_the_results() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = generator.of_checkout("docs.measured").compression()
    assert "+0.0004 ± 0.0077" in rows
    assert rows in readme
    generated = generator.compression_measured()
    for line in rows.splitlines():
        _, _, _, score, difference, *_ = line.split("|")
        assert score.strip() in generated
        assert difference.strip() in generated
