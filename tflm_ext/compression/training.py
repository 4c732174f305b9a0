"""Training between the steps of compress(), for models of both Keras libraries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from tflm_ext.compression.channels.tune import objective_of
from tflm_ext.compression.checks import NeedsBatches, check_weights, fits
from tflm_ext.compression.data import Data
from tflm_ext.compression.distillation import Distiller, TeacherOutputs
from tflm_ext.compression.distillation.losses import heads
from tflm_ext.compression.recipe import Recipe
from tflm_ext.compression.stored import TrainingState
from tflm_ext.convert.order import library
from tflm_ext.errors import ConfigError, UnsupportedModelError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """How models are trained.

    Attributes:
        given: the user's model, which is also the teacher; it is not changed.
        loss, loss_weights: as in compile().
        distill: whether the given model is the teacher.
        attached: the training data, with the teacher's outputs if they could be computed once.
    """

    given: Any
    loss: Any
    loss_weights: Any
    recipe: Recipe
    data: Data
    distill: bool
    attached: Any

    @classmethod
    def of(cls, given: Any, loss: Any, recipe: Recipe, data: Data) -> Training:
        """Take settings from the compiled model.

        Raises:
            ConfigError: the model has no loss, or one that distillation cannot use.
        """
        objective = objective_of(given, loss)
        if objective is None:
            raise ConfigError(
                f"Model {given.name!r} is not compiled: there is no loss to train with.",
                'Compile it, or pass loss="sparse_categorical_crossentropy" or another loss.',
            )
        loss, weights = objective["loss"], objective.get("loss_weights")
        distill = recipe.temperature is not None and recipe.alpha > 0
        if distill:
            _check_teacher(given, loss, weights)
        return cls(given, loss, weights, recipe, data, distill, data.train)

    def prepared(self, say: Progress) -> Training:
        """Run the teacher over arrays once, instead of in every epoch."""
        if not self.distill or not self.data.in_memory:
            return self
        say("running the teacher")
        x, *others = self.data.train
        outputs = TeacherOutputs.compute(self.given, x)
        return replace(self, attached=(outputs.attach(x), *others))

    def fit(
        self,
        model: Any,
        epochs: int,
        title: str,
        say: Progress,
        *,
        rate: float = 1.0,
        callbacks: tuple[Any, ...] = (),
        backup: Path | None = None,
    ) -> None:
        """Train one of our own models in place.

        Args:
            rate: multiplies the recipe's learning rate.
            callbacks: callbacks that constrain weights; they are called last.
            backup: file for the state after each epoch, to resume an interrupted fit().

        Raises:
            ConfigError: the loss is not finite, or the data does not match the model.
        """
        trained, data = model, self.data.train
        if self.distill:
            trained = Distiller(
                model,
                self.given,
                temperature=self.recipe.temperature or 1.0,
                alpha=self.recipe.alpha,
                strip_softmax=True,
            )
            data = self.attached
        package = self._package()
        trained.compile(
            optimizer=self.optimizer(epochs, rate), loss=self.loss, loss_weights=self.loss_weights
        )
        watch = package.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: say(f"{title}: epoch {epoch + 1} of {epochs}"),
            on_epoch_end=lambda epoch, logs: _check_loss(title, epoch, logs),
        )
        every = [watch, NeedsBatches("train_data"), *callbacks]
        begin = 0
        if backup is not None:
            state = TrainingState(backup, model, trained)
            begin = state.restore()
            every.append(
                package.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: state.save(epoch + 1)
                )
            )
        arguments: dict[str, Any] = {"x": data}
        if self.data.in_memory:
            arguments = dict(zip(("x", "y", "sample_weight"), data, strict=False))
            arguments["batch_size"] = self.recipe.batch_size
        with fits("train_data"):
            trained.fit(**arguments, initial_epoch=begin, epochs=epochs, verbose=0, callbacks=every)
        check_weights(model, f"the model after {title}")
        if backup is not None:
            backup.unlink(missing_ok=True)

    def optimizer(self, epochs: int, rate: float) -> Any:
        """Return a new optimizer of the class that the model was compiled with, or else Adam."""
        package = self._package()
        schedule: Any = rate * self.recipe.learning_rate
        steps = self.data.steps(self.recipe.batch_size)
        if steps is not None:
            schedule = package.optimizers.schedules.CosineDecay(schedule, max(1, steps * epochs))
        old = getattr(self.given, "optimizer", None)
        # Keras scales the loss itself if the dtype requires it.
        old = getattr(old, "inner_optimizer", old)
        if old is None:
            return package.optimizers.Adam(schedule)
        config = {**old.get_config(), "learning_rate": schedule}
        return type(old).from_config(config)

    def _package(self) -> Any:
        if library(self.given) == "keras":
            return keras
        import tf_keras

        return tf_keras


def _check_teacher(given: Any, loss: Any, weights: Any) -> None:
    """Check early that the given model can be the teacher."""
    try:
        heads(given, given, loss=loss, loss_weights=weights, outputs=None, strip_softmax=True)
    except (ConfigError, UnsupportedModelError) as error:
        raise ConfigError(
            f"The model cannot be the teacher of its smaller version: {error.problem}",
            "Disable distillation with Recipe(temperature=None), or compile the model with one of "
            "Keras' own losses.",
        ) from error


def _check_loss(title: str, epoch: int, logs: Any) -> None:
    loss = (logs or {}).get("loss")
    if loss is not None and not math.isfinite(loss):
        raise ConfigError(
            f"The loss became {float(loss)} in epoch {epoch + 1} of the step {title!r}.",
            "Pass a recipe with a lower learning_rate, and look for unusual values in the data.",
        )
