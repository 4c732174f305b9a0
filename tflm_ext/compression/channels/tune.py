"""Training between the steps of pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np

from tflm_ext.compression.channels.data import fit_arguments
from tflm_ext.compression.checks import NeedsBatches, check_weights, fits, no_batches
from tflm_ext.errors import ConfigError

# The arguments loss and loss_weights of compile().
Objective: TypeAlias = Mapping[str, Any]


def objective_of(model: Any, loss: Any = None) -> Objective | None:
    """Return the training objective: the given loss, or else the model's compile() arguments.

    Raises:
        ConfigError: the loss is a name that Keras does not know.
    """
    if loss is not None:
        _check_name(loss)
        return {"loss": loss}
    compiled = getattr(model, "loss", None)
    if compiled is None:
        return None
    config = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    return {"loss": compiled, "loss_weights": config.get("loss_weights")}


def _check_name(loss: Any) -> None:
    try:
        if isinstance(loss, str):
            keras.losses.get(loss)
    except ValueError as error:
        raise ConfigError(
            f"loss={loss!r} is not known.",
            "Pass the name of a Keras loss, such as sparse_categorical_crossentropy.",
        ) from error


@dataclass(frozen=True)
class Tuner:
    """How to train and to measure a model.

    Attributes:
        objective: the loss argument for compile(); None without a loss.
        optimizer: provides settings; every model gets a new optimizer.
        metrics: as in compile(); the first is the accuracy.
    """

    objective: Objective | None
    optimizer: Any
    metrics: Any
    epochs: int
    seed: int

    def fit(self, model: Any, data: Any) -> None:
        """Train one of our own models in place.

        Raises:
            ConfigError: the loss is not finite, or the data does not match the model.
        """
        if not self.epochs:
            return
        keras.utils.set_random_seed(self.seed)
        optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        model.compile(optimizer, **self.objective or {})
        watch = [keras.callbacks.TerminateOnNaN(), NeedsBatches("data")]
        with fits("data"):
            history = model.fit(
                **fit_arguments(data), epochs=self.epochs, verbose=0, callbacks=watch
            ).history
        losses = history["loss"]
        if not np.isfinite(losses).all():
            raise ConfigError(
                f"The loss became {losses[-1]} in fine-tuning.",
                "Pass an optimizer with a lower learning rate, and check the data for NaN.",
            )
        check_weights(model, f"model {model.name!r} after fine-tuning")

    def accuracy(self, model: Any, validation_data: Any) -> float:
        """Compile the model, and return the first metric on validation data."""
        metrics = self.metrics or ["accuracy"]
        model.compile(**self.objective or {}, metrics=metrics, jit_compile=False)
        with fits("validation_data"):
            found = model.evaluate(**fit_arguments(validation_data), verbose=0, return_dict=True)
        values = [value for name, value in found.items() if not name.endswith("loss")]
        if not values:
            raise no_batches("validation_data")
        return float(values[0])


def fresh_optimizer(model: Any, given: Any) -> Any:
    """Return the optimizer whose settings fine-tuning uses.

    Raises:
        ConfigError: `given` has been used for a model with different sizes, or is unknown.
    """
    if given is None:
        return getattr(model, "optimizer", None) or keras.optimizers.Adam()
    try:
        optimizer = keras.optimizers.get(given)
        is_one = isinstance(optimizer, keras.optimizers.Optimizer)
    except (KeyError, TypeError, ValueError):
        is_one = False
    if not is_one:
        raise ConfigError(
            f"optimizer={given!r} is not known.", "Pass a keras.optimizers.Optimizer or its name."
        )
    if optimizer.built:
        raise ConfigError(
            f"{type(optimizer).__name__} holds the state of a model with different sizes.",
            "Pass a new one: type(optimizer).from_config(optimizer.get_config()).",
        )
    return optimizer
