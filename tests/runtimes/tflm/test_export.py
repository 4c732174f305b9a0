"""export(runtime="tflm"), without a tree of TensorFlow Lite Micro."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

import tflm_ext
from tests.encoding.test_encode import dense_net
from tests.facts import int8_port
from tests.models import image_net
from tests.report.test_schema import VALIDATOR
from tests.tflite_builder import ModelBuilder
from tflm_ext.cli import main
from tflm_ext.verify.golden import read_golden


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
    """Nothing of the interpreter remains, not even the link to its sources."""
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
    assert (folder / "lib/tflm").exists(), "the runtime of the earlier export"
    tflm_ext.export(model, folder, runtime="compiled", progress=False)
    assert not (folder / "lib/tflm").exists()


def test_there_is_no_c_to_verify(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(project)]) == 2
    assert "there is no C to compare" in capsys.readouterr().err


def test_a_budget_counts_the_whole_model(project: Path, tmp_path: Path) -> None:
    model = project / "model/net.tflite"
    size = model.stat().st_size
    budget = tflm_ext.Budget(weight_bytes=size - 1)
    with pytest.raises(tflm_ext.BudgetError, match=f"needs {size:,} bytes of weights"):
        tflm_ext.export(model, tmp_path / "net", runtime="tflm", budget=budget, progress=False)


def test_sources_that_are_none(project: Path, tmp_path: Path) -> None:
    model = project / "model/net.tflite"
    with pytest.raises(tflm_ext.ConfigError, match="does not contain TensorFlow Lite Micro"):
        tflm_ext.export(model, tmp_path / "net", runtime="tflm", tflm_source=tmp_path)
    with pytest.raises(tflm_ext.ConfigError, match="tflm_source has no effect"):
        tflm_ext.export(model, tmp_path / "net", tflm_source=tmp_path)
    assert not (tmp_path / "net").exists()


def per_channel_dense() -> bytes:
    b = ModelBuilder()
    x = b.tensor((1, 8), scale=0.05)
    weights = b.constant(np.ones((4, 8), np.int8), scale=[0.1, 0.2, 0.3, 0.4])
    y = b.tensor((1, 4), scale=0.1, name="net/dense/MatMul")
    b.operator("FULLY_CONNECTED", [x, weights], [y], schema.FullyConnectedOptionsT())
    return b.finish([x], [y])


def test_what_the_board_lacks_is_refused(tmp_path: Path) -> None:
    encoded = tmp_path / "encoded.tflite"
    encoded.write_bytes(tflm_ext.encode(dense_net(64, 64)).model)
    with pytest.raises(tflm_ext.UnsupportedOperatorError, match="TFLM_DECODE"):
        tflm_ext.export(encoded, tmp_path / "net", runtime="tflm", progress=False)

    (tmp_path / "dense.tflite").write_bytes(per_channel_dense())
    with pytest.raises(tflm_ext.UnsupportedOperatorError, match="first scale") as caught:
        tflm_ext.export(tmp_path / "dense.tflite", tmp_path / "net", runtime="tflm", progress=False)
    assert "runtime='compiled'" in caught.value.hint


def test_encoded_weights_leave_the_board_out(tmp_path: Path) -> None:
    plain = tmp_path / "dense.tflite"
    plain.write_bytes(dense_net(64, 64))
    result = tflm_ext.export(
        plain, tmp_path / "net", runtime="tflm", encoding="auto", progress=False
    )
    folder = result.folder
    report = json.loads((folder / "report.json").read_text("utf-8"))
    VALIDATOR.validate(report)
    encoded = (folder / "model/net_encoded.tflite").read_bytes()
    assert report["encode"]["tflite_bytes"] == len(encoded) == report["flash"]["weight_bytes"]
    assert (folder / "model/net.tflite").read_bytes() == plain.read_bytes()
    assert "TFLM_DECODE" in report["warnings"][-1]
    assert "nano33ble" not in (folder / "platformio.ini").read_text("utf-8")
    assert not (folder / "arduino").exists() and not (folder / "lib/Net/examples").exists()
    source = (folder / "lib/Net/src/net_model.cpp").read_text("utf-8")
    assert "AddDecode()" in source and "--encoding=auto" in source
    assert "upload" not in (folder / "README.md").read_text("utf-8")
    again = tmp_path / "again"
    arguments = ["--runtime", "tflm", "--encoding", "auto", "--name", "net", "--quiet"]
    assert main(["export", str(folder / "model/net.tflite"), "-o", str(again), *arguments]) == 0
    assert (again / "report.json").read_bytes() == (folder / "report.json").read_bytes()
    with pytest.raises(tflm_ext.ConfigError, match="encoding has no effect"):
        tflm_ext.export(plain, tmp_path / "other", encoding="auto", progress=False)


def test_a_current_tree_takes_what_the_board_lacks(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    downloads = "tensorflow/lite/micro/tools/make/downloads"
    for name in (
        "tensorflow/lite/micro/micro_interpreter.h",
        "tensorflow/lite/kernels/internal/common.h",
        f"{downloads}/flatbuffers/include/flatbuffers/flatbuffers.h",
        f"{downloads}/gemmlowp/fixedpoint/fixedpoint.h",
        f"{downloads}/ruy/ruy/profiler/instrumentation.h",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    model = tmp_path / "dense.tflite"
    model.write_bytes(per_channel_dense())
    options = {"runtime": "tflm", "tflm_source": tree, "progress": False}
    result = tflm_ext.export(model, tmp_path / "net", **options)  # type: ignore[arg-type]
    assert "first scale" in result.report.warnings[-1]
    assert "nano33ble" not in (result.folder / "platformio.ini").read_text("utf-8")


@pytest.mark.slow
def test_dense_layers_get_one_scale(tmp_path: Path) -> None:
    """The board's TFLM would use the first of several scales for all outputs."""
    import keras as k

    k.utils.set_random_seed(0)
    net = k.Sequential([k.Input((6,)), k.layers.Dense(4, activation="relu"), k.layers.Dense(2)])
    data = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    options = {"calibration_data": data, "runtime": "tflm", "progress": False}
    result = tflm_ext.export(net, tmp_path / "net", **options)  # type: ignore[arg-type]
    assert result.report.code_bytes is None


def mirrored_net() -> bytes:
    """MIRROR_PAD, which the compiled runtime does not have, after a convolution."""
    generator = np.random.default_rng(0)
    b = ModelBuilder()
    x = b.tensor((1, 3, 4, 2), scale=0.05, zero_point=3)
    weights = generator.integers(-127, 128, (5, 1, 1, 2), np.int8)
    bias = b.constant(np.zeros(5, np.int32), scale=[0.0005] * 5)
    y = b.tensor((1, 3, 4, 5), scale=0.1, name="net/conv")
    z = b.tensor((1, 5, 6, 5), scale=0.1, name="net/pad")
    conv = schema.Conv2DOptionsT()
    conv.strideH = conv.strideW = conv.dilationHFactor = conv.dilationWFactor = 1
    b.operator("CONV_2D", [x, b.constant(weights, scale=[0.01] * 5), bias], [y], conv)
    amounts = b.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    b.operator("MIRROR_PAD", [y, amounts], [z], schema.MirrorPadOptionsT(), version=2)
    return b.finish([x], [z])


def test_operators_that_the_compiled_runtime_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(mirrored_net())
    with pytest.raises(tflm_ext.UnsupportedOperatorError, match="MIRROR_PAD"):
        tflm_ext.export(model, tmp_path / "compiled", progress=False)
    folder = tflm_ext.export(model, tmp_path / "net", runtime="tflm", progress=False).folder
    report = json.loads((folder / "report.json").read_text("utf-8"))
    VALIDATOR.validate(report)
    assert [row["operator"] for row in report["operators"]] == [
        "CONV_2D",
        "MIRROR_PAD",
    ]
    assert report["model"]["macs"] == 3 * 4 * 5 * 2
    source = (folder / "lib/Net/src/net_model.cpp").read_text("utf-8")
    assert "AddMirrorPad()" in source
    assert main(["inspect", str(model), "--runtime", "tflm"]) == 0
    assert "MIRROR_PAD" in capsys.readouterr().out
    # The golden vectors are TensorFlow Lite Micro's: rows on both sides of an edge are equal.
    golden = read_golden(
        (folder / "src/golden.h").read_text("utf-8"),
        [int8_port("input", (24,), 1.0, 0)],
        [int8_port("output", (150,), 1.0, 0)],
    )
    image = np.frombuffer(golden[-1].outputs[0], np.int8).reshape(5, 6, 5)
    np.testing.assert_array_equal(image[[0, -1]], image[[2, -3]])
    assert len(np.unique(image)) > 4


def test_an_operator_that_nothing_runs(tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1)
    y = b.tensor((1, 4), scale=0.1)
    b.operator("LOCAL_RESPONSE_NORMALIZATION", [x], [y])
    (tmp_path / "net.tflite").write_bytes(b.finish([x], [y]))
    with pytest.raises(tflm_ext.UnsupportedOperatorError, match="Micro does not have operator"):
        tflm_ext.export(tmp_path / "net.tflite", tmp_path / "net", runtime="tflm", progress=False)
