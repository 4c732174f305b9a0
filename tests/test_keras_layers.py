"""Every row of the table of layers: its operators, and our C against TensorFlow Lite Micro."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.keras_layers import ROWS, Converted, Row, child_in, convert_row
from tflm_ext.convert.child import Child
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph

OPERATOR_NAMES = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
}


def operators(tflite: bytes) -> tuple[Counter[str], int]:
    """Operators of a .tflite with their number, and how many float32 tensors they touch."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite))
    (graph,) = model.subgraphs
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    touched = {t for o in graph.operators for t in (*o.inputs, *o.outputs) if t >= 0}
    floats = [t for t in touched if graph.tensors[t].type == schema.TensorType.FLOAT32]
    return Counter(OPERATOR_NAMES[codes[o.opcodeIndex]] for o in graph.operators), len(floats)


def check(converted: Converted) -> None:
    row = converted.row
    if converted.tflite is None:
        assert not row.operators, f"conversion failed: {converted.error}"
    else:
        assert operators(converted.tflite) == (row.operators, row.float_tensors)
    if row.refused is None:
        assert converted.tflite is not None
        assert_exact(converted.tflite, name="net", seed=5)
    else:
        check_refusal(row, converted)


def check_refusal(row: Row, converted: Converted) -> None:
    error = converted.error
    if converted.tflite is not None:
        with pytest.raises(UnsupportedModelError) as caught:
            read_graph(converted.tflite, "net")
        error = caught.value
    assert isinstance(error, UnsupportedModelError)
    assert row.refused is not None
    layer, remedy = row.refused
    assert remedy in error.hint
    if layer is not None:
        assert re.search(rf"layer '?{layer}\b", error.problem), error.problem


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    with child_in(tmp_path_factory.mktemp("child")) as child:
        yield child


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.slug)
def test_row(row: Row, child: Child, tmp_path: Path, subtests: pytest.Subtests) -> None:
    for converted in convert_row(row, child, tmp_path):
        with subtests.test(shape="x".join(map(str, converted.shape))):
            check(converted)


def test_table_has_every_row_once() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    of_keras = [row for row in ROWS if row.library == "keras"]
    assert sum(row.refused is None for row in of_keras) == 73
    assert sum(row.refused is not None for row in of_keras) == 17
    assert all(len(row.shapes) == 3 for row in ROWS)
