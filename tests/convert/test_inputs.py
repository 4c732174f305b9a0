"""Inputs as Keras users declare them: integers that become floats, and fixed batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.harness import assert_exact, run_here
from tflm_ext.convert import convert
from tflm_ext.errors import ConfigError, UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.frontend.parse import parse

pytestmark = pytest.mark.slow

SHAPE = (6, 6, 2)
DRAW = np.random.default_rng(0)
PICTURES = DRAW.integers(0, 256, (120, *SHAPE)).astype(np.uint8)
PICTURES[0], PICTURES[1] = 0, 255


def quiet(text: str) -> None:
    """No progress."""


def scaled(keras: Any, dtype: str, *, scale: float = 1 / 255) -> Any:
    """Rescaling, a convolution and a dense layer; always the same weights."""
    layers = keras.layers
    given = keras.Input(SHAPE, dtype=dtype)
    x = layers.Rescaling(scale)(given)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    model = keras.Model(given, layers.Dense(3)(layers.Flatten()(x)))
    draw = np.random.default_rng(1)
    model.set_weights([draw.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_integers_that_become_floats(library: Any, dtype: str) -> None:
    found = convert(scaled(library, dtype), PICTURES.astype(dtype), progress=quiet)
    plain = convert(scaled(library, "float32"), PICTURES.astype(np.float32), progress=quiet)
    inputs = [np.random.default_rng(2).integers(-128, 128, (9, 1, *SHAPE), np.int8)]
    np.testing.assert_array_equal(
        run_here(found.int8.bytes, inputs, 1, 1 << 20),
        run_here(plain.int8.bytes, inputs, 1, 1 << 20),
    )
    model = parse(found.int8.bytes, "net")
    q = model.tensors[model.inputs[0]].quantization
    assert q is not None
    # Rescaling is computed before: the device subtracts 128 from an integer.
    assert (q.scale, q.zero_point) == (float(np.float32(1 / 255)), -128)
    assert found.calibration[0].dtype == np.float32


def test_a_file_with_integers(keras: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    scaled(keras, "uint8").save(path)
    assert_exact(convert(path, PICTURES, progress=quiet).int8.bytes)


def test_data_of_another_scale(keras: Any) -> None:
    with pytest.raises(ConfigError, match="values that do not fit into uint8"):
        convert(scaled(keras, "uint8"), PICTURES / np.float32(255), progress=quiet)


def test_integers_that_are_more_than_floats(library: Any) -> None:
    """Positions of an Embedding stay integers, of both libraries."""
    layers = library.layers
    given = layers.Input((5,), dtype="int32")
    x = layers.Embedding(9, 4)(given)
    model = library.Model(given, layers.Dense(2)(layers.Flatten()(x)))
    found = convert(model, DRAW.integers(0, 9, (120, 5)).astype("int32"), progress=quiet)
    assert_exact(found.int8.bytes, c=False)
    tensors = parse(found.int8.bytes, "net")
    assert tensors.tensors[tensors.inputs[0]].dtype.value == "int32"


def test_a_batch_that_is_fixed(library: Any) -> None:
    layers = library.layers
    given = layers.Input((8, 6), batch_size=32)
    x = layers.Reshape((48,))(layers.LSTM(6, unroll=True, return_sequences=True)(given))
    model = library.Model(given, layers.Dense(3)(x))
    data = DRAW.normal(size=(128, 8, 6)).astype("float32")
    found = convert(model, data, progress=quiet)
    tensors = parse(found.int8.bytes, "net")
    assert tensors.tensors[tensors.inputs[0]].shape == (1, 8, 6)
    assert_exact(found.int8.bytes, c=False)


def test_a_saved_model_with_a_fixed_batch(tmp_path: Path) -> None:
    import tensorflow as tf

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((32, 8), tf.float32)])
        def __call__(self, x: Any) -> Any:
            return tf.nn.relu(x)

    tf.saved_model.save(Net(), str(tmp_path))
    with pytest.raises(UnsupportedModelError, match="batch size 32") as caught:
        convert(tmp_path, DRAW.normal(size=(128, 8)).astype("float32"), progress=quiet)
    assert "(None, 8)" in caught.value.hint


@pytest.mark.parametrize("kind", ["Masking", "mask_zero"])
def test_masks_are_named(library: Any, kind: str) -> None:
    layers = library.layers
    if kind == "Masking":
        given = layers.Input((8, 6))
        x, data = layers.Masking(name="holes")(given), DRAW.normal(size=(120, 8, 6))
    else:
        given = layers.Input((8,), dtype="int32")
        x = layers.Embedding(9, 4, mask_zero=True, name="holes")(given)
        data = DRAW.integers(0, 9, (120, 8)).astype("int32")
    model = library.Model(given, layers.Dense(3)(layers.LSTM(4, unroll=True)(x)))
    with pytest.raises(UnsupportedOperatorError, match="layer 'holes'") as caught:
        convert(model, data, progress=quiet)
    assert "Remove Masking layers and mask_zero=True" in caught.value.hint


def test_a_mask_that_nothing_reads(keras: Any) -> None:
    layers = keras.layers
    given = layers.Input((8,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(9, 4, mask_zero=True)(given))
    data = DRAW.integers(0, 9, (120, 8)).astype("int32")
    assert_exact(
        convert(keras.Model(given, layers.Dense(3)(x)), data, progress=quiet).int8.bytes, c=False
    )
