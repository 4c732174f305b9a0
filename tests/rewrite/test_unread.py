"""Inputs that nothing reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext import export
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend.parse import parse
from tflm_ext.rewrite import drop_unread


def model(names: str, read: str) -> bytes:
    """A RELU of each input that is read, in this order."""
    b = ModelBuilder()
    inputs, outputs = [], []
    for name in names:
        kind: dict[str, Any] = {"scale": 0.1} if name in read else {"dtype": "float32"}
        inputs.append(b.tensor((1, 4), name=name, **kind))
        if name in read:
            outputs.append(b.tensor((1, 4), scale=0.1))
            b.operator("RELU", [inputs[-1]], [outputs[-1]])
    return b.finish(inputs, outputs or [b.constant(np.zeros((1, 4), np.int8), scale=0.1)])


@pytest.mark.parametrize(
    ("names", "read"), [("ab", "a"), ("ab", "b"), ("abcd", "bd"), ("ab", "ab")]
)
def test_only_inputs_that_are_read_stay(names: str, read: str) -> None:
    given = model(names, read)
    found = drop_unread(given)
    parsed = parse(found.data, "net")
    assert [parsed.tensors[i].name for i in parsed.inputs] == list(read)
    assert "".join(names[k] for k in found.kept) == read
    assert list(found.dropped.values()) == [name for name in names if name not in read]
    assert (found.data == given) == (names == read)
    assert_exact(found.data, c=False)


def test_notes_use_the_users_names_where_they_are_known() -> None:
    found = drop_unread(model("abcd", "bd"))
    says = "Nothing in the model reads input {}; the project leaves it out."
    assert found.notes() == (says.format("0 'a'"), says.format("2 'c'"))
    own = found.notes(["image", "sound", "time", "place"])
    assert own == (says.format("0 'image'"), says.format("2 'time'"))


def test_what_is_an_output_is_read() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.1), b.tensor((1, 4), scale=0.1)
    z = b.tensor((1, 4), scale=0.1)
    b.operator("RELU", [x], [z])
    given = b.finish([x, y], [z, y])
    assert drop_unread(given).data == given


def test_a_model_without_inputs_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="outputs never change"):
        drop_unread(model("ab", ""))


def test_a_file_says_which_input_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(model("abc", "ac"))
    result = export(path, tmp_path / "net", progress=False)
    assert "Nothing in the model reads input 1 'b'; the project leaves it out." in (
        result.report.warnings
    )
    assert [port.tensor_name for port in result.report.facts.inputs] == ["a", "c"]


@pytest.mark.slow
def test_a_keras_model_keeps_names_and_data(library: Any, tmp_path: Path) -> None:
    layers = library.layers
    a, b, c = (
        layers.Input((size,), name=name) for size, name in zip((3, 4, 5), "abc", strict=True)
    )
    y = layers.Concatenate()([layers.Dense(4)(a), layers.Dense(4)(c)])
    net = library.Model([a, b, c], layers.Dense(2)(y))
    generator = np.random.default_rng(0)
    data = {
        n: generator.normal(size=(120, s)).astype("float32")
        for n, s in (("a", 3), ("b", 4), ("c", 5))
    }
    targets = np.zeros(120, "int64")
    result = export(
        net, tmp_path / "net", calibration_data=data, test_data=(data, targets), progress=False
    )
    assert [port.shape for port in result.report.facts.inputs] == [(1, 3), (1, 5)]
    assert any("reads input 1 'b'; the project" in text for text in result.report.warnings)
    assert result.report.vectors and result.report.vectors >= 64
