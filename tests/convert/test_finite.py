"""Weights that are not finite, and layers that compute what is not, are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext.convert import convert
from tflm_ext.convert.finite import refuse_weights
from tflm_ext.errors import ConfigError, UnsupportedModelError

RNG = np.random.default_rng(2)
X = RNG.random((120, 6), np.float32)
LAYERS = {"first": "Dense"}


def silent(text: str) -> None:
    pass


def test_finite_weights_pass() -> None:
    weights = [("net/first/kernel", np.ones((3, 2))), ("net/first/seed", np.array([1, 2]))]
    refuse_weights(weights, LAYERS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("path", ["net/first/kernel", "first/kernel:0", "kernel:0"])
def test_one_bad_value_is_enough(value: float, path: str) -> None:
    kernel = np.ones((3, 2), np.float32)
    kernel[2, 1] = value
    with pytest.raises(UnsupportedModelError) as caught:
        refuse_weights([("first/bias", np.ones(2)), (path, kernel)], LAYERS)
    where = "Weight" if path == "kernel:0" else "Keras layer 'first' (Dense), weight"
    assert caught.value.problem == (
        f"{where} 'kernel': 1 of 6 values are not finite (NaN or infinite)."
    )
    assert "train again with a smaller learning rate" in caught.value.hint


def net(library: Any, layers: list[Any]) -> Any:
    return library.Sequential([library.layers.Input((6,)), *layers])


@pytest.mark.slow
def test_weights_of_every_kind_of_model(library: Any, tmp_path: Path) -> None:
    layers = library.layers
    model = net(library, [layers.Dense(4, name="first"), layers.Dense(2, name="second")])
    kernel, bias = model.layers[-1].get_weights()
    kernel[1, 1] = np.nan
    model.layers[-1].set_weights([kernel, bias])
    model.save(tmp_path / "net.keras")
    model.save(tmp_path / "net.h5")
    model.export(str(tmp_path / "saved"))
    for given in (model, *(tmp_path / name for name in ("net.keras", "net.h5", "saved"))):
        with pytest.raises(UnsupportedModelError) as caught:
            convert(given, X, progress=silent)
        assert "Keras layer 'second'" in caught.value.problem
        assert "weight 'kernel': 1 of 8 values are not finite" in caught.value.problem


@pytest.mark.slow
def test_a_constant_of_a_layer(keras: Any) -> None:
    x = keras.Input((6,))
    model = keras.Model(x, keras.layers.Dense(2)(x * np.array([1, 2, np.inf, 4, 5, 6], np.float32)))
    with pytest.raises(UnsupportedModelError, match="1 of 6 values are not finite"):
        convert(model, X, progress=silent)


def scaled(layer: Any, factor: float) -> Any:
    layer.set_weights([factor * w for w in layer.get_weights()])
    return layer


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exponential", "hidden by sigmoid", "variance", "division"])
def test_layers_that_reach_infinity(kind: str, keras: Any) -> None:
    layers = keras.layers
    samples = X
    first, second = layers.Dense(4, name="first"), layers.Dense(4, name="second")
    if kind == "exponential":
        exponential = layers.Activation("exponential", name="grow")
        model, named = net(keras, [first, exponential, second]), "'grow' (Activation)"
        scaled(first, 300)
    elif kind == "hidden by sigmoid":
        sigmoid = layers.Activation("sigmoid")
        model, named = net(keras, [first, second, sigmoid]), "'second' (Dense)"
        scaled(first, 1e20)
        scaled(second, 1e20)
    elif kind == "variance":
        norm = layers.BatchNormalization(name="norm")
        model, named = net(keras, [first, norm, second]), "'norm' (BatchNormalization)"
        gamma, beta, mean, variance = norm.get_weights()
        norm.set_weights([gamma, beta, mean, variance - 3])
    else:
        x = keras.Input((6,))
        total = keras.ops.sum(x, axis=-1, keepdims=True)
        model, named = keras.Model(x, first(keras.ops.divide(x, total))), "The model"
        samples = X.copy()
        samples[-1] = 0
    with pytest.raises(UnsupportedModelError) as caught:
        convert(model, samples, progress=silent)
    assert named in caught.value.problem
    assert "returns values that are not finite (NaN or infinite) for " in caught.value.problem
    assert "of 120 samples of calibration_data" in caught.value.problem
    assert "clip" in caught.value.hint


@pytest.mark.slow
def test_calibration_data_without_a_range(keras: Any) -> None:
    model = net(keras, [keras.layers.Dense(2)])
    with pytest.raises(ConfigError) as caught:
        convert(model, 0 * X, progress=silent)
    assert str(caught.value) == (
        "calibration_data is 0 everywhere, so it does not determine the range of any layer.\n"
        "Pass at least 100 samples of realistic input, scaled as in training."
    )
