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
from tflm_ext.convert.files import kind_of
from tflm_ext.errors import ConfigError, TflmExtError, UnsupportedModelError


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
    assert "Pass a .keras, .h5 or int8 .tflite file, or a SavedModel folder." in str(caught.value)


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
    named = {"input_names": ("layer0",), "output_names": ("layer1",)}
    assert conversion.int8 == Int8Model.of(tflite("int8"), **named)
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
    assert "ranges from -1200 to 1200, but the int8 input ranges from -12.8 to 12.7" in warning


def test_float_tflite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite("float32"))
    with pytest.raises(UnsupportedModelError) as caught:
        convert(tmp_path / "model.tflite", progress=lambda text: None)
    assert str(caught.value) == (
        "model.tflite computes in float32; only int8 models can be exported.\n"
        "Pass the Keras model it was converted from, with calibration_data, or convert it "
        "yourself with a representative dataset, TFLITE_BUILTINS_INT8 and int8 inputs and outputs."
    )


def test_damaged_tflite_is_refused_by_the_reader(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite("int8")[:90])
    with pytest.raises(UnsupportedModelError) as caught:
        convert(tmp_path / "model.tflite", progress=lambda text: None)
    assert caught.value.problem.startswith("model: not a valid .tflite file: ")


def test_no_model_at_all() -> None:
    with pytest.raises(TflmExtError) as caught:
        convert(42, progress=lambda text: None)
    assert str(caught.value) == (
        "A int is not a model.\nPass a keras.Model, a tf_keras.Model, or the path of a model file."
    )
