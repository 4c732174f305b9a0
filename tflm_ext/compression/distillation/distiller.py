"""Distiller: trains a student with a teacher, as a Keras model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tflm_ext.compression.checks import NeedsBatches, check_batched, fits
from tflm_ext.compression.distillation.callback import StopAtNaN
from tflm_ext.compression.distillation.features import FeatureMatching, pairs
from tflm_ext.compression.distillation.losses import (
    OutputDistillation,
    check_heads,
    check_settings,
    heads,
    mixed,
    regularization,
    replicas,
)
from tflm_ext.compression.distillation.models import check_pair, graph, output_names, tapped
from tflm_ext.compression.distillation.teacher import Teacher, TeacherOutputs, split
from tflm_ext.errors import ConfigError
from tflm_ext.qat.checks import check_optimizer


@keras.saving.register_keras_serializable(package="tflm_ext")
class Distiller(keras.distillation.Distiller):  # type: ignore[misc]
    """Train a small student on the outputs of a large teacher, which say more than labels.

    Use it if a small network alone is much less accurate than a large one, and you have time for
    long training; if both are about as accurate, it gains nothing. It does not make a model
    smaller: the student is as small as you build it, or as tflm_ext.prune_channels() makes it. If a
    layer of the student is too narrow, the result may even be worse than that of plain training:
    compare on validation data.

        student.summary()
        distiller = tflm_ext.Distiller(student, teacher, temperature=4, alpha=0.7)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        distiller.compile("adam", loss, metrics=["accuracy"])
        distiller.fit(x_train, y_train, validation_data=(x_val, y_val), epochs=20)
        tflm_ext.export(student, "small", calibration_data=x_train[:200])

    The loss is (1 - alpha) * yours + alpha * the teacher's. For each output, the loss in compile()
    determines the teacher's part: for classes, T² times the Kullback-Leibler divergence of the
    outputs softened by the temperature T (Hinton et al., 2015, "Distilling the Knowledge in a
    Neural Network"); for binary crossentropy, the same with sigmoids; otherwise the mean squared
    difference. sample_weight, class_weight and loss_weights apply to both parts. This class is
    based on keras.distillation.Distiller, but has its own losses, because Keras' losses ignore
    weights and regularizers, and run the student twice if features are matched.

    Args:
        student: a Keras 3 model, Sequential or functional. It is trained and otherwise unchanged:
            save and export it as it is.
        teacher: a trained model with the same inputs and outputs. It is not changed.
        temperature: T, greater than 0.
        alpha: the teacher's weight in the loss, 0 to 1. With 1, compile() needs no loss.
        features: pairs (layer of the student, layer of the teacher) whose outputs should be similar
            (after Romero et al., 2015, "FitNets"). The mean squared difference is added to the
            teacher's part, after averaging down to the smaller height and width and, if the
            channels differ, through a trained projection. An optional third entry is its weight.
            Projections belong to the distiller.
        strip_softmax: accept softmax and sigmoid heads: the teacher's part then uses the logits
            before them, and your loss and metrics the probabilities.
        outputs: "classes", "binary" or "regression" if the loss does not imply it, or a list or
            dict with one for each output.
        name: of the distiller.
        **kwargs: passed to keras.Model.

    Attributes:
        student: the student.
        teacher: the teacher as a constant; the model itself is teacher.model.

    Raises:
        ConfigError: an argument cannot be used, a layer does not exist, or layers cannot be
            compared.
        UnsupportedModelError: a softmax head, or a teacher with other inputs or outputs.
    """

    def __init__(
        self,
        student: Any,
        teacher: Any,
        *,
        temperature: float = 4.0,
        alpha: float = 0.5,
        features: Sequence[Sequence[Any]] | None = None,
        strip_softmax: bool = False,
        outputs: Any = None,
        name: str = "distiller",
        **kwargs: Any,
    ) -> None:
        check_settings(temperature, alpha)
        check_pair(student, teacher)
        check_heads(student, "student", strip_softmax)
        check_heads(teacher, "teacher", strip_softmax)
        found = pairs(features)
        constant = Teacher(teacher, [pair[1] for pair in found])
        view = tapped(student, [pair[0] for pair in found], "student")
        super().__init__(
            teacher=constant,
            student=student,
            distillation_losses=[],
            student_loss_weight=1 - float(alpha),
            name=name,
            **{"autocast": False, **kwargs},
        )
        self.temperature = float(temperature)
        self.alpha = float(alpha)
        self.strip_softmax = strip_softmax
        self._pairs = tuple(found)
        self._outputs = outputs
        # Hidden from Keras, which would treat it as a second student.
        object.__setattr__(self, "_view", view)
        self._tapped = threading.local()  # replicas of a strategy trace in their own threads
        count = len(student.outputs)
        shapes = [tuple(tensor.shape[1:]) for tensor in view.outputs]
        self.matchings = [
            FeatureMatching((ours, theirs), shape, constant.shapes[count + i], weight)
            for i, ((ours, theirs, weight), shape) in enumerate(
                zip(found, shapes[count:], strict=True)
            )
        ]
        # The names that losses and metrics use.
        self.output_names = output_names(student)
        self.built = True

    def compile(
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Compile with the arguments for the student.

        Raises:
            ConfigError: there is no loss, or it does not match the student's head.
            UnsupportedModelError: the head is a sigmoid with binary crossentropy.
        """
        if loss is None and self.alpha < 1:
            raise ConfigError(
                "compile() has no loss, but with this alpha the loss on the labels has a weight "
                f"of {1 - self.alpha:g}.",
                "Pass the loss on your labels, or alpha=1 to learn from the teacher only.",
            )
        found = heads(
            self.student,
            self.teacher.model,
            loss=loss,
            loss_weights=kwargs.get("loss_weights"),
            outputs=self._outputs,
            strip_softmax=self.strip_softmax,
        )
        self.distillation_losses = [OutputDistillation(found, self.temperature)]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as before saving."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Train like any model.

        Raises:
            ConfigError: the loss became NaN; the data has ended, cannot be read or does not match;
                or the optimizer was used for a different model.
        """
        check_batched(self.student, x, "The training data")
        check_optimizer(self)
        watches = (StopAtNaN(), NeedsBatches("The training data"))
        if isinstance(callbacks, keras.callbacks.CallbackList):
            for watch in watches:
                callbacks.append(watch)
        else:
            callbacks = [*keras.tree.flatten(callbacks or []), *watches]
        with fits("The training data"):
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Return the student's outputs."""
        x, _ = split(inputs)
        if not self.matchings:
            return self.student(x, training=training, **kwargs)
        outputs = self._view(x, training=training)
        count = len(self.student.outputs)
        self._tapped.features = outputs[count:]
        return keras.tree.pack_sequence_as(graph(self.student).output, outputs[:count])

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss in the class description, for the latest result of call().

        Returns:
            A scalar; its parts go to the metrics student_loss and distillation_loss.
        """
        x, known = split(x)
        taught = ops.zeros(())
        if self.alpha > 0:
            teacher = self.teacher(x) if known is None else self.teacher.check(known)
            count = len(self.student.outputs)
            taught = self.distillation_losses[0].compute_loss(
                teacher[:count], y_pred, sample_weight=sample_weight
            )
            if self.matchings:
                weight = None if keras.tree.is_nested(sample_weight) else sample_weight
                features = zip(self.matchings, self._tapped.features, teacher[count:], strict=True)
                taught += sum(match(ours, theirs, weight) for match, ours, theirs in features)
        labelled = ops.zeros(())
        additional = regularization(self)
        if y is not None and self._compile_loss is not None:
            loss = keras.Model.compute_loss(self, x, y, y_pred, sample_weight, training)
            labelled = loss - additional
        result = mixed(labelled, taught, additional, self.alpha)
        samples = ops.shape(keras.tree.flatten(x)[0])[0]
        for tracker, value in (
            (self.student_loss_tracker, labelled),
            (self.distillation_loss_tracker, taught),
            (self.total_loss_tracker, result),
        ):
            tracker.update_state(value * replicas(), sample_weight=samples)
        return result

    def teacher_outputs(self, data: Any, batch_size: int = 32) -> TeacherOutputs:
        """Run the teacher over the data once; attach() the result to the data given to fit().

        Args:
            data: the inputs, or a batched tf.data.Dataset; see TeacherOutputs.compute().
            batch_size: for arrays.
        """
        layers = [pair[1] for pair in self._pairs]
        return TeacherOutputs.compute(
            self.teacher.model, data, features=layers, batch_size=batch_size
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        models = {
            role: keras.saving.serialize_keras_object(model)
            for role, model in (("student", self.student), ("teacher", self.teacher.model))
        }
        return {
            **models,
            "temperature": self.temperature,
            "alpha": self.alpha,
            "features": [list(pair) for pair in self._pairs],
            "strip_softmax": self.strip_softmax,
            "outputs": self._outputs,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Distiller:
        """Build the distiller from a configuration, with its own models."""
        models = {
            role: keras.saving.deserialize_keras_object(config[role], custom_objects)
            for role in ("student", "teacher")
        }
        return cls(**{**config, **models})
