"""The teacher's part of the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import tensorflow as tf
from keras import ops

from tflm_ext.compression.arguments import is_number
from tflm_ext.compression.distillation.models import activations, output_names
from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.near import did_you_mean, unknown

Kind = Literal["classes", "binary", "regression"]

_KINDS: dict[str, Kind] = {
    "categorical_crossentropy": "classes",
    "sparse_categorical_crossentropy": "classes",
    "categorical_focal_crossentropy": "classes",
    "kl_divergence": "classes",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "mean_squared_error": "regression",
    "mean_absolute_error": "regression",
    "mean_absolute_percentage_error": "regression",
    "mean_squared_logarithmic_error": "regression",
    "huber": "regression",
    "log_cosh": "regression",
    "cosine_similarity": "regression",
    "poisson": "regression",
}
_MEANINGS = ("classes", "binary", "regression")
_ACTIVATION = {"classes": "softmax", "binary": "sigmoid"}
_TINIEST = 1.2e-38  # the smallest normal float32


class SoftTargets(keras.losses.Loss):  # type: ignore[misc]
    """Kullback-Leibler divergence of the student from the teacher, both softened.

    T² * KL(softmax(teacher / T) || softmax(student / T)) along the last axis: the factor keeps the
    gradients at the same size for all temperatures (Hinton et al., 2015).

    Args:
        temperature: T.
        binary: every value is a separate class, with sigmoid instead of softmax.
        from_probabilities: whether the teacher and the student give probabilities, not logits.
        **options: of a loss.
    """

    def __init__(
        self,
        temperature: float,
        *,
        binary: bool = False,
        from_probabilities: tuple[bool, bool] = (False, False),
        **options: Any,
    ) -> None:
        super().__init__(**{"name": "soft_targets", **options})
        self.temperature = temperature
        self.binary = binary
        self.from_probabilities = tuple(from_probabilities)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The divergence of every sample, or of every place in it.

        Args:
            y_true: the teacher's outputs, (batch, ..., classes).
            y_pred: the student's, of the same shape.
        """
        teacher, student = (
            (self._logits(values) if probable else values) / self.temperature
            for values, probable in zip((y_true, y_pred), self.from_probabilities, strict=True)
        )
        if self.binary:
            terms = sum(
                ops.sigmoid(t) * (ops.log_sigmoid(t) - ops.log_sigmoid(s))
                for t, s in ((teacher, student), (-teacher, -student))
            )
            divergence = ops.mean(terms, axis=-1)
        else:
            log = ops.log_softmax(teacher)
            divergence = ops.sum(ops.exp(log) * (log - ops.log_softmax(student)), axis=-1)
        return self.temperature**2 * divergence

    def _logits(self, probabilities: Any) -> Any:
        if self.binary:
            p = ops.clip(probabilities, keras.config.epsilon(), 1.0 - keras.config.epsilon())
            return ops.log(p) - ops.log1p(-p)
        # These equal the logits up to a constant, which does not change a softmax.
        return ops.log(ops.maximum(probabilities, _TINIEST))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "binary": self.binary,
            "from_probabilities": self.from_probabilities,
        }


@dataclass(frozen=True, slots=True)
class Head:
    """What the student learns from the teacher at one output.

    Attributes:
        kind: None if nothing.
        weight: of compile(loss_weights=).
        from_probabilities: whether the teacher and the student give probabilities there.
    """

    kind: Kind | None
    weight: float
    from_probabilities: tuple[bool, bool]

    def loss(self, temperature: float) -> Any:
        """A keras.losses.Loss on the teacher's and the student's outputs."""
        if self.kind == "regression":
            return keras.losses.MeanSquaredError()
        return SoftTargets(
            temperature,
            binary=self.kind == "binary",
            from_probabilities=self.from_probabilities,
        )


class OutputDistillation(keras.distillation.DistillationLoss):  # type: ignore[misc]
    """The weighted sum of what the student learns at all outputs."""

    def __init__(self, heads: Sequence[Head], temperature: float) -> None:
        self._terms = [(head, head.loss(temperature)) for head in heads]

    def compute_loss(
        self,
        teacher_outputs: Any,
        student_outputs: Any,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A scalar.

        Args:
            teacher_outputs: one tensor per output.
            student_outputs: the same of the student.
            sample_weight: as in fit(): one for all outputs, or one for each.
            **kwargs: not used.
        """
        del kwargs
        teachers, students = (
            keras.tree.flatten(teacher_outputs),
            keras.tree.flatten(student_outputs),
        )
        weights = (
            keras.tree.flatten(sample_weight)
            if keras.tree.is_nested(sample_weight)
            else [sample_weight] * len(students)
        )
        total = ops.zeros(())
        for (head, loss), teacher, student, weight in zip(
            self._terms, teachers, students, weights, strict=True
        ):
            if head.kind is not None:
                total = total + head.weight * loss(teacher, student, weight)
        return total


def mixed(labelled: Any, taught: Any, additional: Any, alpha: float) -> Any:
    """The total loss: the weighted sum of both parts, plus the regularizers."""
    return (1 - alpha) * labelled + alpha * taught + additional


def regularization(model: Any) -> Any:
    """The losses of a model's regularizers and add_loss() as Model.compute_loss() counts them."""
    terms = [ops.sum(ops.cast(loss, "float32")) for loss in model.losses]
    return sum(terms, start=ops.zeros(())) / replicas()


def replicas() -> int:
    """The divisor that Keras applies to every loss, so that the sum over replicas is correct."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def check_settings(temperature: float, alpha: float) -> None:
    """Refuse numbers that are out of range.

    Raises:
        ConfigError: naming the argument.
    """
    if not is_number(temperature) or not 0 < temperature < math.inf:
        raise ConfigError(
            f"temperature={temperature!r} is not a positive number.",
            "Pass a number from 1 (the teacher's probabilities as they are) to 20; 4 is usual.",
        )
    if not is_number(alpha) or not 0 <= alpha <= 1:
        raise ConfigError(
            f"alpha={alpha!r} is not between 0 and 1.",
            "Pass the teacher's weight in the loss: 0 uses labels only, 1 the teacher only.",
        )


def check_heads(model: Any, role: str, strip_softmax: bool) -> None:
    """Refuse a softmax head, unless it is to be stripped.

    Raises:
        UnsupportedModelError: naming the output.
    """
    for name, activation in zip(output_names(model), activations(model), strict=True):
        if activation == "softmax" and not strip_softmax:
            raise UnsupportedModelError(
                f"Output {name!r} of the {role} is a softmax; distillation works on logits.",
                "Pass strip_softmax=True, which uses the logits before it and does not change the "
                "model, or build both models without it and use losses with from_logits=True.",
            )


def heads(
    student: Any,
    teacher: Any,
    *,
    loss: Any,
    loss_weights: Any,
    outputs: Any,
    strip_softmax: bool,
) -> list[Head]:
    """Decide what is learned at every output.

    Args:
        student: the student.
        teacher: the teacher.
        loss: of compile(), from which the kind follows where `outputs` does not imply it.
        loss_weights: of compile().
        outputs: "classes", "binary" or "regression"; or a list or dict of these and None.
        strip_softmax: whether heads may give probabilities.

    Raises:
        ConfigError: the kind is not clear, or the loss does not fit the head.
        UnsupportedModelError: a sigmoid head that is not to be stripped.
    """
    names = output_names(student)
    told = _per_output(outputs, names, "outputs")
    losses = _per_output(loss, names, "loss") if None in told else [None] * len(names)
    weights = _per_output(loss_weights, names, "loss_weights")
    found = []
    for name, kind, own, weight, theirs, ours in zip(
        names, told, losses, weights, activations(teacher), activations(student), strict=True
    ):
        if kind not in (None, *_MEANINGS):
            raise unknown(f"outputs names {kind!r} for output {name!r}.", kind, _MEANINGS)
        learned = kind
        if kind is None and own is not None:
            learned = _kind(own, name, ours, student)
        elif kind is None and loss is None and outputs is None:
            if ours != "softmax":
                raise _unclear(name, "there is no loss to infer it from")
            learned = "classes"
        activation = _ACTIVATION.get(learned or "")
        probable = (theirs == activation, ours == activation) if activation else (False, False)
        if learned == "binary" and any(probable) and not strip_softmax:
            raise UnsupportedModelError(
                f"Output {name!r} is a sigmoid; distillation works on logits.",
                "Pass strip_softmax=True, which uses the logits before it; or build both models"
                ' without it; or pass outputs="regression" to match its values.',
            )
        found.append(Head(learned, 1.0 if weight is None else float(weight), probable))
    return found


def _kind(loss: Any, name: str, activation: str | None, student: Any) -> Kind:
    shape = student.outputs[output_names(student).index(name)].shape
    if isinstance(loss, str) and loss.lower() in {"ce", "crossentropy"}:
        loss = "binary_crossentropy" if shape[-1] == 1 else "categorical_crossentropy"
    loss = keras.losses.get(loss)
    function = getattr(loss, "fn", loss)
    kind = _KINDS.get(getattr(function, "__name__", ""))
    own = getattr(function, "__module__", "").startswith("keras.")
    if kind is None or not own:
        called = getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__))
        raise _unclear(name, f"its loss, {called}, does not imply it")
    from_logits = isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits")
    if kind in _ACTIVATION and activation == "linear" and not from_logits:
        raise ConfigError(
            f"Output {name!r} of the student returns logits, but its loss expects probabilities.",
            "Use the loss with from_logits=True, such as"
            " keras.losses.SparseCategoricalCrossentropy(from_logits=True).",
        )
    return kind


def _unclear(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"The meaning of output {name!r} of the student is unclear: {why}.",
        'Pass outputs="classes" (logits), "binary" or "regression", or a list or dict of these.',
    )


def _per_output(value: Any, names: list[str], argument: str) -> list[Any]:
    if isinstance(value, Mapping):
        if others := sorted(set(map(str, value)) - set(names)):
            raise ConfigError(
                f"{argument} names {others[0]!r}, which is not an output of the student.",
                f"{did_you_mean(others[0], names)}Choose from: {', '.join(names)}.",
            )
        return [value.get(name) for name in names]
    if isinstance(value, list | tuple):
        if len(value) != len(names):
            raise ConfigError(
                f"{argument} has {len(value)} entries, but the student has {len(names)} outputs.",
                "Pass one for every output.",
            )
        return list(value)
    return [value] * len(names)
