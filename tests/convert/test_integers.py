"""Keras models with integer inputs, from the layer to the verified project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.frontend.models import dense
from tests.ops.test_integers import Lookup, integers, options
from tflm_ext import export
from tflm_ext.errors import ConfigError, UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.frontend import read_graph, strip_ports
from tflm_ext.recheck import verify_project

RNG = np.random.default_rng(8)
WORDS = RNG.integers(0, 9, (120, 6))


def classifier(keras: Any, dtype: str = "int32") -> Any:
    """Words that decide about three classes."""
    layers = keras.layers
    keras.utils.set_random_seed(3)
    x = keras.Input((6,), dtype=dtype, name="words")
    y = layers.Flatten()(layers.Embedding(9, 4, embeddings_initializer="normal")(x))
    return keras.Model(x, layers.Dense(3, activation="softmax", name="classes")(y))


def tabular(keras: Any) -> Any:
    """A category in each column, real values, and the categories themselves as an output."""
    layers = keras.layers
    keras.utils.set_random_seed(4)
    categories = keras.Input((2,), dtype="int32", name="categories")
    values = keras.Input((5,), name="values")
    first = layers.Embedding(3, 4)(categories[:, 0])
    second = layers.Embedding(50, 4)(categories[:, 1])
    y = layers.Concatenate()([first, second, layers.Dense(4)(values)])
    return keras.Model([categories, values], [layers.Dense(2, name="sum")(y), categories])


def operators(result: Any) -> list[str]:
    return [row["operator"] for row in result.report.to_dict()["operators"]]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["compiled", "tflm"])
def test_an_embedding(runtime: str, keras: Any, tmp_path: Path) -> None:
    classes = RNG.integers(0, 3, 60)
    result = export(
        classifier(keras),
        tmp_path / "net",
        calibration_data=WORDS,
        test_data=(WORDS[:60], classes),
        runtime=runtime,
        progress=False,
    )
    report = result.report.to_dict()
    (words,) = report["model"]["inputs"]
    assert (words["dtype"], words["limits"]) == ("int32", [[0, 8]])
    assert report["accuracy"]["samples"] == 60
    if runtime == "compiled":
        assert report["accuracy"]["int8_c"] == report["accuracy"]["int8_tflm"]
        assert operators(result) == ["GATHER", "FULLY_CONNECTED", "SOFTMAX"]
        assert verify_project(result.folder, seed=1).mismatches == 0


@pytest.mark.slow
def test_columns_with_tables_of_their_own(keras: Any, tmp_path: Path) -> None:
    categories = np.stack([RNG.integers(0, 3, 120), RNG.integers(0, 50, 120)], 1)
    values = RNG.normal(size=(120, 5))
    data = {"categories": categories, "values": values}
    result = export(tabular(keras), tmp_path / "net", calibration_data=data, progress=False)
    first, second = result.report.to_dict()["model"]["inputs"]
    assert first["limits"] == [[0, 2], [0, 49]]
    assert second["dtype"] == "int8"
    assert [output["dtype"] for output in result.report.to_dict()["model"]["outputs"]] == [
        "int8",
        "int32",
    ]
    assert result.report.int8_error is not None
    assert result.report.int8_error.outputs[1].rms_error == 0
    # The .tflite takes the same data, also integers.
    again = export(
        result.folder / "model/net.tflite",
        tmp_path / "again" / "net",
        calibration_data=[categories, values],
        progress=False,
    )
    assert operators(again) == operators(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (WORDS - 9, r"input 'words.*' has the value -\d in sample 0, where .* from 0 to 8\."),
        (WORDS + 1, r"The data has the integer 9 where the model looks up one from 0 to 8\."),
        (WORDS + 0.5, r"input 'words' has values that do not fit into int32"),
    ],
)
def test_words_that_no_row_is_for(data: Any, problem: str, keras: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=problem):
        export(classifier(keras), tmp_path / "net", calibration_data=data, progress=False)
    assert not (tmp_path / "net").exists()


@pytest.mark.slow
def test_words_as_real_numbers(keras: Any, tmp_path: Path) -> None:
    """int8 would round them."""
    with pytest.raises(UnsupportedOperatorError, match="CAST") as caught:
        export(
            classifier(keras, "float32"), tmp_path / "net", calibration_data=WORDS, progress=False
        )
    assert "keras.Input(shape, dtype='int32')" in caught.value.hint


def wrapped(
    *, size: int = 7, zero: int = 0, select: str = "SELECT", also_read: bool = False
) -> bytes:
    """The graph of Keras 3 around GATHER, which counts positions below 0 from the end."""
    m = Lookup()
    x, c = m.integers(1, 4), m.b.constant
    below, chosen = m.b.tensor((1, 4), dtype="bool"), m.b.tensor((1, 4), dtype="int32")
    m.b.operator("LESS", [x, c(integers(zero).reshape(()))], [below], options("Less"))
    (back,) = m.moved("ADD", [x, c(integers(size).reshape(()))], [(1, 4)], options("Add"))
    m.b.operator(select, [below, back, x], [chosen])
    m.rows(chosen, (1, 4))
    if also_read:
        m.outputs.append(back)
    return m.finish()


@pytest.mark.parametrize("select", ["SELECT", "SELECT_V2"])
def test_positions_are_read_as_they_are(select: str) -> None:
    stripped = strip_ports(wrapped(select=select), "net")
    assert [node.operator for node in read_graph(stripped.data).nodes] == ["GATHER"]
    assert stripped.notes == (
        "input 0 'tokens': positions below 0, which Keras counts from the end, are not supported",
    )


@pytest.mark.parametrize("model", [wrapped(size=6), wrapped(zero=1), dense()])
def test_anything_else_stays(model: bytes) -> None:
    assert strip_ports(model, "net").data == model


def test_what_is_read_elsewhere_stays() -> None:
    """And is then refused by name."""
    stripped = strip_ports(wrapped(also_read=True), "net")
    with pytest.raises(UnsupportedModelError, match=r"operator 0 ADD.*it is int32, not int8"):
        read_graph(stripped.data)
