"""The key of checkpoints: whatever changes what a run computes changes it, names do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext.errors import ConfigError

pytestmark = pytest.mark.slow

Change = Callable[[Any], dict[str, Any]]


def net(k: Any, **other: Any) -> Any:
    """A small functional model with a branch, a nested model and a wrapper."""
    inputs = k.Input((8, 8, 3), name=other.get("name"))
    x = k.layers.Conv2D(
        4,
        3,
        strides=other.get("strides", 1),
        padding=other.get("padding", "same"),
        activation=other.get("activation", "relu"),
        use_bias=True,
        kernel_regularizer=other.get("regularizer"),
        kernel_constraint=other.get("constraint"),
    )(inputs)
    x = k.layers.BatchNormalization(momentum=other.get("momentum", 0.9))(x)
    nested = k.Sequential([k.Input(x.shape[1:]), k.layers.Conv2D(4, 1, activation="relu")])
    nested.layers[-1].activation = k.activations.get(other.get("inner", "relu"))
    branch = nested(x)
    a, b = (x, branch) if not other.get("swapped") else (branch, x)
    x = k.layers.Subtract()([a, b])
    x = k.layers.Dropout(other.get("dropout", 0.1))(x)
    x = getattr(k.layers, other.get("pool", "GlobalAveragePooling2D"))()(x)
    x = k.layers.Reshape((2, 2))(x)
    x = k.layers.TimeDistributed(k.layers.Dense(3, activation=other.get("timed", "tanh")))(x)
    x = k.layers.Bidirectional(k.layers.SimpleRNN(2, activation=other.get("state", "tanh")))(x)
    return k.Model(inputs, k.layers.Dense(4, activation=other.get("last", "softmax"))(x))


CHANGES: dict[str, dict[str, Any]] = {
    "strides": {"strides": 2},
    "padding": {"padding": "valid"},
    "activation": {"activation": "relu6"},
    "activation of the last layer": {"last": "sigmoid"},
    "activation in a nested model": {"inner": "tanh"},
    "activation in a wrapper": {"timed": "relu"},
    "activation in a wrapped recurrent layer": {"state": "relu"},
    "rate of a dropout": {"dropout": 0.5},
    "momentum of a normalisation": {"momentum": 0.5},
    "regularizer": {"regularizer": "l2"},
    "constraint": {"constraint": "non_neg"},
    "class of a layer without weights": {"pool": "GlobalMaxPooling2D"},
    "order of the inputs of a layer": {"swapped": True},
}


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def k(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def filled(model: Any) -> Any:
    """The same weights in every model of the same shape."""
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def plain(k: Any) -> str:
    from tflm_ext.compression.fingerprint import model_digest

    return model_digest(filled(net(k)))


def test_names_that_keras_numbers_do_not_count(k: Any, plain: str) -> None:
    from tflm_ext.compression.fingerprint import model_digest

    later = filled(net(k))
    assert model_digest(later) == plain
    k.backend.clear_session()
    assert model_digest(filled(net(k))) == plain
    assert model_digest(k.models.clone_model(later)) != plain  # other weights
    clone = k.models.clone_model(later)
    clone.set_weights(later.get_weights())
    assert model_digest(clone) == plain


@pytest.mark.parametrize("change", CHANGES)
def test_configuration_counts(k: Any, plain: str, change: str) -> None:
    from tflm_ext.compression.fingerprint import model_digest

    assert model_digest(filled(net(k, **CHANGES[change]))) != plain


def test_weights_count(k: Any, plain: str) -> None:
    from tflm_ext.compression.fingerprint import model_digest

    model = filled(net(k))
    weights = model.get_weights()
    weights[-1][0] += 1
    model.set_weights(weights)
    assert model_digest(model) != plain


def test_settings_of_a_loss_count(k: Any) -> None:
    from tflm_ext.compression.fingerprint import loss_key

    loss = k.losses.SparseCategoricalCrossentropy
    assert loss_key(loss()) == loss_key("sparse_categorical_crossentropy")
    assert loss_key(loss(from_logits=True)) != loss_key(loss())
    assert loss_key([loss(), None]) != loss_key([loss(ignore_class=1), None])
    assert loss_key({"a": loss()}) == {"a": "sparse_categorical_crossentropy"}
    json.dumps(loss_key(k.losses.Huber(delta=2.0)))


def test_settings_of_an_optimizer_count_but_not_its_rate(k: Any) -> None:
    from tflm_ext.compression.fingerprint import optimizer_key

    adam, sgd = k.optimizers.Adam, k.optimizers.SGD
    assert optimizer_key(adam(0.1)) == optimizer_key(adam(0.2))
    assert optimizer_key(adam()) != optimizer_key(adam(beta_1=0.5))
    assert optimizer_key(sgd()) != optimizer_key(sgd(momentum=0.5))
    assert optimizer_key(sgd()) != optimizer_key(adam())
    assert optimizer_key(None) is None
    json.dumps(optimizer_key(adam()))


def test_another_configuration_is_another_run(tmp_path: Path) -> None:
    import keras

    from tflm_ext.compression.checkpoints import Checkpoints, key_of
    from tflm_ext.compression.recipe import Recipe

    def begin(**other: Any) -> Checkpoints:
        key = key_of(filled(net(keras, **other)), Recipe.fast(), "(9, 9)", {})
        return Checkpoints(tmp_path / "run", key)

    begin()
    begin()
    with pytest.raises(ConfigError, match=r"another run: the model differs\."):
        begin(activation="relu6")
