"""Distillation inside the student's own fit(), and a check for NaN."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from tflm_ext.compression.callback import TrainingCallback
from tflm_ext.compression.distillation.losses import (
    OutputDistillation,
    check_heads,
    check_settings,
    heads,
    mixed,
    regularization,
)
from tflm_ext.compression.distillation.models import check_model, check_pair
from tflm_ext.compression.distillation.teacher import Teacher, split
from tflm_ext.errors import ConfigError


class StopAtNaN(TrainingCallback):
    """Ends training with an error if the loss is not finite."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the loss.

        Raises:
            ConfigError: it is not finite, and no other callback has stopped training because of it.
        """
        logs = logs or {}
        if math.isfinite(logs.get("loss", 0.0)) or self.model.stop_training:
            return
        parts = {"student_loss": "the loss on the labels", "distillation_loss": "the teacher's"}
        bad = [text for key, text in parts.items() if not math.isfinite(logs.get(key, 0.0))]
        raise ConfigError(
            f"The loss is {logs['loss']} in batch {batch + 1} of epoch {self._epoch + 1}"
            + (f" ({' and '.join(bad)})." if bad else "."),
            "Lower the learning rate, and look for NaN in the training data.",
        )


class DistillationCallback(StopAtNaN):
    """Distiller as a callback for an ordinary fit(): teaches the model that is being fitted.

    Use it instead of Distiller if other callbacks must see the student itself:

        student.compile("adam", loss, metrics=["accuracy"])
        student.fit(x_train, y_train, epochs=20, callbacks=[
            tflm_ext.DistillationCallback(teacher, temperature=4, alpha=0.7),
            tflm_ext.SparsityCallback(0.75),
        ])

    The training loss and the steps are those of Distiller with the same arguments; evaluate() and
    val_loss show your own loss. The arguments of compile() and what save() writes are not changed.
    Use a Distiller instead for features, because it can hold the projections, and for
    TeacherOutputs in the scope of a tf.distribute strategy, because Keras calls the student there
    before any callback. The callback needs Keras' TensorFlow backend.

    Args:
        teacher: a trained model with the inputs and outputs of the fitted one. It is not changed.
        temperature: see Distiller.
        alpha: see Distiller.
        strip_softmax: see Distiller.
        outputs: see Distiller.

    Raises:
        ConfigError: an argument cannot be used or, when training begins, the loss does not fit the
            head.
        UnsupportedModelError: a softmax head or, when training begins, a teacher with other inputs
            or outputs.
    """

    def __init__(
        self,
        teacher: Any,
        *,
        temperature: float = 4.0,
        alpha: float = 0.5,
        strip_softmax: bool = False,
        outputs: Any = None,
    ) -> None:
        super().__init__()
        check_settings(temperature, alpha)
        check_model(teacher, "teacher")
        check_heads(teacher, "teacher", strip_softmax)
        self.teacher = teacher
        self.temperature = float(temperature)
        self.alpha = float(alpha)
        self.strip_softmax = strip_softmax
        self.outputs = outputs
        self._expected = False
        self._attached = threading.local()  # replicas of a strategy trace in their own threads

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "teacher": keras.saving.serialize_keras_object(self.teacher),
            "temperature": self.temperature,
            "alpha": self.alpha,
            "strip_softmax": self.strip_softmax,
            "outputs": self.outputs,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DistillationCallback:
        """Build the callback from a configuration, with its own teacher, without weights."""
        teacher = keras.saving.deserialize_keras_object(config["teacher"])
        return cls(**{**config, "teacher": teacher})

    def on_train_begin(self, logs: Any = None) -> None:
        """Replace the model's training step with one that includes the teacher.

        Raises:
            ConfigError: the loss does not match the head.
            UnsupportedModelError: the head is a softmax, or the teacher's inputs or outputs differ.
        """
        model = self.model
        check_pair(model, self.teacher)
        check_heads(model, "student", self.strip_softmax)
        if model.loss is None and self.alpha < 1:
            raise ConfigError(
                "The model has no loss, but with this alpha the loss on the labels has a weight "
                f"of {1 - self.alpha:g}.",
                "Compile it with the loss on your labels, or pass alpha=1.",
            )
        found = heads(
            model,
            self.teacher,
            loss=model.loss,
            loss_weights=model._compile_config.config["loss_weights"],
            outputs=self.outputs,
            strip_softmax=self.strip_softmax,
        )
        self._constant = Teacher(self.teacher)
        self._losses = OutputDistillation(found, self.temperature)
        self._own = {"train_step": model.train_step, "compute_loss": model.compute_loss}
        with self._installed():
            model.make_train_function(force=True)
        step = model.train_function
        model.train_function = lambda iterator: self._run(step, iterator)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Prepare the step with the teacher."""
        self._expected = True

    def on_train_end(self, logs: Any = None) -> None:
        """Restore the model's own step for the next fit()."""
        self.model.train_function = None

    def _run(self, step: Callable[[Any], Any], iterator: Any) -> Any:
        if not self._expected:
            # An interrupted fit() left this, and this fit() has no teacher.
            self.model.make_train_function(force=True)
            return self.model.train_function(iterator)
        self._expected = False
        with self._installed():
            return step(iterator)

    @contextmanager
    def _installed(self) -> Iterator[None]:
        """Replace the model's methods while something may be traced."""
        ours = {"train_step": self._train_step, "compute_loss": self._compute_loss}
        attributes = self.model.__dict__  # bypasses Keras' own way of setting attributes
        before = {name: attributes[name] for name in ours if name in attributes}
        attributes.update(ours)
        try:
            yield
        finally:
            for name in ours:
                del attributes[name]
            attributes.update(before)

    def _train_step(self, data: Any) -> Any:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, self._attached.outputs = split(x)
        return self._own["train_step"](keras.utils.pack_x_y_sample_weight(x, y, sample_weight))

    def _compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        known = self._attached.outputs
        taught = ops.zeros(())
        if self.alpha > 0:
            teacher = self._constant(x) if known is None else self._constant.check(known)
            taught = self._losses.compute_loss(teacher, y_pred, sample_weight=sample_weight)
        labelled = ops.zeros(())
        additional = regularization(self.model)
        if y is not None and self.model.loss is not None:
            loss = self._own["compute_loss"](x, y, y_pred, sample_weight, training)
            labelled = loss - additional
        return mixed(labelled, taught, additional, self.alpha)
