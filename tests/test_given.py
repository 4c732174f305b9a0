"""Labels, budgets and data in the forms that people have; all are refused before any conversion."""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tflm_ext
from tests.models import image_net
from tflm_ext import Budget, ConfigError, encode, export
from tflm_ext.chosen import make_options
from tflm_ext.cli import main
from tflm_ext.cli.export import _read_labels
from tflm_ext.convert import load_npz
from tflm_ext.convert.given import as_data
from tflm_ext.options import as_budget, as_labels
from tflm_ext.stages import load

# ---- labels


class Series:
    """Iterated and indexed like a pandas Series, which is not a Sequence and has no truth value."""

    def __init__(self, *values: object) -> None:
        self.values = values

    def __iter__(self) -> Iterator[object]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __bool__(self) -> bool:
        raise ValueError("The truth value of a Series is ambiguous.")


LABELS: dict[str, Callable[[], Any]] = {
    "list": lambda: ["no", "yes"],
    "tuple": lambda: ("no", "yes"),
    "blanks": lambda: [" no", "yes\t\n"],
    "array": lambda: np.array(["no", "yes"]),
    "array of objects": lambda: np.array(["no", "yes"], object),
    "padded array": lambda: np.array(["no ", "yes"]),
    "Series": lambda: Series("no", "yes"),
    "values": {0: "no", 1: "yes"}.values,
    "keys": {"no": 0, "yes": 1}.keys,
    "generator": lambda: (text for text in ("no", "yes")),
    "map": lambda: map(str.strip, ["no ", "yes"]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels(kind: str) -> None:
    found = make_options("net", labels=LABELS[kind]()).labels.first
    assert found == ("no", "yes")
    assert {type(label) for label in found} == {str}


def test_labels_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    assert as_labels(pandas.Series(["no", "yes"], index=[5, 7])).first == ("no", "yes")
    assert as_labels(pandas.Index(["no", "yes"])).first == ("no", "yes")
    assert as_labels(pandas.Categorical(["no", "yes"]).categories).first == ("no", "yes")


def test_a_generator_of_labels_is_used_once() -> None:
    labels = iter(["no", "yes"])
    assert as_labels(labels).first == ("no", "yes")
    assert list(labels) == []


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["no", "yes", "no"], "labels[0] and labels[2] are both 'no'."),
        (["no", " no "], "labels[0] and labels[1] are both 'no'."),
        (np.array(["no", "no"]), "labels[0] and labels[1] are both 'no'."),
        (["no", ""], "labels[1] is empty."),
        (["\t\n ", "no"], "labels[0] is empty."),
        ([], "labels is empty."),
        ((), "labels is empty."),
        (np.array([], str), "labels is empty."),
        (iter(()), "labels is empty."),
        ("no,yes", "labels is a str, not a list of texts."),
        (b"no", "labels is a bytes, not a list of texts."),
        ({"no", "yes"}, "labels is a set, not a list of texts."),
        ({0: "no", 1: "yes"}, "labels[0] is a str, not a list of texts."),
        (7, "labels=7 is not a list of texts."),
        (True, "labels=True is not a list of texts."),
        (np.array("no"), "labels=array('no', dtype='<U2') is not a list of texts."),
        (["no", 1], "labels[1] is 1, which is not a text."),
        (["no", None], "labels[1] is None, which is not a text."),
        (["no", float("nan")], "labels[1] is nan, which is not a text."),
        ([b"no"], "labels[0] is b'no', which is not a text."),
        (range(3), "labels[0] is 0, which is not a text."),
        (np.array([["no", "yes"]]), "labels[0] is array(['no', 'yes'], dtype='<U3'), which is"),
        ((str(number) for number in range(10**9)), "labels has more than 100,000 names."),
    ],
)
def test_labels_that_are_refused(labels: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        export("nowhere.keras", "net", labels=labels)
    assert error.value.problem.startswith(problem)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("no\nyes\n", ["no", "yes"]),
        ("no\r\nyes", ["no", "yes"]),
        ("\ufeffno\nyes\n\n\n", ["no", "yes"]),
        ("no\n\nyes", ["no", "", "yes"]),
    ],
)
def test_a_file_of_labels(tmp_path: Path, text: str, labels: list[str]) -> None:
    (tmp_path / "labels.txt").write_bytes(text.encode())
    assert _read_labels(f"@{tmp_path}/labels.txt") == labels


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("no, yes,no", "labels[0] and labels[2] are both 'no'."),
        ("no,,yes", "labels[1] is empty."),
        ("@labels.txt", "labels[0] and labels[2] are both 'no'."),
    ],
)
def test_labels_of_the_command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: str,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("no\nyes\nno  \n")
    assert main(["export", "nowhere.keras", "-o", "net", "--labels", given]) == 2
    assert capsys.readouterr().err.startswith(f"error: {problem}\nhint: ")


# ---- budgets


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        (None, None),
        ({}, Budget()),
        (Budget(macs=3), Budget(macs=3)),
        ({"flash_bytes": 64_000}, Budget(flash_bytes=64_000)),
        (OrderedDict(ram_bytes=1, macs=None), Budget(ram_bytes=1)),
        (
            {"flash_bytes": np.int64(5), "weight_bytes": np.uint8(0)},
            Budget(flash_bytes=5, weight_bytes=0),
        ),
    ],
)
def test_budgets(given: Any, budget: Budget | None) -> None:
    found = as_budget(given)
    assert found == budget
    assert make_options("net", budget=given).budget == (budget or Budget())
    json.dumps(found and [found.flash_bytes, found.weight_bytes])  # numbers of Python


BUDGETS = [
    ({"flash_byte": 1}, "A budget has no limit 'flash_byte'.", "Did you mean flash_bytes? "),
    ({"RAM-bytes": 1}, "A budget has no limit 'RAM-bytes'.", "Did you mean ram_bytes? "),
    ({"flash": 1}, "A budget has no limit 'flash'.", "Did you mean flash_bytes? "),
    ({3: 1}, "A budget has no limit 3.", "Choose one of: flash_bytes, weight_bytes, ram_bytes, m"),
    ({"flash_bytes": "64000"}, "Budget(flash_bytes='64000') is not a valid limit.", "Pass a whole"),
    ({"flash_bytes": -1}, "Budget(flash_bytes=-1) is not a valid limit.", "Pass a whole"),
    ({"macs": True}, "Budget(macs=True) is not a valid limit.", "Pass a whole"),
    ({"macs": np.True_}, "Budget(macs=np.True_) is not a valid limit.", "Pass a whole"),
    ({"macs": 1e6}, "Budget(macs=1000000.0) is not a valid limit.", "Pass a whole"),
    ({"macs": float("nan")}, "Budget(macs=nan) is not a valid limit.", "Pass a whole"),
    ({"macs": [1]}, "Budget(macs=[1]) is not a valid limit.", "Pass a whole"),
    (64_000, "budget=64000 is not a budget.", 'Pass a dict like {"flash_bytes": 64_000}'),
    ("64000", "budget='64000' is not a budget.", "Pass a dict"),
    ([("macs", 1)], "budget=[('macs', 1)] is not a budget.", "Pass a dict"),
    (np.zeros((2, 3)), "budget=array([[0., 0., 0.], [0., 0., 0.]]) is not", "Pass a dict"),
    (False, "budget=False is not a budget.", "Pass a dict"),
]


@pytest.mark.parametrize(("given", "problem", "hint"), BUDGETS)
def test_budgets_that_are_refused(given: Any, problem: str, hint: str) -> None:
    for call in (
        lambda: export("nowhere.keras", "net", budget=given),
        lambda: encode("nowhere.tflite", budget=given),
    ):
        with pytest.raises(ConfigError) as error:
            call()
        assert error.value.problem.startswith(problem)
        assert error.value.hint.startswith(hint)
        assert len(str(error.value).splitlines()) == 2


@pytest.mark.slow
def test_budgets_of_compression() -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for given, problem, _ in BUDGETS:
        for call in (
            lambda given=given: tflm_ext.compress(model, None, budget=given),
            lambda given=given: tflm_ext.prune_channels(model, budget=given),
        ):
            with pytest.raises(ConfigError) as error:
                call()
            assert error.value.problem.startswith(problem)


# ---- data

X = np.zeros((3, 6, 6, 2), np.float32)


def batches() -> Iterator[list[np.ndarray[Any, Any]]]:
    """As TensorFlow's representative_dataset."""
    for sample in X:
        yield [sample[np.newaxis]]


class Loader:
    def method(self) -> np.ndarray[Any, Any]:
        return X


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "net.tflite").write_bytes(image_net())
    return tmp_path / "net.tflite"


@pytest.mark.parametrize(
    "data",
    [X, list(X), batches, batches(), lambda: X, lambda count=3: X[:count], Loader().method],
    ids=["array", "list", "generator function", "generator", "lambda", "default", "method"],
)
def test_data_in_all_forms(model: Path, data: Any) -> None:
    _, samples = load(model, data, None, make_options("net"), lambda text: None)
    np.testing.assert_array_equal(samples.calibration[0], X)


def test_functions_of_test_data(model: Path) -> None:
    y = np.array([0, 1, 2])
    for given in ((X, y), [batches, y], lambda: (X, y), lambda: (batches(), y)):
        _, samples = load(model, None, given, make_options("net"), lambda text: None)
        np.testing.assert_array_equal(samples.test[0], X)
        np.testing.assert_array_equal(samples.targets[0], y)


def test_calibration_data_is_the_third_argument(model: Path, tmp_path: Path) -> None:
    for call in (
        lambda: export(model, tmp_path / "net", "x.npz"),
        lambda: export(model, tmp_path / "net", calibration_data="x.npz"),
    ):
        with pytest.raises(ConfigError, match=r"calibration_data='x\.npz' is the name of a file"):
            call()
    with pytest.raises(TypeError):
        export(model, tmp_path / "net", X, (X, X))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("net.keras", "calibration_data='net.keras' is a model, not data."),
        (Path("a/net.h5"), "calibration_data='a/net.h5' is a model, not data."),
        ("net.tflite", "calibration_data='net.tflite' is a model, not data."),
        ("data.npz", "calibration_data='data.npz' is the name of a file, not data."),
        ("data\0", "calibration_data='data\\x00' is the name of a file, not data."),
        (lambda x: x, "calibration_data is a function that takes arguments."),
        (np.load, "calibration_data is a function that takes arguments."),
        (lambda: None, "calibration_data is a function that returns nothing."),
        (lambda: batches, "calibration_data is a function that returns a function."),
        (lambda: "net.keras", "calibration_data='net.keras' is a model, not data."),
    ],
)
def test_what_is_not_data(data: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        as_data(data, "calibration_data")
    assert error.value.problem == problem


@pytest.mark.parametrize("package", ["keras.src.models.model", "tf_keras.src.engine.training"])
def test_a_model_object_as_data(package: str) -> None:
    model = type("Sequential", (type("Model", (), {"__module__": package}),), {})()
    with pytest.raises(ConfigError) as error:
        export("nowhere.keras", "net", model)
    assert error.value.problem == "calibration_data is a model, not data."


def test_data_is_refused_before_the_model_is_read(tmp_path: Path) -> None:
    """There is no such model."""
    with pytest.raises(ConfigError, match="is a model, not data"):
        export("nowhere.keras", tmp_path / "net", "net.keras")
    with pytest.raises(ConfigError, match="is a model, not data"):
        export("nowhere.keras", tmp_path / "net", test_data=("net.keras", None))
    with pytest.raises(ConfigError, match="test_data is not a pair"):
        export("nowhere.keras", tmp_path / "net", test_data=lambda: X)


def write_model(path: Path) -> None:
    if path.suffix == ".tflite":
        path.write_bytes(image_net())
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = "{}"
    elif path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    else:
        path.mkdir()
        (path / "saved_model.pb").touch()


@pytest.mark.parametrize("name", ["net.tflite", "net.h5", "net.keras", "net"])
@pytest.mark.parametrize("option", ["--calibration", "--data"])
def test_a_model_in_the_place_of_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, option: str
) -> None:
    path = tmp_path / name
    write_model(path)
    assert main(["export", str(path), "-o", str(tmp_path / "out"), option, str(path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {path} is a model, not data.\nhint: Pass a .npz file with samples.\n"
    )


def test_data_with_the_name_of_a_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X)
    (tmp_path / "data.npz").rename(tmp_path / "data.keras")
    assert load_npz(tmp_path / "data.keras").x.shape == X.shape


@pytest.mark.parametrize("name", ["data.npz", "data.npy", "data.keras", "nowhere.npz"])
@pytest.mark.parametrize("command", ["inspect", "export", "compress"])
def test_data_in_the_place_of_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    path = tmp_path / name
    np.savez(tmp_path / "data.npz", x=X, y=X)
    if name == "data.npy":
        np.save(path, X)
    elif name == "data.keras":
        path.write_bytes((tmp_path / "data.npz").read_bytes())
    options = {
        "export": ["-o", str(tmp_path / "out")],
        "compress": ["-o", str(tmp_path / "out.keras"), "--data", str(tmp_path / "data.npz")],
    }
    assert main([command, str(path), *options.get(command, [])]) == 2
    problem, hint = capsys.readouterr().err.splitlines()
    assert problem == f"error: {path} is data, not a model."
    assert hint.startswith("hint: Pass a .keras")
