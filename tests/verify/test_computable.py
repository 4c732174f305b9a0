"""Inputs on which TensorFlow Lite Micro's SOFTMAX aborts, and the C's results for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import facts_for
from tests.ops.test_softmax import softmax
from tests.tflite_builder import ModelBuilder
from tflm_ext import encode, export
from tflm_ext.emit.model import model_files
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import input_ports, read_graph
from tflm_ext.ops.softmax import stops_tflm
from tflm_ext.options import Optimize
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan
from tflm_ext.recheck import verify_project
from tflm_ext.reference import run_outputs
from tflm_ext.verify.computable import computable, keep_computable
from tflm_ext.verify.host import run_host
from tflm_ext.verify.tflm import InterpreterCrash, run_tflm

pytestmark = pytest.mark.tool("cc")


def rows(size: int, equal: int, below: int = 127) -> np.ndarray:
    """One row with this many largest values, and the others this far below: (1, 1, size)."""
    return np.where(np.arange(size) < equal, 0, -below).astype(np.int8).reshape(1, 1, size)


def classifier(classes: int) -> bytes:
    """Four inputs, a dense layer, a softmax: only inputs near the zero point have equal logits."""
    generator = np.random.default_rng(3)
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1, zero_point=-7, name="x")
    logits = b.tensor((1, classes), scale=0.25, name="net/dense/MatMul")
    weights = generator.integers(-127, 128, (classes, 4), np.int8)
    b.operator(
        "FULLY_CONNECTED",
        [x, b.constant(weights, scale=0.02)],
        [logits],
        schema.FullyConnectedOptionsT(),
    )
    y = b.tensor((1, classes), scale=1 / 256, zero_point=-128, name="net/softmax/Softmax")
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    b.operator("SOFTMAX", [logits], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    ("size", "equal", "stops"),
    [
        (511, 511, False),
        (512, 512, True),
        (512, 511, False),
        (600, 511, False),
        (600, 512, True),
        (1000, 1000, True),
        (4095, 511, False),
        (4095, 4095, True),
    ],
)
def test_tflm_stops_where_the_arithmetic_says(size: int, equal: int, stops: bool) -> None:
    model = softmax((1, size), 0.5)
    graph = read_graph(model)
    vector = rows(size, equal)
    assert stops_tflm(next(iter(graph.views())), vector[0]) is stops
    if stops:
        with pytest.raises(InterpreterCrash, match=r"\(SIGABRT, input 0\)"):
            run_tflm(model, [vector], 1, arena_bytes=1 << 20)
    else:
        run_tflm(model, [vector], 1, arena_bytes=1 << 20)


def test_where_tflm_stops_the_c_gives_the_references_result_without_undefined_behaviour() -> None:
    model = softmax((1, 4095), 0.5)
    graph = read_graph(model)
    plan = make_plan(run_passes(graph).graph, Optimize.SPEED)
    facts = facts_for(model, graph, plan, "net")
    noise = np.random.default_rng(0).integers(-3, 3, (4, 1, 4095)).astype(np.int8)
    vectors = np.concatenate([rows(4095, n) for n in (511, 512, 1023, 1024, 2048, 4095)] + [noise])
    ours = run_host(facts, model_files(facts, plan), [vectors]).outputs[0]
    for vector, got in zip(vectors, ours, strict=True):
        np.testing.assert_array_equal(run_outputs(graph, [vector])[0].ravel(), got)
    assert ours[5].tolist() == [-127] * 4095  # as docs/reference/operators.md says
    assert ours[2].tolist() == [-127] * 1023 + [-128] * (4095 - 1023)


def test_inputs_that_stop_tflm_are_left_out_and_no_others() -> None:
    model = softmax((1, 600), 0.5)
    graph = read_graph(model)
    vectors = np.concatenate([rows(600, n) for n in (600, 3, 512, 511, 1)])
    expected = [False, True, False, True, True]
    assert computable(model, graph, [vectors]).tolist() == expected
    (kept,), skipped = keep_computable(model, graph, [vectors])
    assert (len(kept), skipped) == (3, 2)


def test_a_crash_that_the_arithmetic_does_not_explain_is_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tflm_ext.verify import tflm

    child = tmp_path / "child.py"
    child.write_text(
        "import os, sys\nopen(sys.argv[3], 'w').write('1')\nos.abort()\n", encoding="utf-8"
    )
    monkeypatch.setattr(tflm, "_CHILD", str(child))
    model = softmax((1, 600), 0.5)
    graph = read_graph(model)
    for vectors in (
        [rows(600, 3), rows(600, 4)],  # no row that makes it abort
        [rows(600, 600), rows(600, 600)],  # it should have aborted earlier
    ):
        with pytest.raises(InterpreterCrash):
            computable(model, graph, [np.concatenate(vectors)])


def test_a_model_that_stops_on_some_inputs_is_exported(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(classifier(600))
    result = export(tmp_path / "net.tflite", tmp_path / "net", progress=False)
    (warning,) = result.report.warnings
    assert warning == (
        "TensorFlow Lite Micro aborts in SOFTMAX on 1 of 64 inputs of the comparison, "
        "whose exponentials add up to 512 or more; these were left out."
    )
    assert result.report.vectors == 63
    assert verify_project(result.folder, seed=1).inputs > 50


def test_test_data_that_stop_tflm_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(classifier(600))
    x = np.random.default_rng(1).uniform(-12, 12, (20, 4)).astype(np.float32)
    x[7] = 0
    result = export(
        tmp_path / "net.tflite", tmp_path / "net", test_data=(x, np.arange(20)), progress=False
    )
    assert result.report.accuracy is not None
    assert result.report.accuracy.samples == 19
    assert result.report.accuracy.int8_tflm == result.report.accuracy.int8_c
    assert any(" on 1 of 20 samples of test_data" in text for text in result.report.warnings)


def test_a_model_that_always_stops_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(softmax((1, 1000), 1e-4))
    with pytest.raises(UnsupportedModelError) as caught:
        export(tmp_path / "net.tflite", tmp_path / "net", progress=False)
    assert str(caught.value) == (
        "TensorFlow Lite Micro aborts in SOFTMAX on every tested input, because the "
        "exponentials of a row add up to 512 or more.\n"
        "Train the model until its classes differ, or remove the softmax."
    )
    assert not (tmp_path / "net").exists()


def test_a_wide_softmax_can_be_encoded() -> None:
    assert encode(classifier(600), "lut").inputs >= 60


def test_a_narrow_softmax_runs_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    from tflm_ext.verify import computable as module

    monkeypatch.delattr(module, "run_tflm")
    model = softmax((1, 511), 0.5)
    graph = read_graph(model)
    assert len(input_ports(graph)) == 1
    assert computable(model, graph, [rows(511, 511)]).all()
