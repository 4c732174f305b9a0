"""What a run of compress() resumes from, told without a framework: keys and configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext.compression.checkpoints import Checkpoints
from tflm_ext.compression.fingerprint import loss_key, model_digest, optimizer_key
from tflm_ext.errors import ConfigError


class Layer:
    """As much of a layer of Keras as a digest reads."""

    def __init__(self, name: str, **config: Any) -> None:
        self.name, self.config = name, config

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.config}


class Model(Layer):
    """Layers, each called on the output of the one before."""

    def __init__(self, *layers: Layer, weights: Any = (1.0, 2.0)) -> None:
        super().__init__("net")
        self.layers, self.weights = layers, weights

    def _flatten_layers(self, include_self: bool, recursive: bool) -> list[Layer]:
        return [self, *self.layers]

    def get_config(self) -> dict[str, Any]:
        calls = [[layer.name, 0, 0] for layer in self.layers]
        return {"name": self.name, "layers": [x.get_config() for x in self.layers], "calls": calls}

    def get_weights(self) -> list[Any]:
        return [np.array(self.weights, np.float32)]


def test_numbers_in_names_of_layers_do_not_count() -> None:
    one = Model(Layer("dense", units=3), Layer("dense_1", units=4))
    other = Model(Layer("dense_7", units=3), Layer("dense_8", units=4))
    assert model_digest(one) == model_digest(other)


@pytest.mark.parametrize(
    "other",
    [
        Model(Layer("dense", units=3), Layer("dense_1", units=5)),
        Model(Layer("dense", units=4), Layer("dense_1", units=3)),
        Model(Layer("dense", units=3)),
        Model(Layer("dense", units=3), Layer("dense_1", units=4), weights=(1.0, 2.5)),
        Model(Layer("dense", units=3), Layer("dense_1", units=4), weights=(2.0, 1.0)),
        Model(Layer("dense", units=3), Model(Layer("dense_1", units=4))),
        Model(Layer("dense", units=3), Layer("dense_1", units=[4])),
    ],
)
def test_what_is_computed_counts(other: Model) -> None:
    one = Model(Layer("dense", units=3), Layer("dense_1", units=4))
    assert model_digest(one) != model_digest(other)


def test_numbers_of_numpy_are_numbers() -> None:
    plain = Model(Layer("dense", units=3, scales=[1.0, 2.0]))
    of_numpy = Model(Layer("dense", units=np.int64(3), scales=np.array([1.0, 2.0])))
    assert model_digest(plain) == model_digest(of_numpy)


class Huber(Layer):
    """A loss with a setting."""

    def __init__(self, delta: float = 1.0, name: str = "huber") -> None:
        super().__init__(name, delta=delta)


def test_the_key_of_a_loss_has_what_is_not_usual() -> None:
    assert loss_key("mse") == "mse"
    assert loss_key(None) is None
    assert loss_key(Huber()) == "huber"
    assert loss_key(Huber(2.0)) == {"name": "huber", "delta": 2.0}
    assert loss_key({"a": Huber(), "b": "mse"}) == {"a": "huber", "b": "mse"}
    assert loss_key((Huber(), None)) == ["huber", None]
    assert loss_key(loss_key) == "loss_key"


def test_the_key_of_an_optimizer_leaves_out_its_rate() -> None:
    optimizer = Layer("adam", learning_rate=0.1, beta=0.9)
    assert optimizer_key(optimizer) == {"name": "Layer", "beta": 0.9}
    assert optimizer_key(None) is None
    assert optimizer_key("sgd") == "sgd"
    scaled = Layer("scaled")
    scaled.inner_optimizer = optimizer  # type: ignore[attr-defined]
    assert optimizer_key(scaled) == optimizer_key(optimizer)


def test_checkpoints_of_an_earlier_version(tmp_path: Path) -> None:
    state = {"format": 1, "key": {"model": "0"}, "done": []}
    (tmp_path / "state.json").write_text(json.dumps(state), "utf-8")
    with pytest.raises(ConfigError) as caught:
        Checkpoints(tmp_path, {"model": "0"})
    assert str(caught.value) == (
        f"The checkpoints in {tmp_path} are from an earlier version of tflm_ext.\n"
        "Pass a new folder as checkpoints=; a run cannot resume from the old ones."
    )


def test_a_run_goes_on_where_it_was_and_not_as_another(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Checkpoints(folder, {"model": "0", "recipe": "a"})
    Checkpoints(folder, {"model": "0", "recipe": "a"})
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(ConfigError):
        Checkpoints(folder, {"model": "1", "recipe": "a"})
    assert sorted(path.name for path in folder.iterdir()) == before
