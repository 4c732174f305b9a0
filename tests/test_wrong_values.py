"""Wrong values at every public argument: nothing but an error of tflm_ext comes out."""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.models import image_net
from tflm_ext import TflmExtError
from tflm_ext.cli import main
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.runtimes.base import Compared
from tflm_ext.runtimes.compiled import CompiledModel

SAMPLED = 6  # of the values, for functions that train; which ones is drawn with a fixed seed


class Odd:
    """An object of no use, which says so if it is looked into."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Hostile:
    """An object whose methods raise."""

    def __bool__(self) -> bool:
        raise ValueError("no truth")

    def __str__(self) -> str:
        return "hostile"

    __repr__ = __str__


def endless() -> Iterator[int]:
    while True:
        yield 0


WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "0": lambda: 0,
    "-1": lambda: -1,
    "7": lambda: 7,
    "2**70": lambda: 2**70,
    "0.5": lambda: 0.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "1j": lambda: 1j,
    "empty text": lambda: "",
    "text": lambda: "nonsense",
    "text with null": lambda: "a\0b",
    "line break": lambda: "a\nb",
    "surrogate": lambda: "\udcff",
    "long text": lambda: "x" * 5000,
    "bytes": lambda: b"abc",
    "Path": lambda: Path("nowhere/at/all"),
    "list": list,
    "nested list": lambda: [[1], [1, 2]],
    "list of None": lambda: [None, None],
    "tuple": lambda: (1, 2, 3),
    "dict": dict,
    "dict of numbers": lambda: {1: 2},
    "dict of text": lambda: {"a": "b"},
    "set": lambda: {1, 2},
    "scalar array": lambda: np.array(3.0),
    "empty array": lambda: np.zeros((0, 4)),
    "array of text": lambda: np.array(["a", "b"]),
    "array of objects": lambda: np.array([None, {}], object),
    "array of nan": lambda: np.full((4, 4), np.nan),
    "huge numbers": lambda: np.full((4, 4), 1e300),
    "dates": lambda: np.array(["2026-01-01"], "datetime64[D]"),
    "generator": lambda: (n for n in (1, 2)),
    "class": lambda: Odd,
    "object": Odd,
    "hostile object": Hostile,
    "module": lambda: np,
    "function of two": lambda: lambda a, b: a,
    "function that raises": lambda: lambda: 1 / 0,
}


def arguments(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def values(argument: str) -> list[Callable[[], Any]]:
    """Wrong values of an argument; a function of the user's that fails is not ours."""
    callables = {"class", "function of two", "function that raises"}
    return [make for kind, make in WRONG.items() if argument != "progress" or kind not in callables]


def attempt(call: Callable[[], Any]) -> None:
    """Call something that may work by chance."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except TflmExtError as error:
        assert error.problem.strip() and error.hint.strip()
        assert "\n" not in error.problem


@pytest.fixture
def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No C is compiled: what is wrong about arguments must be found without."""

    def compare(*_: Any) -> Compared:
        return Compared(64, tuple[RenderedFile, ...]())

    monkeypatch.setattr(CompiledModel, "compare", compare)


@pytest.mark.usefixtures("not_compiled")
@pytest.mark.parametrize("argument", arguments(tflm_ext.export))
def test_export(argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(image_net())
    for place, make in enumerate(values(argument)):
        given: dict[str, Any] = {"model": "net.tflite", "folder": f"p{place}", "progress": False}
        if argument == "encoding":
            given["runtime"] = "tflm"
        given[argument] = make()
        attempt(lambda given=given: tflm_ext.export(**given))  # type: ignore[misc]


@pytest.mark.parametrize("argument", arguments(tflm_ext.encode))
def test_encode(argument: str) -> None:
    for make in values(argument):
        given = {"model": image_net(), argument: make()}
        attempt(lambda given=given: tflm_ext.encode(**given))  # type: ignore[misc]


@pytest.mark.parametrize("argument", arguments(tflm_ext.Budget))
def test_budget(argument: str) -> None:
    for make in WRONG.values():
        attempt(lambda make=make: tflm_ext.Budget(**{argument: make()}))  # type: ignore[misc]


@pytest.mark.parametrize("argument", arguments(tflm_ext.Recipe))
def test_recipe(argument: str) -> None:
    for make in WRONG.values():
        attempt(lambda make=make: tflm_ext.Recipe(**{argument: make()}))  # type: ignore[misc]


TRAINING = {
    "compress": lambda: tflm_ext.compress,
    "prune_channels": lambda: tflm_ext.prune_channels,
    "quantize_aware": lambda: tflm_ext.quantize_aware,
    "strip": lambda: tflm_ext.strip,
    "SparsityCallback": lambda: tflm_ext.SparsityCallback,
    "ClusteringCallback": lambda: tflm_ext.ClusteringCallback,
    "DistillationCallback": lambda: tflm_ext.DistillationCallback,
    "Distiller": lambda: tflm_ext.Distiller,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINING)
def test_compression(
    name: str, keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function = TRAINING[name]()
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    layers = [keras.Input((4,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    good: dict[str, Any] = {
        "model": model,
        "train_data": (x, x[:, :2]),
        "recipe": tflm_ext.Recipe(
            ratio=0.3, temperature=None, fine_tune_epochs=1, quantize_epochs=0
        ),
        "data": (x, x[:, :2]),
        "teacher": model,
        "student": model,
        "ratio": 0.5,
        "final_sparsity": 0.5,
        "progress": False,
    }
    draw = random.Random(0)
    for argument in arguments(function):
        if argument in ("self", "args", "kwargs"):
            continue
        for make in draw.sample(values(argument), SAMPLED):
            parameters = inspect.signature(function).parameters
            given = {key: value for key, value in good.items() if key in parameters}
            given[argument] = make()
            attempt(lambda given=given: function(**given))  # type: ignore[misc]


TEXTS = ["", "nonsense", "-1", "nan", "2e99", "a\nb", "x" * 5000, "/dev/null", "/proc/x", "{}", "é"]


@pytest.mark.parametrize(
    "command", ["export", "inspect", "verify", "build", "test", "bench", "compare", "encode"]
)
def test_the_command_line(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(image_net())
    options = [
        *("--name", "--labels", "--board", "--runtime", "--optimize", "--calibration", "--data"),
        *("--max-flash-bytes", "--max-ram-bytes", "--max-macs", "--max-accuracy-drop", "-o", "-e"),
        *("--port", "--seed", "--vectors", "--encoding", "--methods", "--tflm-source"),
    ]
    for text in TEXTS:
        for words in ([text], *([f"{option}={text}"] for option in options if text)):
            arguments = [command, *words]
            if words != [text]:
                arguments.insert(1, "missing.tflite")
            try:
                code = main(arguments)
            except SystemExit as ended:  # argparse
                code = int(ended.code or 0)
            said = capsys.readouterr()
            assert "Traceback" not in said.err, arguments
            assert code, arguments
            assert said.err.startswith(("error: ", "usage: ")), said.err
