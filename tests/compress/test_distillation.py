"""Distiller, DistillationCallback and TeacherOutputs, against NumPy and against each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compress.streams import ending, raising, unbatched
from tests.conftest import ROOT
from tflm_ext.errors import ConfigError, StorageError, UnsupportedModelError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 40)
WEIGHTS = RNG.random(40).astype(np.float32)


@pytest.fixture(scope="module")
def tf() -> Any:
    import tensorflow as tf

    return tf


@pytest.fixture(scope="module")
def tflm_ext() -> Any:
    import tflm_ext

    return tflm_ext


Net = Callable[..., Any]


@pytest.fixture(scope="module")
def net(keras: Any) -> Net:
    def build(units: int, seed: int, head: str | None = None, **options: Any) -> Any:
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        return keras.Sequential(
            [
                layers.Input((6,)),
                layers.Dense(units, activation="relu", name="hidden"),
                layers.BatchNormalization(name="norm"),
                layers.Dense(3, activation=head, name="scores", **options),
            ]
        )

    return build


@pytest.fixture(scope="module")
def crossentropy(keras: Any) -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def softmax(logits: Any, temperature: float = 1.0) -> Any:
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def divergence(teacher: Any, student: Any, temperature: float) -> Any:
    p, q = softmax(teacher, temperature), softmax(student, temperature)
    return temperature**2 * (p * (np.log(p) - np.log(q))).sum(-1)


def labelled(logits: Any, labels: Any) -> Any:
    return -np.log(softmax(logits)[np.arange(len(labels)), labels])


# The loss.


@pytest.mark.parametrize("temperature", [1.0, 2.5, 20.0])
@pytest.mark.parametrize("probabilities", [(False, False), (True, False), (True, True)])
def test_divergence_and_its_gradient(
    tf: Any, temperature: float, probabilities: tuple[bool, bool]
) -> None:
    from tflm_ext.compression.distillation.losses import SoftTargets

    teacher = RNG.normal(0, 6, (5, 4)).astype(np.float32)
    student = RNG.normal(0, 6, (5, 4)).astype(np.float32)
    loss = SoftTargets(temperature, from_probabilities=probabilities)
    z = tf.Variable(student)
    with tf.GradientTape() as tape:
        given = tf.nn.softmax(teacher) if probabilities[0] else teacher
        value = loss(given, tf.nn.softmax(z) if probabilities[1] else z)
    expected = divergence(teacher, student, temperature).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    slope = temperature * (softmax(student, temperature) - softmax(teacher, temperature)) / 5
    np.testing.assert_allclose(tape.gradient(value, z), slope, rtol=1e-3, atol=1e-5)


def test_divergence_of_sigmoids_and_its_gradient(tf: Any) -> None:
    from tflm_ext.compression.distillation.losses import SoftTargets

    teacher, student = RNG.normal(0, 3, (2, 5, 4)).astype(np.float32)
    z = tf.Variable(student)
    p, q = (1 / (1 + np.exp(-v.astype(np.float64) / 3)) for v in (teacher, student))
    expected = 9 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    for probabilities in ((False, False), (True, True)):
        with tf.GradientTape() as tape:
            loss = SoftTargets(3.0, binary=True, from_probabilities=probabilities)
            if probabilities[0]:
                value = loss(tf.sigmoid(teacher), tf.sigmoid(z))
            else:
                value = loss(teacher, z)
        np.testing.assert_allclose(value, expected.mean(), rtol=1e-4)
        np.testing.assert_allclose(tape.gradient(value, z), 3 * (q - p) / 20, rtol=2e-3, atol=1e-6)


def test_gradient_stays_of_one_size_when_it_gets_hot(tf: Any) -> None:
    """At high temperatures it is the centred difference of the logits (Hinton et al., 2015)."""
    from tflm_ext.compression.distillation.losses import SoftTargets

    teacher, student = RNG.normal(0, 1, (2, 1, 4)).astype(np.float32)
    z = tf.Variable(student)
    with tf.GradientTape() as tape:
        value = SoftTargets(200.0)(teacher, z)
    difference = student - teacher
    limit = (difference - difference.mean()) / 4
    np.testing.assert_allclose(tape.gradient(value, z), limit, atol=0.01)


def test_a_perfect_student_has_no_loss_even_where_softmax_underflows(tf: Any) -> None:
    from tflm_ext.compression.distillation.losses import SoftTargets

    logits = np.array([[300.0, 0.0, -300.0]], np.float32)
    assert float(SoftTargets(4.0)(logits, logits)) == 0.0
    probabilities = tf.Variable(tf.nn.softmax(logits))
    with tf.GradientTape() as tape:
        value = SoftTargets(4.0, from_probabilities=(True, True))(probabilities, probabilities)
    assert float(value) == 0.0
    assert np.isfinite(tape.gradient(value, probabilities)).all()


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_loss_of_the_distiller(
    tflm_ext: Any, net: Net, crossentropy: Any, keras: Any, alpha: float
) -> None:
    student = net(4, 1, kernel_regularizer=keras.regularizers.L2(0.1))
    teacher = net(8, 2)
    distiller = tflm_ext.Distiller(student, teacher, temperature=3.0, alpha=alpha)
    distiller.compile("sgd", crossentropy, metrics=["accuracy"])
    got = distiller.evaluate(X, Y, sample_weight=WEIGHTS, return_dict=True, verbose=0)
    ours, theirs = student.predict(X, verbose=0), teacher.predict(X, verbose=0)
    own = np.mean(WEIGHTS * labelled(ours, Y))
    taught = np.mean(WEIGHTS * divergence(theirs, ours, 3.0))
    penalty = 0.1 * np.square(student.layers[-1].kernel).sum()
    expected = (1 - alpha) * own + alpha * taught + penalty
    np.testing.assert_allclose(got["loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(got["student_loss"], own, rtol=1e-4)
    np.testing.assert_allclose(got["distillation_loss"], taught, rtol=1e-4)
    assert got["accuracy"] == pytest.approx(np.mean(ours.argmax(1) == Y))
    np.testing.assert_array_equal(distiller.predict(X, verbose=0), ours)


def test_it_is_a_distiller_of_keras(tflm_ext: Any, net: Net, keras: Any) -> None:
    distiller = tflm_ext.Distiller(net(4, 1), net(8, 2), alpha=0.25)
    assert isinstance(distiller, keras.distillation.Distiller)
    assert distiller.student_loss_weight == 0.75


def test_nothing_of_the_teacher_changes(tflm_ext: Any, net: Net, crossentropy: Any) -> None:
    student, teacher = net(4, 1), net(8, 2)
    before = teacher.get_weights()
    flags = [layer.trainable for layer in teacher.layers]
    distiller = tflm_ext.Distiller(student, teacher, features=[("hidden", "hidden")])
    distiller.compile("adam", crossentropy)
    distiller.fit(X, Y, epochs=2, verbose=0)
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert [layer.trainable for layer in teacher.layers] == flags and teacher.trainable
    theirs = {id(variable) for variable in teacher.variables}
    assert not theirs & {id(variable) for variable in distiller.variables}
    assert not teacher.compiled


# Fitting.


def train(
    tflm_ext: Any,
    keras: Any,
    net: Net,
    loss: Any,
    how: str,
    x: Any = X,
    y: Any = Y,
    head: str | None = None,
    **arguments: Any,
) -> tuple[Any, list[Any], Any]:
    """History, weights of the student, and the model that was fitted."""
    student, teacher = net(4, 1, head), net(8, 2, head)
    options = {"temperature": 2.0, "alpha": 0.6, "strip_softmax": head is not None}
    callbacks = []
    model = student
    if how == "distiller":
        model = tflm_ext.Distiller(student, teacher, **options)
    else:
        callbacks = [tflm_ext.DistillationCallback(teacher, **options)]
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    keras.utils.set_random_seed(7)
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks, **arguments).history
    return history, student.get_weights(), model


@pytest.mark.parametrize(
    "arguments",
    [
        {"sample_weight": WEIGHTS, "batch_size": 16},
        {"head": "softmax", "validation_split": 0.25},
    ],
)
def test_both_forms_train_alike(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any, arguments: dict[str, Any]
) -> None:
    loss = "sparse_categorical_crossentropy" if "head" in arguments else crossentropy
    one, weights, _ = train(tflm_ext, keras, net, loss, "distiller", **arguments)
    other, others, _ = train(tflm_ext, keras, net, loss, "callback", **arguments)
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=1e-5)
    np.testing.assert_allclose(one["accuracy"], other["accuracy"])
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert one["loss"][-1] < one["loss"][0]


@pytest.mark.parametrize("how", ["distiller", "callback"])
def test_weights_of_samples_and_classes_count(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any, how: str
) -> None:
    """A sample of weight 0 teaches nothing, neither by its label nor by the teacher."""
    kept = Y != 1
    zeros = {0: 1.0, 1: 0.0, 2: 1.0}
    everything = {"batch_size": 40, "shuffle": False}
    by_class, first, _ = train(
        tflm_ext, keras, net, crossentropy, how, class_weight=zeros, **everything
    )
    by_sample, second, _ = train(
        tflm_ext, keras, net, crossentropy, how, sample_weight=kept.astype(float), **everything
    )
    assert by_class["loss"] == by_sample["loss"]
    np.testing.assert_array_equal(first[0], second[0])


def test_a_dataset_and_callbacks_of_the_user(
    tflm_ext: Any, keras: Any, tf: Any, net: Net, crossentropy: Any
) -> None:
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    distiller = tflm_ext.Distiller(net(4, 1), net(8, 2))
    distiller.compile("adam", crossentropy, metrics=["accuracy"], steps_per_execution=2)
    distiller.fit(data, validation_data=data, epochs=2, shuffle=False, verbose=0, callbacks=[watch])
    assert len(seen) == 2
    assert {"loss", "accuracy", "student_loss", "distillation_loss", "val_loss"} <= set(seen[0])


def test_with_sparsity_on_the_student(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any
) -> None:
    student, teacher = net(8, 1), net(16, 2)
    student.compile("adam", crossentropy)
    distilled = tflm_ext.DistillationCallback(teacher)
    sparse = tflm_ext.SparsityCallback(
        0.5, pattern="unstructured", schedule="constant", layers=["hidden"]
    )
    student.fit(X, Y, epochs=2, verbose=0, callbacks=[distilled, sparse])
    assert np.mean(student.get_layer("hidden").kernel.numpy() == 0) >= 0.5


def test_an_interrupted_fit_leaves_no_teacher_behind(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any
) -> None:
    def interrupt(batch: int, logs: Any) -> None:
        if batch == 1:
            raise KeyboardInterrupt

    student, plain = net(4, 1), net(4, 1)
    for model in (student, plain):
        model.compile("sgd", crossentropy)
    with pytest.raises(KeyboardInterrupt):
        student.fit(
            X,
            Y,
            verbose=0,
            callbacks=[
                tflm_ext.DistillationCallback(net(8, 2), alpha=1.0),
                keras.callbacks.LambdaCallback(on_train_batch_end=interrupt),
            ],
        )
    assert not {"train_step", "compute_loss"} & set(vars(student))
    student.set_weights(plain.get_weights())
    histories = []
    for model in (student, plain):
        keras.utils.set_random_seed(3)
        histories.append(model.fit(X, Y, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-6)


@pytest.mark.parametrize("how", ["distiller", "callback"])
def test_the_student_carries_nothing_of_the_distiller(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any, how: str, tmp_path: Path
) -> None:
    *_, model = train(tflm_ext, keras, net, crossentropy, how)
    student = model.student if how == "distiller" else model
    student.save(tmp_path / "student.keras")
    with zipfile.ZipFile(tmp_path / "student.keras") as archive:
        assert b"tflm_ext" not in archive.read("config.json")
    alone = net(4, 1)
    assert [v.path for v in student.variables] and len(student.variables) == len(alone.variables)
    assert student.count_params() == alone.count_params()
    assert not {"train_step", "compute_loss"} & set(vars(student))
    loaded = keras.models.load_model(tmp_path / "student.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), student.predict(X, verbose=0))


def test_saving_in_the_middle_and_going_on(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any, tmp_path: Path
) -> None:
    def fresh() -> Any:
        distiller = tflm_ext.Distiller(
            net(4, 1), net(8, 2), temperature=2.0, features=[("hidden", "hidden", 0.5)]
        )
        distiller.compile(keras.optimizers.Adam(0.01), crossentropy, metrics=["accuracy"])
        return distiller

    keras.utils.set_random_seed(1)
    whole = fresh()
    projection = whole.matchings[0].projection.numpy()
    losses = whole.fit(X, Y, epochs=4, shuffle=False, verbose=0).history["loss"]
    first = fresh()
    first.matchings[0].projection.assign(projection)
    first.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    first.save(tmp_path / "half.keras")
    second = keras.models.load_model(tmp_path / "half.keras")
    assert second.get_config()["features"] == [["hidden", "hidden", 0.5]]
    for a, b in zip(first.teacher.model.weights, second.teacher.model.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    going_on = second.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(going_on, losses[2:], rtol=1e-5)


def test_callbacks_back_up_and_restore(tflm_ext: Any, net: Net, keras: Any) -> None:
    callback = tflm_ext.DistillationCallback(net(8, 2), temperature=7.0, outputs="classes")
    again = tflm_ext.DistillationCallback.from_config(callback.get_config())
    assert (again.temperature, again.alpha, again.outputs) == (7.0, 0.5, "classes")
    assert again.teacher.count_params() == callback.teacher.count_params()


# Softmax heads, kinds of outputs.


def test_a_softmax_head_is_stripped(tflm_ext: Any, net: Net, crossentropy: Any) -> None:
    losses = []
    for head in ("softmax", None):
        student, teacher = net(4, 1, head), net(8, 2, head)
        distiller = tflm_ext.Distiller(student, teacher, strip_softmax=True)
        distiller.compile(
            "sgd", "sparse_categorical_crossentropy" if head else crossentropy, ["accuracy"]
        )
        losses.append(distiller.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"])
        if head:
            np.testing.assert_allclose(student.predict(X, verbose=0).sum(1), 1.0, rtol=1e-5)
            assert student.layers[-1].activation.__name__ == "softmax"
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_a_teacher_with_logits_for_a_student_with_softmax(tflm_ext: Any, net: Net) -> None:
    student, teacher = net(4, 1, "softmax"), net(8, 2)
    distiller = tflm_ext.Distiller(student, teacher, alpha=1.0, strip_softmax=True)
    distiller.compile("sgd")
    got = distiller.evaluate(X, verbose=0, return_dict=True)["loss"]
    probabilities = student.predict(X, verbose=0)
    expected = divergence(teacher.predict(X, verbose=0), np.log(probabilities), 4.0).mean()
    assert got == pytest.approx(expected, rel=1e-4)
    distiller.fit(X, epochs=1, verbose=0)


@pytest.mark.parametrize("where", ["dense", "layer", "nested", "reshaped"])
def test_a_softmax_head_is_found_and_refused(
    tflm_ext: Any, keras: Any, net: Net, where: str
) -> None:
    layers = keras.layers
    inputs = keras.Input((6,))
    x = layers.Dense(3, name="scores")(inputs)
    if where == "dense":
        x = layers.Dense(3, activation="softmax", name="end")(x)
    elif where == "layer":
        x = layers.Softmax(name="end")(x)
    elif where == "nested":
        x = keras.Sequential([layers.Input((3,)), layers.Activation("softmax")], name="end")(x)
    else:
        x = layers.Reshape((3,), name="end")(layers.Activation("softmax")(x))
    student = keras.Model(inputs, x)
    with pytest.raises(UnsupportedModelError) as error:
        tflm_ext.Distiller(student, net(8, 2))
    assert error.value.problem == (
        "Output 'end' of the student is a softmax; distillation works on logits."
    )
    assert "strip_softmax=True" in error.value.hint and "from_logits=True" in error.value.hint
    with pytest.raises(UnsupportedModelError, match="of the teacher is a softmax"):
        tflm_ext.Distiller(net(8, 2), student)
    with pytest.raises(UnsupportedModelError, match="of the teacher is a softmax"):
        tflm_ext.DistillationCallback(student)


def test_regression_heads(tflm_ext: Any, net: Net) -> None:
    student, teacher = net(4, 1), net(8, 2)
    y = RNG.normal(size=(40, 3)).astype(np.float32)
    distiller = tflm_ext.Distiller(student, teacher, temperature=9.0, alpha=0.25)
    distiller.compile("sgd", "mae")
    got = distiller.evaluate(X, y, verbose=0, return_dict=True)["loss"]
    ours, theirs = student.predict(X, verbose=0), teacher.predict(X, verbose=0)
    expected = 0.75 * np.abs(ours - y).mean() + 0.25 * np.square(ours - theirs).mean()
    assert got == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("structure", ["list", "dict"])
def test_several_outputs_and_inputs(
    tflm_ext: Any, keras: Any, crossentropy: Any, structure: str
) -> None:
    def build(units: int) -> Any:
        layers = keras.layers
        a, b = keras.Input((6,), name="a"), keras.Input((2,), name="b")
        h = layers.Dense(units, activation="relu")(layers.Concatenate()([a, b]))
        kind, size = layers.Dense(3, name="kind")(h), layers.Dense(1, name="size")(h)
        outputs = {"size": size, "kind": kind} if structure == "dict" else [kind, size]
        return keras.Model([a, b], outputs)

    student, teacher = build(3), build(9)
    x = [X, X[:, :2]]
    size = X[:, :1] * 2
    y = {"kind": Y, "size": size} if structure == "dict" else [Y, size]
    distiller = tflm_ext.Distiller(student, teacher, temperature=2.0, alpha=0.5)
    distiller.compile(
        "adam",
        {"kind": crossentropy, "size": "mse"},
        {"kind": ["accuracy"], "size": ["mae"]},
        loss_weights={"kind": 1.0, "size": 0.25},
    )
    got = distiller.evaluate(x, y, verbose=0, return_dict=True)
    ours, theirs = (model.predict(x, verbose=0) for model in (student, teacher))
    kind, of = ("kind", "size") if structure == "dict" else (0, 1)
    taught = (
        divergence(theirs[kind], ours[kind], 2.0).mean()
        + 0.25 * np.square(theirs[of] - ours[of]).mean()
    )
    assert got["distillation_loss"] == pytest.approx(taught, rel=1e-4)
    assert {"kind_accuracy", "size_mae", "kind_loss", "size_loss"} <= set(got)
    assert got["loss"] == pytest.approx(0.5 * got["student_loss"] + 0.5 * taught, rel=1e-4)

    student.compile(
        "adam", {"kind": crossentropy, "size": "mse"}, loss_weights={"kind": 1.0, "size": 0.25}
    )
    callback = tflm_ext.DistillationCallback(teacher, temperature=2.0, alpha=0.5)
    history = student.fit(x, y, batch_size=40, verbose=0, callbacks=[callback]).history
    assert history["loss"][0] == pytest.approx(got["loss"], rel=1e-4)

    told = tflm_ext.Distiller(
        student, teacher, temperature=2.0, alpha=1.0, outputs={"kind": "classes"}
    )
    told.compile("adam")
    ours = student.predict(x, verbose=0)
    expected = divergence(theirs[kind], ours[kind], 2.0).mean()
    assert told.evaluate(x, verbose=0, return_dict=True)["loss"] == pytest.approx(
        expected, rel=1e-4
    )


# Features.


def picture_net(keras: Any, channels: int, stride: int) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(channels, 3, strides=stride, padding="same", name="conv"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, name="scores"),
        ]
    )


def test_features_of_other_shapes(tflm_ext: Any, keras: Any, crossentropy: Any) -> None:
    student, teacher = picture_net(keras, 4, 2), picture_net(keras, 6, 1)
    x = RNG.normal(size=(10, 8, 8, 1)).astype(np.float32)
    distiller = tflm_ext.Distiller(
        student, teacher, alpha=1.0, features=[("conv", "conv", 3.0), ("conv", "pool")]
    )
    distiller.compile("sgd", crossentropy)
    got = distiller.evaluate(x, Y[:10], verbose=0, return_dict=True)["loss"]
    tap = [
        keras.Model(
            model.inputs, [model.outputs[0], model.layers[0].output, model.layers[1].output]
        )
        for model in (student, teacher)
    ]
    (ours, conv, _), (theirs, other, pool) = (model.predict(x, verbose=0) for model in tap)
    first, second = (match.projection.numpy() for match in distiller.matchings)
    assert first.shape == second.shape == (4, 6)
    halved = other.reshape(10, 4, 2, 4, 2, 6).mean((2, 4))
    expected = (
        divergence(theirs, ours, 4.0).mean()
        + 3.0 * np.square(conv @ first - halved).mean()
        + np.square(conv.mean((1, 2)) @ second - pool).mean()
    )
    assert got == pytest.approx(expected, rel=1e-4)
    distiller.fit(x, Y[:10], verbose=0)
    assert not np.array_equal(first, distiller.matchings[0].projection.numpy())
    assert len(student.variables) == 4


def test_windows_that_do_not_divide_overlap() -> None:
    from tflm_ext.compression.distillation.features import _averages

    expected = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [0, 1]]) / 3
    np.testing.assert_allclose(_averages(5, 2), expected, rtol=1e-6)


def test_the_student_runs_once_for_its_features(tflm_ext: Any, net: Net, crossentropy: Any) -> None:
    """Its BatchNormalization sees every batch once."""
    moved = []
    for features in (None, [("norm", "norm")]):
        student = net(8, 1)
        distiller = tflm_ext.Distiller(student, net(8, 2), features=features)
        distiller.compile("sgd", crossentropy)
        distiller.train_on_batch(X, Y)
        moved.append(student.get_layer("norm").moving_mean.numpy())
    np.testing.assert_array_equal(*moved)


# Outputs that were computed before.


@pytest.mark.parametrize("how", ["distiller", "callback"])
def test_known_outputs_train_alike(
    tflm_ext: Any, keras: Any, tf: Any, net: Net, crossentropy: Any, how: str, tmp_path: Path
) -> None:
    """Arrays with the callback, a Dataset with the distiller."""
    tflm_ext.TeacherOutputs.compute(net(8, 2), X, batch_size=7).save(tmp_path / "t.npz")
    outputs = tflm_ext.TeacherOutputs.load(tmp_path / "t.npz")
    if how == "callback":
        x, y, arguments = X, Y, {"sample_weight": WEIGHTS, "batch_size": 16}
    else:
        x, y = tf.data.Dataset.from_tensor_slices((X, Y, WEIGHTS)).batch(16), None
        arguments = {"shuffle": False}
    expected, weights, _ = train(tflm_ext, keras, net, crossentropy, how, x, y, **arguments)
    known = outputs.attach(x)
    got, others, _ = train(tflm_ext, keras, net, crossentropy, how, known, y, **arguments)
    np.testing.assert_allclose(got["loss"], expected["loss"], rtol=1e-5)
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_known_outputs_are_used_and_have_features(
    tflm_ext: Any, net: Net, crossentropy: Any
) -> None:
    distiller = tflm_ext.Distiller(net(4, 1), net(8, 2), features=[("hidden", "norm")])
    distiller.compile("sgd", crossentropy)
    live = distiller.evaluate(X, Y, verbose=0)
    outputs = distiller.teacher_outputs(X)
    assert [output.shape for output in outputs.outputs] == [(40, 3), (40, 8)]
    for variable in distiller.teacher.model.variables:
        variable.assign(variable * 0 + 1)
    np.testing.assert_allclose(distiller.evaluate(outputs.attach(X), Y, verbose=0), live, rtol=1e-6)
    assert distiller.evaluate(X, Y, verbose=0)[0] != pytest.approx(live[0])


def test_data_that_the_outputs_are_not_for(
    tflm_ext: Any, tf: Any, net: Net, crossentropy: Any
) -> None:
    outputs = tflm_ext.TeacherOutputs.compute(net(8, 2), X)
    swapped = X[[0, 1, 3, 2, *range(4, 40)]]
    with pytest.raises(ConfigError) as error:
        outputs.attach(swapped)
    assert error.value.problem == (
        "Sample 2 is not the sample that the teacher's outputs were computed for."
    )
    with pytest.raises(ConfigError, match=r"The data has 30 samples .* are for 40\."):
        outputs.attach(X[:30])
    with pytest.raises(ConfigError, match=r"The data has more samples .* are for 40\."):
        outputs.attach(np.concatenate([X, X]))
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    with pytest.raises(ConfigError, match=r"The data has 32 samples"):
        outputs.attach(data.take(2))
    with pytest.raises(ConfigError, match="is not the sample that"):
        outputs.attach(data.unbatch().shuffle(40, seed=1).batch(16))
    with pytest.raises(ConfigError, match="never ends"):
        outputs.attach(data.repeat())
    with pytest.raises(ConfigError, match="to a list_iterator"):
        outputs.attach(iter([X]))
    distiller = tflm_ext.Distiller(net(4, 1), net(8, 2), features=[("hidden", "hidden")])
    distiller.compile("sgd", crossentropy)
    with pytest.raises(
        ConfigError,
        match=r"the shapes \[\(3,\)\], but this teacher's outputs have \[\(3,\), \(8,\)\]",
    ):
        distiller.fit(outputs.attach(X), Y, verbose=0)


def test_files_of_outputs(tflm_ext: Any, net: Net, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file of teacher outputs"):
        tflm_ext.TeacherOutputs.load(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ConfigError, match="is not a file of teacher outputs"):
        tflm_ext.TeacherOutputs.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", checksums=np.zeros(3), output000=np.zeros((2, 1)))
    with pytest.raises(ConfigError, match="some samples have none"):
        tflm_ext.TeacherOutputs.load(tmp_path / "other.npz")
    with pytest.raises(StorageError, match="could not be written"):
        tflm_ext.TeacherOutputs.compute(net(8, 2), X).save(tmp_path / "no" / "folder.npz")


# Strategies.

_MIRRORED = """
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, tflm_ext
rng = np.random.default_rng(0)
x = rng.normal(size=(32, 6)).astype(np.float32)
y = rng.integers(0, 3, 32)
def net(units, seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(units, "relu", name="h"),
        keras.layers.Dense(3, name="o", kernel_regularizer="l2")])
def run(strategy, form):
    with strategy.scope():
        student, teacher = net(4, 1), net(8, 2)
        model, callbacks = student, []
        if form == "distiller":
            model = tflm_ext.Distiller(student, teacher, features=[("h", "h")])
            model.matchings[0].projection.assign(np.full((4, 8), 0.1, np.float32))
        else:
            callbacks = [tflm_ext.DistillationCallback(teacher)]
        model.compile(keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        known = model.teacher_outputs(x).attach(x) if model is not student else x
    history = model.fit(known, y, batch_size=16, epochs=2, shuffle=False, verbose=0,
        callbacks=callbacks).history
    if model is not student:
        model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    return history, student.get_weights()
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert mirrored.num_replicas_in_sync == 2
for form in ("distiller", "callback"):
    one, first = run(tf.distribute.get_strategy(), form)
    two, second = run(mirrored, form)
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-4, err_msg=form + name)
    for a, b in zip(first, second):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
print("equal")
"""


def test_mirrored_strategy_trains_alike() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _MIRRORED], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ended.stdout.strip().endswith("equal"), ended.stderr[-3000:]


# Bad input.


def test_wrong_settings(tflm_ext: Any, net: Net) -> None:
    student, teacher = net(4, 1), net(8, 2)
    for options, problem in [
        ({"temperature": 0}, r"temperature=0 is not a positive number\."),
        ({"temperature": float("nan")}, r"temperature=nan is not a positive number\."),
        ({"temperature": "4"}, r"temperature='4' is not a positive number\."),
        ({"alpha": 1.5}, r"alpha=1\.5 is not between 0 and 1\."),
        ({"alpha": True}, r"alpha=True is not between 0 and 1\."),
    ]:
        for make in (
            lambda options=options: tflm_ext.Distiller(student, teacher, **options),
            lambda options=options: tflm_ext.DistillationCallback(teacher, **options),
        ):
            with pytest.raises(ConfigError, match=problem):
                make()
    for features, problem in [
        ([("hidden", "nothing")], r"The teacher \S+ has no layer 'nothing'\."),
        (
            [("hiden", "hidden")],
            r"The student \S+ has no layer 'hiden'\.\nDid you mean hidden\? ",
        ),
        (["hidden"], r"features has the entry 'hidden'\."),
        ([("hidden", "hidden", -1.0)], r"features has the entry \('hidden', 'hidden', -1\.0\)\."),
    ]:
        with pytest.raises(ConfigError, match=problem):
            tflm_ext.Distiller(student, teacher, features=features)


def test_features_that_cannot_be_compared(tflm_ext: Any, keras: Any) -> None:
    layers = keras.layers
    student = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Reshape((64, 1), name="row"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, name="scores"),
        ]
    )
    with pytest.raises(ConfigError, match=r"'row' returns \(64, 1\) .* 'conv' \(8, 8, 4\)"):
        tflm_ext.Distiller(student, picture_net(keras, 4, 1), features=[("row", "conv")])


def test_teachers_that_do_not_fit(tflm_ext: Any, keras: Any, net: Net, crossentropy: Any) -> None:
    layers = keras.layers
    student = net(4, 1)
    other = keras.Sequential([layers.Input((6,)), layers.Dense(4)], name="wide")
    with pytest.raises(UnsupportedModelError) as error:
        tflm_ext.Distiller(student, other)
    assert re.fullmatch(
        r"The teacher 'wide' gives \(None, 4\), the student '\S+' gives \(None, 3\)\.",
        error.value.problem,
    )
    short = keras.Sequential([layers.Input((5,)), layers.Dense(3)])
    with pytest.raises(UnsupportedModelError, match=r"takes \(None, 5\)"):
        tflm_ext.Distiller(student, short)
    student.compile("sgd", crossentropy)
    with pytest.raises(UnsupportedModelError, match="'wide' gives"):
        student.fit(X, Y, verbose=0, callbacks=[tflm_ext.DistillationCallback(other)])
    with pytest.raises(ConfigError, match="belongs to the teacher and to the student"):
        tflm_ext.Distiller(student, student)
    with pytest.raises(ConfigError, match="The teacher is a str, not a Keras model"):
        tflm_ext.Distiller(student, "teacher")
    with pytest.raises(UnsupportedModelError, match="are unknown"):
        tflm_ext.Distiller(student, keras.Sequential([layers.Dense(3)]))
    broken = net(8, 2)
    broken.layers[0].kernel.assign(broken.layers[0].kernel * np.nan)
    with pytest.raises(ConfigError, match=r"Layer 'hidden' of the teacher '\S+' has weights that"):
        tflm_ext.Distiller(student, broken)
    with pytest.raises(ConfigError, match=r"Layer 'hidden' of the student '\S+' has weights that"):
        tflm_ext.Distiller(broken, student)


def test_data_that_cannot_be_trained_with(
    tflm_ext: Any, net: Net, crossentropy: Any, tf: Any
) -> None:
    student, teacher = net(4, 1), net(8, 2)
    distiller = tflm_ext.Distiller(student, teacher)
    distiller.compile("sgd", crossentropy)
    failed = "raised an error while it was read: RuntimeError: the disk is gone"
    for data, problem in (
        (unbatched(X, Y), "not of batches"),
        (raising(X, Y, 2), failed),
        (ending(X, Y, 2), "has no batches, or none left"),
        (tf.data.Dataset.from_tensor_slices((X[:, :5], Y)).batch(8), "does not match the model"),
    ):
        with pytest.raises(ConfigError, match=problem) as caught:
            distiller.fit(data, epochs=2, verbose=0)
        assert len(str(caught.value).splitlines()) == 2
        assert "File " not in str(caught.value)  # the cause, not where TensorFlow found it
    for data, problem in (
        (unbatched(X, Y), "not of batches"),
        (raising(X, Y, 2), failed),
        (tf.data.Dataset.from_tensor_slices(X[:, :5]).batch(8), "does not match the model"),
    ):
        with pytest.raises(ConfigError, match=problem):
            tflm_ext.TeacherOutputs.compute(teacher, data)
    with pytest.raises(ConfigError, match="batch_size=0"):
        tflm_ext.TeacherOutputs.compute(teacher, X, batch_size=0)


def test_an_optimizer_of_another_model(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any
) -> None:
    used = keras.optimizers.SGD(momentum=0.9)
    used.build(net(8, 2).trainable_variables)
    distiller = tflm_ext.Distiller(net(4, 1), net(8, 2))
    distiller.compile(used, crossentropy)
    with pytest.raises(ConfigError, match="SGD holds the state of another model's") as error:
        distiller.fit(X, Y, verbose=0)
    assert "from_config" in error.value.hint
    distiller.compile("adam", crossentropy)
    distiller.fit(X, Y, verbose=0)
    distiller.compile(distiller.optimizer, crossentropy)  # its own one continues
    distiller.fit(X, Y, verbose=0)
    assert int(distiller.optimizer.iterations) == 4


def test_models_of_tf_keras_are_refused(tflm_ext: Any, net: Net) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    old = tf_keras.Sequential([tf_keras.layers.Input((6,)), tf_keras.layers.Dense(3)])
    for student, teacher in ((old, net(8, 2)), (net(4, 1), old)):
        with pytest.raises(ConfigError) as error:
            tflm_ext.Distiller(student, teacher)
        assert "is a tf_keras model" in error.value.problem
        assert "set_weights" in error.value.hint
    with pytest.raises(ConfigError, match="is a tf_keras model"):
        tflm_ext.DistillationCallback(old)
    old.compile("sgd", "mse")
    callback = tflm_ext.DistillationCallback(net(8, 2))
    with pytest.raises(ConfigError, match="the student is a tf_keras model"):
        old.fit(np.zeros((4, 6)), np.zeros((4, 3)), verbose=0, callbacks=[callback])


def test_losses_that_do_not_fit(tflm_ext: Any, keras: Any, net: Net) -> None:
    distiller = tflm_ext.Distiller(net(4, 1), net(8, 2))
    with pytest.raises(ConfigError, match=r"compile\(\) has no loss"):
        distiller.compile("sgd")
    with pytest.raises(ConfigError, match="returns logits, but its loss expects probabilities"):
        distiller.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ConfigError, match=r"is unclear: its loss, <lambda>, does not imply it"):
        distiller.compile("sgd", lambda y, z: keras.ops.mean(z))
    with pytest.raises(ConfigError, match="loss names 'other', which is not an output"):
        distiller.compile("sgd", {"other": "mse"})
    with pytest.raises(ConfigError, match="loss has 2 entries, but the student has 1 outputs"):
        distiller.compile("sgd", ["mse", "mse"])
    alone = tflm_ext.Distiller(net(4, 1), net(8, 2), alpha=1.0)
    with pytest.raises(ConfigError, match="there is no loss to infer it from"):
        alone.compile("sgd")
    with pytest.raises(ConfigError, match="outputs names 'logits' for output 'scores'"):
        tflm_ext.Distiller(net(4, 1), net(8, 2), outputs="logits").compile("sgd", "mse")
    told = tflm_ext.Distiller(net(4, 1), net(8, 2), outputs="classes")
    told.compile("sgd", lambda y, z: keras.ops.mean(z))
    told.fit(X, Y, verbose=0)
    sigmoid = tflm_ext.Distiller(net(4, 1, "sigmoid"), net(8, 2, "sigmoid"))
    with pytest.raises(UnsupportedModelError, match="is a sigmoid"):
        sigmoid.compile("sgd", "binary_crossentropy")
    sigmoid.compile("sgd", "mse")


@pytest.mark.parametrize("how", ["distiller", "callback"])
def test_a_loss_that_becomes_nan(
    tflm_ext: Any, keras: Any, net: Net, crossentropy: Any, how: str
) -> None:
    x = X.copy()
    x[20] = np.nan
    with pytest.raises(ConfigError) as error:
        train(tflm_ext, keras, net, crossentropy, how, x, batch_size=8, shuffle=False)
    assert error.value.problem.startswith("The loss is nan in batch 3 of epoch 1")
    assert "learning rate" in error.value.hint
    stop = keras.callbacks.TerminateOnNaN()
    distiller = tflm_ext.Distiller(net(4, 1), net(8, 2))
    distiller.compile("sgd", crossentropy)
    assert len(distiller.fit(x, Y, epochs=3, verbose=0, callbacks=[stop]).epoch) == 1
