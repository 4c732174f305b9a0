"""Layers that were lifted out of a model: what a project says, and what a second export knows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.models import image_net, two_headed_net
from tests.project.test_again import tree
from tflm_ext import export
from tflm_ext.cli import main
from tflm_ext.convert.convert import one_child
from tflm_ext.errors import ConfigError
from tflm_ext.ir.affine import Affine, Layer
from tflm_ext.recheck import inspect_project, verify_project

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/report.schema.json").read_text("utf-8"))
RNG = np.random.default_rng(0)
LIFTED = {
    "mean": [0.5, -3.0],
    "deviation": [2.0, 0.25],
    "layers": [{"name": "normalization", "kind": "Normalization"}],
}
X = np.stack([RNG.normal(101325, 600, 300), RNG.normal(20, 5, 300), RNG.random(300)], 1)
Y = ((X[:, 1] - 20) / 5 + (X[:, 2] - 0.5) * 4 > 0).astype(np.int64)


def content(project: Path) -> Any:
    return json.loads((project / "report.json").read_text("utf-8"))


def rewritten(project: Path, change: Callable[[Any], None]) -> None:
    """Change report.json."""
    report = content(project)
    change(report)
    (project / "report.json").write_text(json.dumps(report), "utf-8")


def header(project: Path) -> str:
    (path,) = project.glob("lib/*/src/*_model.h")
    return path.read_text("ascii")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Projects of both runtimes whose reports say that a layer was lifted from the only input."""
    folder, found = tmp_path_factory.mktemp("exported"), {}
    (folder / "net.tflite").write_bytes(image_net())
    for runtime in ("compiled", "tflm"):
        found[runtime] = folder / runtime
        export(folder / "net.tflite", found[runtime], name="net", runtime=runtime, progress=False)
        rewritten(found[runtime], lambda report: report["model"]["inputs"][0].update(lifted=LIFTED))
    return found


@pytest.fixture
def project(exported: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported["compiled"], tmp_path / "net"))


@pytest.mark.tool("cc")
@pytest.mark.parametrize("runtime", ["compiled", "tflm"])
def test_a_second_export_knows_what_was_lifted(
    exported: dict[str, Path], runtime: str, tmp_path: Path
) -> None:
    """And the line in the README gives the same files, byte for byte."""
    project = Path(shutil.copytree(exported[runtime], tmp_path / "net"))
    result = export(project / "model/net.tflite", project, progress=False)
    (port,) = result.report.facts.inputs
    layers = (Layer("normalization", "Normalization"),)
    assert port.affine == Affine((0.5, -3.0), (2.0, 0.25), layers)
    assert "computed before int8, input 0: normalization (Normalization)" in str(result)
    assert content(project)["model"]["inputs"][0]["lifted"] == LIFTED
    jsonschema.validate(content(project), SCHEMA)
    for line in ("#define NET_INPUT0_FEATURES 2U", "    0.5f, -3.0f, \\"):
        assert line in header(project)
    readme = (project / "README.md").read_text("utf-8")
    assert "before they round to int8: input 0: normalization (Normalization)." in readme
    assert "need no float arithmetic" not in readme
    assert "| mean + deviation * 0.003921569 * (q + 128) |" in readme
    before = tree(project)
    line = re.search(r"run in this folder:\n\n    (.*)\n", readme)
    assert line is not None
    moved = project.rename(tmp_path / "moved")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(moved)
        assert main(shlex.split(line[1])[1:]) == 0
    assert tree(moved) == before


@pytest.mark.tool("cc")
def test_an_export_into_another_folder_knows_it_too(project: Path, tmp_path: Path) -> None:
    found = export(project / "model/net.tflite", tmp_path / "other", progress=False)
    assert content(found.folder)["model"]["inputs"][0]["lifted"] == LIFTED
    (tmp_path / "alone.tflite").write_bytes((project / "model/net.tflite").read_bytes())
    found = export(tmp_path / "alone.tflite", tmp_path / "third", progress=False)
    assert "lifted" not in content(found.folder)["model"]["inputs"][0]


@pytest.mark.tool("cc")
def test_data_is_raw(project: Path) -> None:
    """It is normalised like the Keras model does, before it becomes golden vectors."""
    data = RNG.random((4, 6, 6, 2)).astype(np.float32) * [2, 0.25] + [0.5, -3]
    found = export(project / "model/net.tflite", project, calibration_data=data, progress=False)
    (port,) = found.report.facts.inputs
    golden = np.frombuffer(found.report.facts.golden[0].inputs[0], np.int8).reshape(port.shape)
    normal = (np.float32(data[0]) - np.float32([0.5, -3])) / np.float32([2, 0.25])
    steps = np.clip(np.floor(normal / np.float32(port.step) + np.float32(0.5)) - 128, -128, 127)
    np.testing.assert_array_equal(golden[0], steps)


@pytest.mark.tool("cc")
def test_what_is_gone_cannot_be_kept(project: Path) -> None:
    before = tree(project)
    with pytest.raises(ConfigError) as caught:
        export(project / "model/net.tflite", project, lift=False, progress=False)
    assert str(caught.value) == (
        "net.tflite was exported without its first layers, which lift=False (--no-lift) keeps:"
        " normalization (Normalization).\n"
        "Pass the Keras model with lift=False, or leave lift=False out."
    )
    assert tree(project) == before


@pytest.mark.tool("cc")
def test_a_different_model_is_not_concerned(project: Path, tmp_path: Path) -> None:
    (tmp_path / "two.tflite").write_bytes(two_headed_net())
    found = export(tmp_path / "two.tflite", project, progress=False)
    assert all(port.affine is None for port in found.report.facts.inputs)


@pytest.mark.tool("cc")
@pytest.mark.parametrize(
    "damage",
    [
        {"mean": []},
        {"mean": [1.0]},
        {"mean": [1.0] * 3, "deviation": [1.0] * 3},
        {"deviation": [0.0, 1.0]},
        {"deviation": [1e-60, 1.0]},
        {"mean": [0.1, 1.0]},
        {"mean": "0.5"},
        {"layers": ["normalization"]},
    ],
    ids=str,
)
def test_a_report_that_is_damaged(project: Path, damage: Any) -> None:
    rewritten(
        project, lambda report: report["model"]["inputs"][0].update(lifted={**LIFTED, **damage})
    )
    with pytest.raises(ConfigError, match="damaged"):
        inspect_project(project)


@pytest.mark.parametrize("value", ["no", 0, 1, []])
def test_lift_is_true_or_false(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lift is a \w+\."):
        export(tmp_path / "net.tflite", tmp_path / "net", lift=value)


# ---------------------------------------------------------------- from Keras


@pytest.fixture(scope="module")
def models(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same net as a live model of Keras 3, as files, and as one of tf_keras."""
    import tf_keras

    folder = tmp_path_factory.mktemp("models")
    found: dict[str, Any] = {}
    for library in (keras, tf_keras):
        normalization = library.layers.Normalization()
        normalization.adapt(X)
        dense = library.layers.Dense(2, "softmax", name="scores")
        model = library.Sequential([library.Input((3,), name="air"), normalization, dense])
        weights = np.zeros((3, 2), np.float32)
        weights[1:, 1] = np.array([1 / 5, 4]) * X[:, 1:].std(0)
        middle = (X[:, 1:].mean(0) - [20, 0.5]) @ [1 / 5, 4]
        dense.set_weights([4 * weights, 4 * np.array([0, middle], np.float32)])
        found[library.__name__] = model
    found["keras"].save(folder / "net.keras")
    found["tf_keras"].save(folder / "net.h5")
    return found | {"file": folder / "net.keras", "old file": folder / "net.h5"}


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_no_accuracy_is_lost(models: dict[str, Any], tmp_path: Path) -> None:
    """Pressure, temperature and humidity in one input."""
    data = {"calibration_data": X, "test_data": (X, Y), "name": "net", "progress": False}
    with one_child():
        headers = {}
        for kind, model in models.items():
            runtime = "tflm" if kind == "file" else "compiled"
            result = export(model, tmp_path / kind, runtime=runtime, **data)
            (port,) = result.report.facts.inputs
            accuracy = result.report.accuracy
            assert accuracy is not None and accuracy.float_model is not None
            assert accuracy.float_model == 1.0 and accuracy.int8_tflm > 0.99, kind
            assert port.affine is not None and port.affine.count == 3
            assert [layer.kind for layer in port.affine.layers] == ["Normalization"]
            headers[kind] = re.findall(r"#define NET_INPUT0_[MD][^}]*}", header(result.folder))
            assert len(headers[kind]) == 2
    assert headers["file"] == headers["keras"] and headers["old file"] == headers["tf_keras"]


@pytest.mark.slow
@pytest.mark.tool("cc")
@pytest.mark.filterwarnings("ignore::tflm_ext.errors.AccuracyWarning")
def test_the_choice_is_kept(models: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "net"
    data = {"calibration_data": X, "progress": False}
    with one_child():
        export(models["file"], folder, lift=False, **data)
        assert content(folder)["options"]["lift"] is False
        assert "lifted" not in content(folder)["model"]["inputs"][0]
        export(models["file"], folder, **data)
        assert content(folder)["options"]["lift"] is False and "_MEAN" not in header(folder)
        export(folder / "model/net.tflite", folder, progress=False)
        assert content(folder)["options"]["lift"] is False
        export(models["file"], folder, lift=True, **data)
        assert "lift" not in content(folder)["options"] and "_MEAN" in header(folder)
        jsonschema.validate(content(folder), SCHEMA)
        before = header(folder)
        export(folder / "model/net.tflite", folder, progress=False)
        assert header(folder) == before
        assert verify_project(folder).inputs
        assert inspect_project(folder).to_dict()["model"] == content(folder)["model"]


@pytest.mark.slow
@pytest.mark.tool("cc")
@pytest.mark.parametrize("from_file", [False, True])
def test_what_float32_cannot_separate_stays(keras: Any, from_file: bool, tmp_path: Path) -> None:
    """x * a - b of BatchNormalization is far from (x - mean) / deviation here."""
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    layer.set_weights([np.ones(3), np.zeros(3), np.full(3, 1e8), np.full(3, 1e6)])
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(2)])
    if from_file:
        model.save(tmp_path / "model.keras")
    given = tmp_path / "model.keras" if from_file else model
    data = (1e8 + 1e3 * RNG.standard_normal((120, 3))).astype(np.float32)
    with pytest.warns(match="Accuracy is lost"):
        report = export(given, tmp_path / "net", calibration_data=data, progress=False).report
    assert report.facts.inputs[0].affine is None
