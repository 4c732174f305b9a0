"""export(runtime="tflm"), without a tree of TensorFlow Lite Micro."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

import tflm_ext
from tests.encoding.test_encode import dense_net
from tests.models import image_net
from tests.report.test_schema import VALIDATOR
from tests.tflite_builder import ModelBuilder
from tflm_ext.cli import main


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tflm")
    (folder / "net.tflite").write_bytes(image_net())
    generator = np.random.default_rng(0)
    data = generator.uniform(0, 1, (20, 6, 6, 2)), generator.integers(0, 3, 20)
    return tflm_ext.export(
        folder / "net.tflite", folder / "net", runtime="tflm", test_data=data, progress=False
    ).folder


def test_the_report_says_what_the_interpreter_takes(project: Path) -> None:
    report = json.loads((project / "report.json").read_text("utf-8"))
    VALIDATOR.validate(report)
    model = (project / "model/net.tflite").read_bytes()
    assert report["flash"]["weight_bytes"] == len(model)
    assert report["flash"]["code_bytes"] is None and report["flash"]["total_bytes"] is None
    assert report["memory"]["arena_bytes"] < report["memory"]["context_bytes"]
    assert report["memory"]["tensors"] == []
    assert {row["kernel"] for row in report["operators"]} == {"tflm"}
    assert report["accuracy"]["int8_c"] is None
    assert report["verification"]["inputs"] == 0
    assert report["verification"]["golden_sha256"]


def test_the_same_interface_over_the_interpreter(project: Path) -> None:
    source = project / "lib/Net/src"
    compiled = tflm_ext.export(
        project / "model/net.tflite", project.parent / "compiled" / "net", progress=False
    )

    def functions(header: Path) -> set[str]:
        lines = header.read_text("utf-8").splitlines()
        return {line for line in lines if line.endswith(");") and "net_" in line}

    theirs = functions(compiled.folder / "lib/Net/src/net_model.h")
    missing = theirs - functions(source / "net_model.h")
    assert len(theirs) > 6 and all("net_trace" in line for line in missing)
    assert not list(source.glob("*.c"))
    ini = (project / "platformio.ini").read_text("utf-8")
    assert "tflite-micro-arduino-examples.git#7948b85e020470a30a83bf00e10fc43b486bfcba" in ini
    assert not (project / "lib/tflm/src").exists()
    assert "--runtime tflm" in (source / "net_model.cpp").read_text("utf-8")


def test_back_to_the_compiled_runtime(project: Path, tmp_path: Path) -> None:
    """Nothing of the interpreter stays, a link to its tree neither."""
    model, folder = project / "model/net.tflite", tmp_path / "net"
    tree = tmp_path / "tree"
    for name in (
        "TensorFlowLite.h",
        "tensorflow/lite/micro/micro_interpreter.h",
        "tensorflow/lite/kernels/internal/common.h",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    source = {"runtime": "tflm", "tflm_source": tree, "progress": False}
    tflm_ext.export(model, folder, **source)  # type: ignore[arg-type]
    assert (folder / "lib/tflm/src").resolve() == tree
    tflm_ext.export(model, folder, progress=False)
    assert not (folder / "lib/tflm").exists()


def test_there_is_no_c_to_verify(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(project)]) == 2
    assert "there is no C to compare" in capsys.readouterr().err


def test_a_budget_counts_the_whole_model(project: Path, tmp_path: Path) -> None:
    model = project / "model/net.tflite"
    size = model.stat().st_size
    budget = tflm_ext.Budget(weight_bytes=size - 1)
    with pytest.raises(tflm_ext.BudgetError, match=f"needs {size:,} bytes of weight_bytes"):
        tflm_ext.export(model, tmp_path / "net", runtime="tflm", budget=budget, progress=False)


def test_sources_that_are_none(project: Path, tmp_path: Path) -> None:
    model = project / "model/net.tflite"
    with pytest.raises(tflm_ext.ConfigError, match="holds no TensorFlow Lite Micro"):
        tflm_ext.export(model, tmp_path / "net", runtime="tflm", tflm_source=tmp_path)
    with pytest.raises(tflm_ext.ConfigError, match="tflm_source is of no use"):
        tflm_ext.export(model, tmp_path / "net", tflm_source=tmp_path)
    assert not (tmp_path / "net").exists()


def test_what_the_board_lacks_is_refused(tmp_path: Path) -> None:
    encoded = tmp_path / "encoded.tflite"
    encoded.write_bytes(tflm_ext.encode(dense_net(64, 64)).model)
    with pytest.raises(tflm_ext.UnsupportedOperatorError, match="TFLM_DECODE"):
        tflm_ext.export(encoded, tmp_path / "net", runtime="tflm", progress=False)

    b = ModelBuilder()
    x = b.tensor((1, 8), scale=0.05)
    weights = b.constant(np.ones((4, 8), np.int8), scale=[0.1, 0.2, 0.3, 0.4])
    y = b.tensor((1, 4), scale=0.1, name="net/dense/MatMul")
    b.operator("FULLY_CONNECTED", [x, weights], [y], schema.FullyConnectedOptionsT())
    (tmp_path / "dense.tflite").write_bytes(b.finish([x], [y]))
    with pytest.raises(tflm_ext.UnsupportedOperatorError, match="first scale") as caught:
        tflm_ext.export(tmp_path / "dense.tflite", tmp_path / "net", runtime="tflm", progress=False)
    assert "runtime='compiled'" in caught.value.hint


@pytest.mark.slow
def test_dense_layers_get_one_scale(tmp_path: Path) -> None:
    """The board's TFLM takes the first of several scales for all outputs."""
    import keras as k

    k.utils.set_random_seed(0)
    net = k.Sequential([k.Input((6,)), k.layers.Dense(4, activation="relu"), k.layers.Dense(2)])
    data = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    options = {"calibration_data": data, "runtime": "tflm", "progress": False}
    result = tflm_ext.export(net, tmp_path / "net", **options)  # type: ignore[arg-type]
    assert result.report.interpreter is not None
