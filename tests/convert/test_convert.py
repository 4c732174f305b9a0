"""convert() with TensorFlow: live models and files of both Keras libraries."""

from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext.convert import Conversion, convert
from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.ir import DType

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
X = RNG.random((120, 8, 8, 1), np.float32)


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whatever a conversion writes is gone afterwards."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert not list((tmp_path / "temporary").glob("tflm_ext*"))


def silent(text: str) -> None:
    pass


def alone(*given: Any, **more: Any) -> Conversion:
    """convert() with its own child, which ends with it."""
    return contextvars.Context().run(convert, *given, **more)


def cnn(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 1), name="image"),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.Flatten(name="flatten"),
            layers.Dense(3, activation="softmax", name="scores"),
        ]
    )


def operators(conversion: Conversion) -> list[str]:
    return [node.operator for node in read_graph(conversion.int8.bytes).nodes]


CNN = ["CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]


def test_live_models_of_both_libraries(
    keras: Any, tf_keras: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    for library in (keras, tf_keras):
        model = cnn(library)
        before = [w.numpy().copy() for w in model.weights]
        said: list[str] = []
        capfd.readouterr()  # what TensorFlow says to who builds a model
        call = alone if library is keras else convert
        conversion = call(model, X, progress=said.append, test_inputs=(X[:7], np.arange(7)))
        assert capfd.readouterr() == ("", "")
        int8 = conversion.int8
        graph = read_graph(int8.bytes)
        assert operators(conversion) == CNN
        assert [graph.tensors[i].shape for i in graph.inputs] == [(1, 8, 8, 1)]
        assert all(graph.tensors[i].dtype is DType.INT8 for i in (*graph.inputs, *graph.outputs))
        assert [view.keras_layer for view in graph.views()] == ["first", "flatten", *2 * ["scores"]]
        assert int8.input_names == ("image",)
        assert int8.warnings == ()
        assert "calibrating: sample 17 of 120" in said
        assert int8.float_outputs is not None
        expected = model.predict(X[:7], verbose=0)
        np.testing.assert_allclose(int8.float_outputs[0], expected, atol=1e-5)
        np.testing.assert_array_equal(conversion.calibration[0], X)
        for w, b in zip(model.weights, before, strict=True):
            np.testing.assert_array_equal(w.numpy(), b)


def test_several_inputs_and_outputs_keep_their_order(keras: Any) -> None:
    layers = keras.layers
    zeta, alpha = keras.Input((5,), name="zeta"), keras.Input((4,), name="alpha")
    outputs = [layers.Dense(n, name=f"out{n}")(y) for n, y in ((7, zeta), (2, alpha), (3, zeta))]
    model = keras.Model([zeta, alpha], outputs)
    data = {"alpha": RNG.random((120, 4)), "zeta": RNG.random((120, 5))}
    conversion = convert(model, data, progress=silent)
    graph = read_graph(conversion.int8.bytes)
    assert [graph.tensors[i].shape for i in graph.inputs] == [(1, 5), (1, 4)]
    assert [graph.tensors[i].shape for i in graph.outputs] == [(1, 7), (1, 2), (1, 3)]
    assert conversion.int8.input_names == ("zeta", "alpha")
    assert conversion.int8.output_names == ("out7", "out2", "out3")
    np.testing.assert_array_equal(conversion.calibration[1], data["alpha"].astype(np.float32))


def test_layers_keep_their_names(keras: Any) -> None:
    layers = keras.layers
    x = keras.Input((6,))
    shared = layers.Dense(6, name="dense")
    y = layers.Dense(6, name="dense_1", activation="tanh")(shared(layers.ReLU()(shared(x))))
    conversion = convert(keras.Model(x, y), RNG.random((120, 6)), progress=silent)
    views = list(read_graph(conversion.int8.bytes).views())
    assert [(v.node.operator, v.keras_layer) for v in views if v.node.operator != "RELU"] == [
        ("FULLY_CONNECTED", "dense"),
        ("FULLY_CONNECTED", "dense"),
        ("FULLY_CONNECTED", "dense_1"),
        ("TANH", "dense_1"),
    ]


def test_model_files(keras: Any, tf_keras: Any, tmp_path: Path) -> None:
    cnn(keras).save(tmp_path / "a.keras")
    cnn(tf_keras).save(tmp_path / "b.h5")
    cnn(keras).export(tmp_path / "c", verbose=False)
    for name, call in (("a.keras", convert), ("b.h5", alone), ("c", convert)):
        assert operators(call(tmp_path / name, X, progress=silent)) == CNN, name


def test_dataset_custom_layer_and_few_samples(keras: Any) -> None:
    import tensorflow as tf

    class Halve(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 0.5 * x + 1.0

    model = keras.Sequential([keras.Input((4,)), Halve(), keras.layers.Dense(2)])
    dataset = tf.data.Dataset.from_tensor_slices((RNG.random((50, 4)), np.arange(50))).batch(16)
    conversion = convert(model, dataset, progress=silent)
    assert operators(conversion)[-1] == "FULLY_CONNECTED"
    assert conversion.calibration[0].shape == (50, 4)
    assert conversion.int8.warnings == (
        (
            "calibration_data has 50 samples; with fewer than 100, the ranges of the layers are "
            "only a guess."
        ),
    )


def test_quantisation_aware_model_needs_no_calibration(keras: Any) -> None:
    class Quantised(keras.layers.Dense):
        def call(self, x: Any) -> Any:
            fake = keras.quantizers.fake_quant_with_min_max_vars
            kernel = fake(self.kernel, -1.0, 1.0, num_bits=8, narrow_range=True)
            y = keras.ops.matmul(fake(x, -1.0, 1.0), kernel) + self.bias
            return fake(y, -0.5, 0.5)

    model = keras.Sequential([keras.Input((4,)), Quantised(3)])
    model.layers[0].set_weights([np.full((4, 3), 0.9, np.float32), np.zeros(3, np.float32)])
    conversion = convert(model, progress=silent, test_inputs=np.full((5, 4), 20.0))
    assert operators(conversion) == ["FULLY_CONNECTED"]
    unscaled, saturated = conversion.int8.warnings
    assert "ranges from 20 to 20" in unscaled
    assert "Were both scaled in the same way?" in unscaled
    assert saturated.startswith("Output 'quantised' saturates: 100 % of its values")


@pytest.mark.parametrize(
    "kind", ["subclass", "free size", "loop", "bidirectional", "embedding", "integers"]
)
def test_refused_models(kind: str, keras: Any) -> None:
    layers = keras.layers

    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    def of(shape: Any, layer: Any, dtype: str = "float32") -> Any:
        return keras.Sequential([keras.Input(shape, name="x", dtype=dtype), layer])

    model, problem, hint = {
        "subclass": (
            lambda: Own(name="own"),
            "The inputs of model 'own' are unknown",
            "keras.Model(x, model(x))",
        ),
        "free size": (
            lambda: of((None, 3), layers.Conv1D(2, 3)),
            "Input 'x' has the shape (None, None, 3)",
            "keras.Input((96, 96, 3))",
        ),
        "loop": (
            lambda: of((5, 3), layers.GRU(2, name="memory")),
            "Keras layer 'memory' (GRU) runs its steps in a loop",
            "unroll=True",
        ),
        "embedding": (
            lambda: of((5,), layers.Embedding(9, 2, name="words"), "int64"),
            "Input 'x' is int64 (Keras layer 'words' (Embedding)), but inputs must be float32",
            "keras.Input(shape, dtype='int32')",
        ),
        "integers": (
            lambda: of((5,), layers.Reshape((1, 5)), "uint8"),
            "Input 'x' is uint8, but inputs must be float32, or int32 for an Embedding.",
            "Declare the input as float32",
        ),
        "bidirectional": (
            lambda: of((5, 3), layers.Bidirectional(layers.LSTM(2, name="memory"))),
            "Keras layer 'forward_memory' (LSTM) runs its steps in a loop",
            "unroll=True",
        ),
    }[kind]
    with pytest.raises(UnsupportedModelError) as caught:
        convert(model(), np.zeros((100, 5, 3)), progress=silent)
    assert problem in caught.value.problem
    assert hint in caught.value.hint


def test_a_layer_that_raises(keras: Any) -> None:
    """An exception in a layer's own code is reported as an error of the model."""

    class Once(keras.layers.Layer):
        calls = 0

        def call(self, x: Any) -> Any:
            Once.calls += 1
            if Once.calls > 1:
                raise KeyError("not again")
            return x

    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(2)(Once()(x)), name="net")
    with pytest.raises(UnsupportedModelError) as caught:
        convert(model, np.zeros((100, 4)), progress=silent)
    assert caught.value.problem.startswith("Model 'net' cannot be called: KeyError: ")
    assert "not again" in caught.value.problem
    assert "\n" not in caught.value.problem
    assert "model(x[:1], training=False)" in caught.value.hint


def test_missing_calibration(keras: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(cnn(keras), progress=silent)
    assert str(caught.value) == (
        "calibration_data is missing: int8 needs the value range of every layer.\n"
        "Pass at least 100 samples of realistic input, scaled as in training."
    )


def test_keras_on_another_backend(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match="Keras runs on jax"):
        convert(cnn(keras), X, progress=silent)


def test_interrupt_leaves_nothing(keras: Any, tmp_path: Path) -> None:
    cnn(keras).save(tmp_path / "a.keras")
    program = (
        "import numpy as np, sys\n"
        "from tflm_ext.convert import convert\n"
        "def say(text):\n"
        "    print(text, flush=True)\n"
        f"convert({str(tmp_path / 'a.keras')!r}, np.zeros((100, 8, 8, 1)) + 0.1, progress=say)\n"
    )
    folder = tmp_path / "interrupted"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("calibrating"):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert not list(folder.iterdir())
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if _of(p, str(folder))]


def _of(cmdline: Path, folder: str) -> bool:
    """Whether a process still has the folder of the interrupted conversion in its environment."""
    try:
        return folder.encode() in (cmdline.parent / "environ").read_bytes()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False
