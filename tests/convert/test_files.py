"""Model files are told apart and judged before anything loads them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.tflite_builder import ModelBuilder
from tflm_ext.convert import Int8Model, convert
from tflm_ext.convert.files import kind_of, moves_floats, read_config, refuse_code
from tflm_ext.errors import ConfigError, TflmExtError, UnsupportedModelError

DENSE = {"class_name": "Dense", "config": {"name": "dense", "units": 3}}
LAMBDA = {"class_name": "Lambda", "config": {"name": "trap", "function": ["4wEAAA==", None, None]}}


def model(*layers: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}}


def write_keras(path: Path, config: Any, version: str = "3.15.1") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
    return path


def write_h5(path: Path, config: Any, version: str = "2.21.0") -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = version
    return path


def test_kinds_are_told_by_content(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "saved_model.pb").touch()
    assert kind_of(tmp_path / "folder") == "saved_model"
    assert kind_of(write_keras(tmp_path / "a.zip", {})) == "keras"
    assert kind_of(write_h5(tmp_path / "b.keras", {})) == "h5"
    (tmp_path / "c").write_bytes(b"\0\0\0\0TFL3")
    assert kind_of(tmp_path / "c") == "tflite"
    (tmp_path / "broken.tflite").write_bytes(b"what is this")
    assert kind_of(tmp_path / "broken.tflite") == "tflite"


@pytest.mark.parametrize("name", ["missing.keras", "notes.txt", "empty"])
def test_no_model(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        convert(tmp_path / name, progress=lambda text: None)
    assert str(tmp_path / name) in caught.value.problem
    assert "Give a .keras, .h5 or int8 .tflite file, or a SavedModel folder." in str(caught.value)


def test_library_is_told_by_version(tmp_path: Path) -> None:
    keras = write_keras(tmp_path / "a.keras", model(DENSE))
    assert read_config(keras, "keras") == ("keras", model(DENSE))
    assert read_config(write_h5(tmp_path / "a.h5", model()), "h5") == ("tf_keras", model())


@pytest.mark.parametrize(
    "config",
    [
        model(DENSE, LAMBDA),
        model(model(DENSE, LAMBDA)),
        model({"class_name": "TimeDistributed", "config": {"layer": LAMBDA}}),
        model({"class_name": "keras>Lambda", "config": {"name": "trap"}}),
        model({**DENSE, "config": {"activation": {"class_name": "__lambda__", "config": {}}}}),
        model({"class_name": "TFSMLayer", "config": {"name": "trap", "filepath": "/elsewhere"}}),
    ],
    ids=["plain", "nested", "wrapped", "registered", "activation", "foreign"],
)
@pytest.mark.parametrize("write", [write_keras, write_h5])
def test_code_is_refused_before_a_loader_sees_it(
    write: Any, config: dict[str, Any], tmp_path: Path
) -> None:
    path = write(tmp_path / "model", config)
    said: list[str] = []
    with pytest.raises(UnsupportedModelError) as caught:
        convert(path, np.zeros((100, 3)), progress=said.append)
    assert "to load it is to run code from it." in caught.value.problem
    assert "give export() the live model" in caught.value.hint
    assert "loading the model" not in said


def test_deep_nesting_is_searched() -> None:
    config: Any = LAMBDA
    for _ in range(100_000):
        config = [config]
    with pytest.raises(UnsupportedModelError, match="'trap'"):
        refuse_code(config, "model")


def test_damaged_files(tmp_path: Path) -> None:
    h5py.File(tmp_path / "weights.h5", "w").close()
    (tmp_path / "cut.h5").write_bytes((tmp_path / "weights.h5").read_bytes()[:100])
    write_keras(tmp_path / "whole.keras", model())
    (tmp_path / "cut.keras").write_bytes((tmp_path / "whole.keras").read_bytes()[:60])
    with zipfile.ZipFile(tmp_path / "deep.keras", "w") as archive:
        archive.writestr("config.json", "[" * 100_000)
        archive.writestr("metadata.json", '{"keras_version": "3.0"}')
    for name in ("weights.h5", "cut.h5", "cut.keras", "deep.keras"):
        with pytest.raises(UnsupportedModelError, match="has no readable model configuration"):
            read_config(tmp_path / name, kind_of(tmp_path / name))


def tflite(dtype: str, operator: str = "RESHAPE") -> bytes:
    b = ModelBuilder()
    scale = 0.1 if dtype == "int8" else None
    x = b.tensor((1, 6), dtype=dtype, scale=scale)
    y = b.tensor((1, 6), dtype=dtype, scale=scale)
    b.operator(operator, [x], [y])
    return b.finish(inputs=[x], outputs=[y])


def test_int8_tflite_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite("int8"))
    conversion = convert(tmp_path / "model.tflite", progress=lambda text: None)
    assert conversion.int8 == Int8Model.of(tflite("int8"))
    assert conversion.calibration == conversion.test == ()


def test_data_beside_an_int8_tflite(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite("int8"))
    samples = np.linspace(-12, 12, 600).reshape(100, 6)
    conversion = convert(
        tmp_path / "model.tflite", samples, test_inputs=100 * samples, progress=lambda text: None
    )
    np.testing.assert_array_equal(conversion.calibration[0], samples.astype(np.float32))
    (warning,) = conversion.int8.warnings
    assert warning.startswith("test_data for input")
    assert "runs from -1200 to 1200, the int8 input from -12.8 to 12.7" in warning


def test_float_tflite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite("float32"))
    with pytest.raises(UnsupportedModelError) as caught:
        convert(tmp_path / "model.tflite", progress=lambda text: None)
    assert str(caught.value) == (
        "model.tflite computes in float32; only int8 models can be exported.\n"
        "Give the Keras model it came from with calibration_data, or convert it yourself with"
        " a representative dataset, TFLITE_BUILTINS_INT8 and int8 inputs and outputs."
    )


def test_damaged_tflite_is_refused_by_the_reader(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite("int8")[:90])
    with pytest.raises(UnsupportedModelError) as caught:
        convert(tmp_path / "model.tflite", progress=lambda text: None)
    assert caught.value.problem.startswith("model: not a valid .tflite file: ")


def test_movers_in_float_are_noticed() -> None:
    assert moves_floats(tflite("float32", "RESHAPE"))
    assert not moves_floats(tflite("float32", "ELU"))
    assert not moves_floats(tflite("int8", "RESHAPE"))


def test_no_model_at_all() -> None:
    with pytest.raises(TflmExtError) as caught:
        convert(42, progress=lambda text: None)
    assert str(caught.value) == (
        "A int is no model.\nGive a keras.Model, a tf_keras.Model, or the path of a model file."
    )
