"""A model that int8 ruins: what the user is told in Python, on the terminal and in the files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.models import image_net
from tflm_ext import AccuracyError, AccuracyWarning, ConfigError, export
from tflm_ext.cli import main
from tflm_ext.convert.child import Child

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/report.schema.json").read_text("utf-8"))
RNG = np.random.default_rng(0)
# Pressure in Pa, temperature and humidity: what counts is the latter two.
X = np.stack([RNG.normal(101325, 600, 400), RNG.normal(20, 5, 400), RNG.random(400)], 1)
Y = ((X[:, 1] - 20) / 5 + (X[:, 2] - 0.5) * 4 > 0).astype(np.int64)


@pytest.fixture(scope="module")
def folder(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A net without training that is right on all data, and its data."""
    folder = tmp_path_factory.mktemp("weather")
    layers = keras.layers
    normalization = layers.Normalization()
    normalization.adapt(X)
    dense = layers.Dense(2, "softmax", name="scores")
    model = keras.Sequential([keras.Input((3,), name="air"), normalization, dense])
    slope, middle = [1 / 5, 4], X[:, 1:].mean(0) - [20, 0.5]
    weights = np.zeros((3, 2), np.float32)
    weights[1:, 1] = slope * X[:, 1:].std(0)
    dense.set_weights([4 * weights, 4 * np.array([0, slope @ middle], np.float32)])
    model.save(folder / "weather.keras")
    np.savez(folder / "x.npz", x=X)
    np.savez(folder / "xy.npz", x=X, y=Y)
    return folder


def command(folder: Path, output: Path, *more: str) -> list[str]:
    words = ["export", str(folder / "weather.keras"), "-o", str(output)]
    return [*words, "--calibration", str(folder / "x.npz"), "--no-lift", *more]


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_with_test_data(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(AccuracyWarning, match=r"^Accuracy is lost: accuracy is 1\.0000 in float"):
        result = export(
            folder / "weather.keras",
            tmp_path / "weather",
            calibration_data=X,
            test_data=(X, Y),
            lift=False,
            progress=False,
        )
    accuracy = result.report.accuracy
    assert accuracy is not None
    assert accuracy.float_model == 1
    assert accuracy.int8_tflm == accuracy.int8_c < 0.7
    offset, small, _, loss = result.report.warnings
    assert offset.startswith("Feature 0 of input 'air' lies between ")
    assert small.startswith("Features 1 and 2 of input 'air' have fewer than 16 of the 256 steps")
    assert result.report.losses == (loss,)
    written = json.loads((result.folder / "report.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(written)
    assert written["losses"] == [loss]
    assert written["accuracy"]["drop"] == 1 - accuracy.int8_tflm
    assert written["int8_error"]["outputs"][0]["ratio"] > 0.5
    assert f"> **WARNING: {loss}**" in (result.folder / "README.md").read_text("utf-8")
    assert main(["inspect", str(result.folder)]) == 0
    assert f"\nWARNING: {loss}\n" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_without_test_data(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", AccuracyWarning)  # the command line says it in its own way
        assert main(command(folder, tmp_path / "weather", "--quiet")) == 0
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith(
        "WARNING: Accuracy is lost: output scores in int8 differs from float by "
    )
    assert "(RMS, 100 samples of calibration_data" in line
    assert "quantize_aware()" in line
    assert printed.out == ""
    found = json.loads((tmp_path / "weather" / "report.json").read_text("utf-8"))
    assert found["int8_error"]["samples"] == 100
    assert "accuracy" not in found


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_more_than_the_user_allows(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "weather"
    output.mkdir()
    more = ["--data", str(folder / "xy.npz"), "--max-accuracy-drop", "0.05"]
    assert main(command(folder, output, *more)) == 4
    problem, hint = capsys.readouterr().err.splitlines()
    assert problem.startswith("error: weather loses too much in int8: accuracy is 1.0000 in float")
    assert problem.endswith("max_accuracy_drop allows 0.05.")
    assert hint.startswith("hint: Scale all input features to a similar range, ")
    assert "Feature 0 of input 'air'" in hint
    assert list(tmp_path.rglob("*")) == [output]


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_an_earlier_export_stays(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "net"
    (tmp_path / "net.tflite").write_bytes(image_net())
    export(tmp_path / "net.tflite", output, progress=False)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with pytest.raises(AccuracyError):
        export(
            folder / "weather.keras",
            output,
            calibration_data=X,
            test_data=(X, Y),
            lift=False,
            max_accuracy_drop=0.02,
            progress=False,
        )
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(image_net())
    return path


DATA = RNG.random((8, 6, 6, 2)), np.zeros(8, np.int64)


@pytest.mark.parametrize(
    "value", [-0.1, 1.5, float("nan"), float("inf"), True, "0.1", [0.1], np.zeros(2)]
)
def test_limits_that_are_none(value: Any, tflite: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a number from 0 to 1"):
        export(tflite, tmp_path / "net", test_data=DATA, max_accuracy_drop=value)
    assert not (tmp_path / "net").exists()


def test_a_limit_needs_test_data(tflite: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_accuracy_drop needs test_data"):
        export(tflite, tmp_path / "net", max_accuracy_drop=0.02)
    assert not (tmp_path / "net").exists()


@pytest.mark.tool("cc")
def test_a_limit_needs_a_float_model(tflite: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="because there is no float model"):
        export(tflite, tmp_path / "net", test_data=DATA, max_accuracy_drop=0.02, progress=False)
    assert not (tmp_path / "net").exists()


@pytest.mark.tool("cc")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("int8_error", {"data": "test_data", "samples": 4, "outputs": [{"name": "a"}]}),
        ("int8_error", {"data": "test_data", "samples": "four", "outputs": []}),
        ("int8_error", 7),
        ("losses", 7),
        ("accuracy", {"drop_interval": "wide"}),
    ],
)
def test_a_damaged_report_is_refused(
    key: str, value: Any, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / "report.json"
    content = json.loads(path.read_text("utf-8"))
    scores = {"metric": "accuracy", "samples": 4, "float_model": 1, "int8_tflm": 1, "int8_c": 1}
    content[key] = scores | value if key == "accuracy" else value
    path.write_text(json.dumps(content), encoding="utf-8")
    assert main(["inspect", str(project)]) == 2
    assert "its report.json or model is damaged" in capsys.readouterr().err


@pytest.mark.tool("cc")
def test_an_int8_model_is_compared_with_nothing(tflite: Path, tmp_path: Path) -> None:
    result = export(tflite, tmp_path / "net", test_data=DATA, progress=False)
    assert result.report.int8_error is None
    assert result.report.losses == ()
    assert not any("lost" in warning for warning in result.report.warnings)


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_targets_of_two_outputs(
    keras: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6,), name="row")
    mode = keras.layers.Dense(3, "softmax", name="mode")(x)
    model = keras.Model(x, {"power": keras.layers.Dense(1, name="power")(x), "mode": mode})
    rows = RNG.normal(size=(100, 6)).astype(np.float32)
    ran = {name: np.asarray(value) for name, value in model(rows).items()}
    targets = {"power": ran["power"], "mode": ran["mode"].argmax(1)}
    folder = tmp_path / "two"

    def scored(targets: Any, **more: Any) -> Any:
        return export(
            model,
            folder,
            calibration_data=rows,
            test_data=(rows, targets),
            progress=False,
            overwrite=True,
            **more,
        ).report

    by_name = scored(targets, max_accuracy_drop=0.1)
    assert scored([targets["mode"], targets["power"]]).scores == by_name.scores
    assert [score.output for score in scored({"power": ran["power"]}).scores] == [1]
    with pytest.raises(ConfigError, match=r"\[100, 1\] do not match output 'mode' with 3 values"):
        scored({"mode": ran["power"]})
    report = scored(targets)
    assert [score.metric for score in report.scores] == ["accuracy", "mean_absolute_error"]
    assert all(score.int8_tflm == score.int8_c for score in report.scores)
    assert report.scores[0].float_model == 1
    assert report.scores[1].float_model == pytest.approx(0, abs=1e-6)
    written = json.loads((folder / "report.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(written)
    assert written["accuracy"]["output"] == 0
    assert [row["output"] for row in written["accuracy_of_other_outputs"]] == [1]
    readme = (folder / "README.md").read_text("utf-8")
    assert "accuracy of output 0 (mode), this C, 100 samples" in readme
    assert "mean absolute error of output 1 (power), lost as int8 of the mean deviation" in readme
    capsys.readouterr()
    assert main(["inspect", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "accuracy of output 0, Keras float" in printed
    assert "mean absolute error of output 1, lost as int8" in printed


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_class_names_and_a_probability_of_two_classes(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6,))
    model = keras.Model(x, keras.layers.Dense(1, "sigmoid")(x))
    rows = RNG.normal(size=(200, 6)).astype(np.float32)
    names = np.where(np.asarray(model(rows))[:, 0] >= 0.5, "yes", "no")
    asked: list[str] = []
    ask = Child.ask

    def recorded(child: Child, do: str, *arguments: Any, **request: Any) -> Any:
        asked.append(do)
        return ask(child, do, *arguments, **request)

    monkeypatch.setattr(Child, "ask", recorded)

    def scored(targets: Any, labels: Any = ("no", "yes")) -> Any:
        return export(
            model,
            tmp_path / "net",
            calibration_data=rows,
            test_data=(rows, targets),
            labels=labels,
            progress=False,
            overwrite=True,
        ).report

    for wrong, labels in (("maybe", ["no", "yes"]), ("yes", None), ("yes", ["a", "b", "c"])):
        with pytest.raises(ConfigError):
            scored(np.where(names == "yes", wrong, names), labels)
    assert "convert" not in asked
    report = scored(names)
    assert report.scores[0].float_model == 1
    assert report.scores[0].int8_c == report.scores[0].int8_tflm > 0.95
    readme = (tmp_path / "net/README.md").read_text("utf-8")
    assert "Classes: no, yes. The output is the probability of the second one" in readme
    sketch = next((tmp_path / "net").glob("lib/*/examples/*/*.ino")).read_text("utf-8")
    assert "Serial.print(labels[best]);" in sketch
    assert "net_classify(&context, 0.0f)" in sketch
