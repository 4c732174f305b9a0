"""What a child's end means: the layer, the remedy, and what TensorFlow said."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tflm_ext.convert import convert
from tflm_ext.convert.child import ChildEnded
from tflm_ext.convert.explain import explain
from tflm_ext.errors import (
    StorageError,
    TflmExtError,
    ToolError,
    UnsupportedModelError,
    UnsupportedOperatorError,
)

COMMAND = ("python", "-m", "worker")
SELECT_LOG = """
loc(callsite(fused["FFT:", "net/spectrum/FFT@__inference_function_9"] at "elsewhere"))
Some ops are not supported by the native TFLite runtime
TF Select ops: FFT
Details:
"""


def ended(code: int, log: str, do: str = "convert", **layers: str) -> TflmExtError:
    return explain(do, ChildEnded(code, log), layers, COMMAND)


def test_operator_without_counterpart() -> None:
    error = ended(1, SELECT_LOG, spectrum="STFT", net="Sequential")
    assert type(error) is UnsupportedOperatorError
    assert str(error) == (
        "TensorFlow Lite has no equivalent of FFT (Keras layer 'spectrum' (STFT)).\n"
        "Compute spectra before the model."
    )


def test_unknown_operator_without_layer() -> None:
    assert str(ended(1, "Custom ops: Frobnicate\n")) == (
        "TensorFlow Lite has no equivalent of Frobnicate.\n"
        "Replace the layer with one listed in docs/reference/operators.md."
    )


def test_crash_on_a_recurrent_layer() -> None:
    error = ended(-11, "", memory="GRU", dense="Dense")
    assert type(error) is UnsupportedModelError
    assert str(error) == (
        "The converter crashed on a model with the Keras layer 'memory' (GRU).\n"
        "Build the layer with unroll=True, or use tf_keras.layers.LSTM, which is fused."
    )


def test_crash_on_something_else() -> None:
    error = ended(-6, "first\nlast words\n", dense="Dense")
    assert isinstance(error, ToolError)
    assert error.problem == "TensorFlow failed in the step 'convert' (signal 6)."
    assert error.output == "first\nlast words"
    assert error.command == COMMAND


@pytest.mark.parametrize("package", ["tensorflow", "keras", "tf_keras", "h5py"])
def test_missing_package(package: str) -> None:
    error = ended(1, f"ModuleNotFoundError: No module named '{package}'", do="load")
    assert str(error) == (f"{package} is not installed.\nRun: python -m pip install {package}")


def test_full_disk() -> None:
    error = ended(1, "OSError: [Errno 28] No space left on device: 'model.tflite'")
    assert type(error) is StorageError
    assert str(error) == (
        "The disk is full: TensorFlow could not write its files.\n"
        "Free some space, or set TMPDIR to a different folder."
    )


def test_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saved_model.pb").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="No such file or directory"):
        convert(tmp_path, progress=lambda text: None)


def test_model_that_keras_cannot_load() -> None:
    error = ended(1, "Traceback\nTypeError: Could not locate class 'Own'.\n", do="load")
    assert type(error) is UnsupportedModelError
    assert str(error) == (
        "The model cannot be loaded: TypeError: Could not locate class 'Own'.\n"
        "If it has custom classes, load the model yourself and pass the live model."
    )
