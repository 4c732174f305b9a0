"""prune_channels(): bad input, data in Keras' forms, importance, budgets."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.compress.streams import ending, raising, unbatched
from tflm_ext.errors import ConfigError, TflmExtError, UnsupportedModelError

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
X = RNG.random((120, 8, 8, 1), np.float32)
Y = (X[:, :4].mean(axis=(1, 2, 3)) > X[:, 4:].mean(axis=(1, 2, 3))).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"


def build(keras: Any, *, filters: int = 16) -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, name="conv_a"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Conv2D(filters, 3, 2, activation="relu", name="conv_b"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax", name="head"),
        ],
        name="net",
    )
    model.compile("adam", LOSS, metrics=["accuracy"])
    return model


def said(error: TflmExtError) -> str:
    return f"{error.problem} | {error.hint}"


def arguments(keras: Any) -> list[tuple[dict[str, Any], str, str]]:
    used = keras.optimizers.Adam()
    used.build(build(keras).trainable_variables)
    budget = tflm_ext.Budget(macs=1000)
    spoilt = X.copy()
    spoilt[5, 0, 0] = np.nan
    limits = {"budget": budget, "data": (X, Y)}
    tune = {"ratio": 0.5, "fine_tune_epochs": 2}
    return [
        ({}, "either a ratio or a budget", "Pass ratio=0.5"),
        ({"ratio": 0.5, "budget": budget}, "either a ratio or a budget", "Pass ratio=0.5"),
        ({"ratio": 1}, "ratio=1 is not a fraction", "less than 1"),
        ({"ratio": -0.1}, "ratio=-0.1 is not a fraction", "from 0 to less than 1"),
        ({"ratio": True}, "ratio=True is not a fraction", "from 0 to less than 1"),
        ({"ratio": float("nan")}, "ratio=nan is not a fraction", "from 0 to less than 1"),
        ({"ratio": "half"}, "ratio='half' is not a fraction", "from 0 to less than 1"),
        ({"budget": tflm_ext.Budget()}, "has no limit", "flash_bytes"),
        ({"budget": 1000}, "budget=1000 is not a budget", "flash_bytes"),
        ({"budget": budget}, "A budget needs data", "Pass data="),
        ({"budget": budget, "data": X}, "Fine-tuning needs data with targets", "Pass data="),
        ({"ratio": 0.5, "fine_tune_epochs": 1}, "Fine-tuning needs data", "Pass data=(x, y)"),
        ({"ratio": 0.5, "fine_tune_epochs": -1}, "fine_tune_epochs=-1", "Pass 0"),
        ({"ratio": 0.5, "importance": "taylor"}, "taylor needs data with targets", "data=(x, y)"),
        ({"ratio": 0.5, "importance": "l1"}, "importance='l1' is not known", "norm, batchnorm"),
        ({"ratio": 0.5, "multiple_of": 0}, "multiple_of=0", "Leave it at 4"),
        (
            {"ratio": 0.5, "min_accuracy": 0.9},
            "min_accuracy only works with a budget",
            "Leave it out",
        ),
        (limits | {"min_accuracy": 0.9}, "min_accuracy needs validation_data", "(x_val, y_val)"),
        (
            limits | {"min_accuracy": 1.1, "validation_data": (X, Y)},
            "The accuracy of model 'net' is 0.",
            "Train it further",
        ),
        ({"ratio": 0.5, "optimizer": used}, "Adam holds the state of a model", "from_config"),
        ({"ratio": 0.5, "optimizer": "fast"}, "optimizer='fast' is not known", "keras.optimizers"),
        ({"ratio": 0.5, "data": X[:, :5]}, "the shape (120, 5, 8, 1)", "(samples, 8, 8, 1)"),
        ({"ratio": 0.5, "data": X[:0]}, "data has no samples", "Pass"),
        ({"ratio": 0.5, "data": spoilt}, "not finite", "Remove or replace"),
        ({"ratio": 0.5, "data": (X, Y[:50])}, "120 samples, but 50 targets", "the same number"),
        ({"ratio": 0.5, "data": (X, Y * np.nan)}, "targets of data are not all", "Remove"),
        ({"ratio": 0.5, "data": iter([X])}, "can only be read once", "tf.data.Dataset"),
        ({"ratio": 0.5, "data": 7}, "data is a int", "Pass arrays"),
        ({"ratio": np.bool_(False)}, "ratio=np.False_ is not a fraction", "from 0 to less than 1"),
        ({"ratio": 0.5, "seed": -1}, "seed=-1 is not a whole number", "Leave it out"),
        ({"ratio": 0.5, "loss": "nope"}, "loss='nope' is not known", "the name of a Keras loss"),
        (
            limits | {"min_accuracy": "0.9", "validation_data": (X, Y)},
            "min_accuracy='0.9' is not a metric value",
            "0.9",
        ),
        (
            limits | {"min_accuracy": 0.9, "validation_data": X},
            "validation_data has no targets",
            "(x_val, y_val)",
        ),
        ({"ratio": 0.5, "data": unbatched(X, Y)}, "of samples, not of batches", ".batch(32)"),
        (
            {"ratio": 0.5, "data": raising(X, Y, 1)},
            "data raised an error while it was read: RuntimeError: the disk is gone",
            "for batch in data",
        ),
        (
            tune | {"data": raising(X, Y, 5)},
            "data raised an error while it was read: RuntimeError: the disk is gone",
            "for batch in data",
        ),
        (tune | {"data": ending(X, Y, 5)}, "data has no batches, or none left", "starts again"),
        (
            limits | {"min_accuracy": 0.0, "validation_data": raising(X, Y, 5)},
            "validation_data raised an error while it was read: RuntimeError: the disk is gone",
            "for batch in data",
        ),
        (
            {"ratio": 0.5, "data": (X, np.zeros((120, 5))), "fine_tune_epochs": 1},
            "data does not match the model or the loss",
            "what model.fit() accepts",
        ),
        *(
            (
                {"ratio": 0.5, "data": (X, Y + 10), "importance": importance},
                "outside the valid range",
                "what model.fit() accepts",
            )
            for importance in ("norm", "taylor")
        ),
        (
            {
                "ratio": 0.5,
                "data": (X, Y),
                "fine_tune_epochs": 3,
                "optimizer": keras.optimizers.SGD(1e30),
            },
            "in fine-tuning",
            "lower learning rate",
        ),
    ]


def test_arguments_that_cannot_be_used(keras: Any, subtests: pytest.Subtests) -> None:
    model = build(keras)
    before = model.get_weights()
    for options, problem, hint in arguments(keras):
        with subtests.test(problem), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's and Keras' own on NaN
            with pytest.raises(ConfigError) as caught:
                tflm_ext.prune_channels(model, **options)
            assert problem in caught.value.problem and hint in caught.value.hint
            assert "\n" not in said(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.compiled and model.optimizer.iterations == 0


def test_models_that_cannot_be_pruned(keras: Any, subtests: pytest.Subtests) -> None:
    import tf_keras

    class Subclass(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    class Closed(keras.layers.Layer):
        def __init__(self, table: Any, **options: Any) -> None:
            super().__init__(**options)
            self.table = table

        def call(self, inputs: Any) -> Any:
            return inputs

    def sequence(*layers: Any) -> Any:
        return keras.Sequential([keras.Input((8, 8, 1)), *layers], name="net")

    layers = keras.layers

    def head() -> list[Any]:
        return [layers.Flatten(), layers.Dense(2, name="head")]

    old = tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(8)])
    diverged = sequence(layers.Conv2D(16, 3, name="burst"), *head())
    diverged.layers[0].bias.assign(np.full(16, np.nan))
    cases = (
        (
            diverged,
            ConfigError,
            "'burst' of model 'net' has weights that are not finite",
            "earlier",
        ),
        ("net.keras", ConfigError, "A str is not a Keras model", "Pass a keras.Model"),
        (old, ConfigError, "this is a tf_keras model", "set_weights(old.get_weights())"),
        (Subclass(name="net"), UnsupportedModelError, "cannot be followed", "keras.Sequential"),
        (keras.Sequential(name="net"), UnsupportedModelError, "never built", "keras.Sequential"),
        (sequence(layers.ReLU()), UnsupportedModelError, "no Dense layer", "sparsity"),
        (
            sequence(*head()),
            UnsupportedModelError,
            "head: they are outputs of the model",
            "sparsity",
        ),
        (
            sequence(layers.Conv2D(4, 3, name="few"), *head()),
            UnsupportedModelError,
            "few: the layer has no more than multiple_of channels",
            "sparsity",
        ),
        (
            sequence(
                layers.Conv2D(8, 3), layers.Conv2D(8, 3), Closed(object(), name="closed"), *head()
            ),
            UnsupportedModelError,
            "Layer 'closed' (Closed) cannot be rebuilt",
            "get_config()",
        ),
    )
    for model, kind, problem, hint in cases:
        with subtests.test(problem):
            with pytest.raises(kind) as caught:
                tflm_ext.prune_channels(model, ratio=0.5)
            assert type(caught.value) is kind
            assert problem in caught.value.problem and hint in caught.value.hint
            assert "\n" not in said(caught.value)


def test_nothing_to_prune_is_no_error_at_ratio_0(keras: Any) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    same, report = tflm_ext.prune_channels(model, ratio=0, report=True)
    np.testing.assert_array_equal(same(np.ones((1, 4))), model(np.ones((1, 4))))
    assert (report.prunable_channels, report.removed_share) == (0, 0.0)


def test_numbers_of_numpy(keras: Any) -> None:
    model = build(keras)
    ours = tflm_ext.prune_channels(model, ratio=np.float32(0.5), multiple_of=np.int64(4))
    plain = tflm_ext.prune_channels(model, ratio=0.5, multiple_of=4)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_form_of_data_says_the_same(keras: Any) -> None:
    import tensorflow as tf

    class Sequence(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> Any:
            return X[30 * i : 30 * i + 30], Y[30 * i : 30 * i + 30]

    model = build(keras)
    forms = (
        (X, Y),
        (X, Y, np.ones(120)),
        (tf.constant(X), tf.constant(Y)),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(50),
        Sequence(),
    )
    first, *others = (
        tflm_ext.prune_channels(model, ratio=0.5, data=data, importance="taylor").get_weights()
        for data in forms
    )
    for weights in others:
        for a, b in zip(first, weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_data_decides_where(keras: Any) -> None:
    """A layer on which the output does not depend is pruned, whatever its norms."""
    image = keras.Input((8, 8, 1))
    busy = keras.layers.Conv2D(16, 3, padding="same", name="busy")(image)
    idle = keras.layers.Conv2D(16, 3, padding="same", name="idle")(image)
    both = keras.layers.Concatenate()([busy, idle])
    head = keras.layers.Dense(2, name="head")
    model = keras.Model(image, head(keras.layers.Flatten()(both)))
    kernel = np.asarray(head.kernel).reshape(64, 32, 2).copy()
    kernel[:, 16:] = 0
    head.kernel.assign(kernel.reshape(-1, 2))
    _, report = tflm_ext.prune_channels(model, ratio=0.375, data=X, report=True)
    assert {row.layer: row.after for row in report.layers} == {"busy": 16, "idle": 4}


@pytest.mark.parametrize("importance", ["norm", "batchnorm", "taylor"])
def test_importance_decides_which(keras: Any, importance: str) -> None:
    """Channels that do nothing by the measure asked for are the first to go."""
    model = build(keras, filters=4)
    conv, norm = model.get_layer("conv_a"), model.layers[1]
    idle = np.arange(16) % 2 == 0
    if importance == "norm":
        kernel = np.asarray(conv.kernel).copy()
        kernel[..., idle] *= 0.01
        conv.kernel.assign(kernel)
    elif importance == "batchnorm":
        norm.gamma.assign(np.where(idle, 0.01, 1.0))
    else:
        # Far below zero, so that the ReLU after it passes neither value nor gradient.
        norm.beta.assign(np.where(idle, -100.0, 1.0))
    conv.bias.assign(np.arange(16.0) / 100)
    pruned = tflm_ext.prune_channels(model, ratio=0.5, data=(X, Y), importance=importance)
    left = np.isin(np.asarray(conv.bias), np.asarray(pruned.get_layer("conv_a").bias))
    np.testing.assert_array_equal(left, ~idle)


def test_fine_tuning_is_repeatable_and_leaves_the_model(keras: Any) -> None:
    model = build(keras)
    runs = [
        tflm_ext.prune_channels(model, ratio=0.5, data=(X, Y), fine_tune_epochs=2, seed=4)
        for _ in range(2)
    ]
    untrained = tflm_ext.prune_channels(model, ratio=0.5, data=(X, Y))
    for a, b in zip(*(run.get_weights() for run in runs), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        (a != b).any() for a, b in zip(runs[0].get_weights(), untrained.get_weights(), strict=True)
    )
    assert not runs[0].compiled and model.optimizer.iterations == 0


def test_the_weights_of_losses_are_kept(keras: Any) -> None:
    """A head whose loss weighs nothing is not trained."""
    x = keras.Input((8, 8, 1))
    y = keras.layers.Flatten()(keras.layers.Conv2D(16, 3, strides=3, name="conv")(x))
    heads = [keras.layers.Dense(2, name=name)(y) for name in ("counts", "idle")]
    model = keras.Model(x, heads)
    model.compile("adam", ["mse", "mse"], loss_weights=[1.0, 0.0])
    targets = [np.eye(2)[Y]] * 2
    given = {"ratio": 0.5, "data": (X, targets), "importance": "taylor"}
    cut = tflm_ext.prune_channels(model, **given)
    tuned = tflm_ext.prune_channels(model, **given, fine_tune_epochs=1)
    for name, same in (("counts", False), ("idle", True)):
        kernels = [np.asarray(net.get_layer(name).kernel) for net in (cut, tuned)]
        assert np.array_equal(*kernels) == same


def test_a_budget_that_holds(keras: Any) -> None:
    model = build(keras)
    texts: list[str] = []
    pruned, report = tflm_ext.prune_channels(
        model,
        budget=tflm_ext.Budget(macs=12_000, weight_bytes=3_500),
        data=(X, Y),
        fine_tune_epochs=1,
        report=True,
        progress=texts.append,
    )
    assert report.ended == "the budget is met"
    first, before, last = report.rounds[0], *report.rounds[-2:]
    assert first.removed_channels == 0 and first.accuracy is None
    assert last.sizes.macs <= 12_000 and last.sizes.weight_bytes <= 3_500
    assert before.sizes.macs > 12_000 or before.sizes.weight_bytes > 3_500
    assert last.removed_channels == report.removed_channels
    assert texts[0] == "planning the original model" and len(texts) == 2 * len(report.rounds) - 1
    assert pruned.count_params() < model.count_params()


def test_a_budget_takes_from_where_it_is_used(keras: Any) -> None:
    """Most multiplications are in the convolutions, most weights in the Dense layers."""
    from tflm_ext.compression.channels.choose import UsageGoal
    from tflm_ext.compression.channels.cut import Cutter
    from tflm_ext.compression.channels.graph import read_channels
    from tflm_ext.compression.channels.importance import Importance
    from tflm_ext.compression.channels.report import Sizes

    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", name="conv_a"),
            layers.Conv2D(16, 3, padding="same", name="conv_b"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(96, name="first"),
            layers.Dense(96, name="second"),
            layers.Dense(2, name="head"),
        ]
    )
    graph = read_channels(model)
    sizes = Sizes(weight_bytes=9_000, flash_bytes=12_000, ram_bytes=2_000, macs=160_000)
    cutter = Cutter(Importance.NORM, 4, None, None)
    limits = {"macs": 80_000, "weight_bytes": 5_000, "flash_bytes": 8_000}
    kept = {}
    for name, limit in limits.items():
        aim = UsageGoal.of(graph, 60, tflm_ext.Budget(**{name: limit}), sizes)
        made = [len(use.produced) for use in read_channels(cutter.cut(model, graph, aim)).uses]
        kept[name] = [count for count in made if count]
    assert sum(kept["macs"][:2]) < 32 and kept["macs"][2:] == [96, 96, 2]
    assert sum(kept["weight_bytes"][2:]) < 2 * 96
    # 3,000 bytes of code stay, so that both leave 5,000 for weights.
    assert kept["weight_bytes"] == kept["flash_bytes"]


def test_a_budget_that_costs_too_much(keras: Any) -> None:
    """min_accuracy is what the model reaches on labels that nothing else could have learnt."""
    model = build(keras)
    by_hand = model.predict(X, verbose=0).argmax(axis=1)
    with pytest.warns(
        UserWarning, match="The budget is not reached: accuracy would fall below min_accuracy"
    ):
        pruned, report = tflm_ext.prune_channels(
            model,
            budget=tflm_ext.Budget(macs=1),
            data=(X, 1 - by_hand),
            validation_data=(X, by_hand),
            min_accuracy=0.99,
            fine_tune_epochs=20,
            optimizer=keras.optimizers.Adam(0.01),
            report=True,
        )
    assert report.ended == "accuracy would fall below min_accuracy"
    assert report.rounds[0].accuracy == 1.0
    assert report.rounds[-1].accuracy < 0.99 and report.rounds[-1].sizes is None
    accuracies = (pruned.predict(X, verbose=0).argmax(axis=1) == by_hand).mean()
    assert accuracies >= 0.99


def test_a_budget_out_of_reach(keras: Any) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    with pytest.warns(UserWarning, match="no layer can lose more channels"):
        pruned = tflm_ext.prune_channels(
            model, budget=tflm_ext.Budget(ram_bytes=1), data=X, fine_tune_epochs=0
        )
    assert pruned.get_layer("conv").filters == 4


def test_the_report_reads_well(keras: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        _, report = tflm_ext.prune_channels(build(keras), ratio=0.75, report=True)
    assert str(report) == (
        "24 of 32 prunable channels removed (75%): the ratio is reached.\n"
        "conv_a: 16 -> 4\n"
        "conv_b: 16 -> 4\n"
        "untouched: head: they are outputs of the model"
    )
    with pytest.warns(UserWarning, match="The ratio is not reached: no layer can lose"):
        _, report = tflm_ext.prune_channels(build(keras), ratio=0.8, report=True)
    assert report.removed_share == 0.75
