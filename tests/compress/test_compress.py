"""compress(): the steps, the report, going on after an interruption, and bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.compress.streams import ending, raising, unbatched
from tflm_ext import Budget, ConfigError, Recipe, UnsupportedModelError
from tflm_ext.cli import main

pytestmark = pytest.mark.slow

QUICK = Recipe(ratio=0.5, fine_tune_epochs=2, quantize_epochs=0, learning_rate=5e-3)


@pytest.fixture(scope="module")
def data() -> tuple[Any, Any]:
    """Which of four quarters of an image is bright."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 240)
    x = rng.uniform(0, 0.4, (240, 8, 8, 1)).astype(np.float32)
    for image, quarter in zip(x, y, strict=True):
        row, column = 4 * (quarter // 2), 4 * (quarter % 2)
        image[row : row + 4, column : column + 4] += 0.5
    return x, y


@pytest.fixture(scope="module")
def model(data: tuple[Any, Any]) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(4, activation="softmax"),
        ],
        name="quarters",
    )
    net.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    net.fit(*data, epochs=5, verbose=0)
    return net


@pytest.fixture
def unchanged(model: Any) -> Iterator[Any]:
    before, optimizer = model.get_weights(), model.optimizer
    yield model
    assert model.optimizer is optimizer
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def compress(*arguments: Any, **options: Any) -> Any:
    return tflm_ext.compress(*arguments, progress=False, **options)


def test_the_function_is_not_hidden_by_a_package() -> None:
    for name in tflm_ext.__all__:
        getattr(tflm_ext, name)
    assert callable(tflm_ext.compress)
    assert callable(tflm_ext.prune_channels)


def test_every_step_in_its_order(unchanged: Any, data: Any) -> None:
    recipe = Recipe(
        ratio=0.5,
        fine_tune_epochs=2,
        sparsity=0.5,
        sparsity_epochs=2,
        clusters=8,
        clustering_epochs=1,
        quantize_epochs=1,
        learning_rate=5e-3,
    )
    result = compress(unchanged, data, recipe=recipe)
    report = result.report
    assert [step.name for step in report.steps] == [
        "as given",
        "channel pruning",
        "1x4 sparsity",
        "8 clusters",
        "quantisation-aware training",
    ]
    assert (report.metric, report.samples, report.recipe) == ("accuracy", 48, recipe)
    given, pruned, sparse, clustered, aware = report.steps
    assert given.parameters == unchanged.count_params()
    assert pruned.parameters < given.parameters
    assert pruned.macs < given.macs
    assert pruned.weight_bytes < given.weight_bytes
    # What the runtime does not store smaller is not said to be smaller.
    assert sparse.tflite_bytes == pruned.tflite_bytes
    assert "nothing is saved" in sparse.notes[0]
    assert "nothing is saved" in clustered.notes[0]
    assert "does not make the model smaller" in aware.notes[0]
    assert aware.parameters == clustered.parameters == sparse.parameters == pruned.parameters
    assert given.int8_score > 0.9
    assert pruned.int8_score > 0.5  # of two epochs
    assert all(abs(step.int8_score - step.float_score) < 0.1 for step in report.steps)
    from tflm_ext import strip

    for layer in strip(result.model).layers:
        if layer.name.startswith("dense"):
            kernel = np.asarray(layer.kernel)
            assert (kernel == 0).mean() >= 0.5
            assert len(np.unique(kernel)) <= 8


def test_a_budget_that_holds_and_one_that_cannot(unchanged: Any, data: Any) -> None:
    # Of 8 and 16 channels, only half of the 16 can go.
    recipe = Recipe(
        shrink=1.25, multiple_of=8, round_epochs=1, fine_tune_epochs=0, quantize_epochs=0
    )
    report = compress(unchanged, data, recipe=recipe).report
    first, last = report.steps
    assert 1.25 * last.weight_bytes <= first.weight_bytes
    assert 1.25 * last.macs <= first.macs
    assert report.notes == ()
    assert last.notes[0].startswith("8 of 16 prunable channels were removed (50%)")
    with pytest.warns(UserWarning, match=r"budget is not reached \(weight_bytes 100\): no layer"):
        report = compress(unchanged, data, recipe=recipe, budget=Budget(weight_bytes=100)).report
    assert "no layer can lose more channels" in report.notes[0]
    assert report.notes[0] in str(report)


def test_an_interrupted_run_goes_on(
    unchanged: Any, data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tflm_ext.compression import training

    folder = tmp_path / "run"
    seen: list[str] = []

    def interrupt(title: str, epoch: int, logs: Any) -> None:
        seen.append(f"{title} {epoch}")
        if seen == ["fine-tuning 0", "fine-tuning 1"]:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_check_loss", interrupt)
    recipe = Recipe(ratio=0.5, fine_tune_epochs=3, quantize_epochs=1, learning_rate=5e-3)
    with pytest.raises(KeyboardInterrupt):
        compress(unchanged, data, recipe=recipe, checkpoints=folder)
    result = compress(unchanged, data, recipe=recipe, checkpoints=folder)
    # The first epoch is not trained again, and nothing was pruned again.
    assert seen[2:] == ["fine-tuning 1", "fine-tuning 2", "quantisation-aware training 0"]
    assert "prunable channels were removed" in result.report.steps[1].notes[0]
    assert not list(folder.glob("*-epochs*"))

    seen.clear()
    again = compress(unchanged, data, recipe=recipe, checkpoints=folder)
    assert seen == []
    assert again.report == result.report
    x = data[0][:8]
    np.testing.assert_array_equal(again.model(x), result.model(x))

    other = Recipe(ratio=0.5, fine_tune_epochs=4, quantize_epochs=1, learning_rate=5e-3)
    for change, said in (
        ({"recipe": other}, r"the recipe differs \(fine_tune_epochs was 3 and is 4\)"),
        ({"recipe": recipe, "budget": Budget(macs=9)}, "the budget differs"),
        ({"recipe": recipe, "loss": "poisson"}, "the loss differs"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            compress(unchanged, data, checkpoints=folder, **change)
        assert "new folder" in caught.value.hint
    with pytest.raises(ConfigError, match="the data differs"):
        compress(unchanged, (data[0][:99], data[1][:99]), recipe=recipe, checkpoints=folder)


def test_datasets_and_weights(unchanged: Any, data: Any) -> None:
    import tensorflow as tf

    x, y = data
    train = tf.data.Dataset.from_tensor_slices((x, y, np.ones(len(x)))).shuffle(240).batch(32)
    report = compress(unchanged, train, validation_data=(x[:40], y[:40]), recipe=QUICK).report
    assert report.samples == 40
    assert report.steps[1].int8_score > 0.5


def test_tf_keras(data: Any, tf_keras: Any, tmp_path: Path) -> None:
    from tflm_ext.compression.files import compress_file

    tf_keras.utils.set_random_seed(0)
    net = tf_keras.Sequential(
        [
            tf_keras.layers.Flatten(input_shape=(8, 8, 1)),
            tf_keras.layers.Dense(8, activation="relu"),
            tf_keras.layers.Dense(4, activation="softmax"),
        ]
    )
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(*data, epochs=3, verbose=0)
    before = net.get_weights()
    with pytest.raises(ConfigError, match="is a tf_keras model") as caught:
        compress(net, data)
    assert "set_weights" in caught.value.hint
    recipe = Recipe(temperature=None, sparsity=0.5, sparsity_epochs=2, quantize_epochs=1)
    result = compress(net, data, recipe=recipe)
    assert [step.name for step in result.report.steps][1:] == [
        "1x4 sparsity",
        "quantisation-aware training",
    ]
    assert result.report.steps[2].parameters == net.count_params()
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    net.save(tmp_path / "net.keras")
    np.savez(tmp_path / "d.npz", x=data[0], y=data[1])
    files = {"data": tmp_path / "d.npz", "validation": None, "recipe": recipe}
    with pytest.raises(ConfigError, match=r"cannot load the \.keras file") as caught:
        compress_file(tmp_path / "net.keras", tmp_path / "small.keras", **files)
    assert caught.value.hint.startswith("Pass -o small.tflite")


@pytest.mark.parametrize("kind", ["keras", "tf_keras"])
def test_checkpoints_of_several_outputs(kind: str, data: Any, tmp_path: Path) -> None:
    keras = pytest.importorskip(kind)
    x = keras.layers.Input((8, 8, 1))
    y = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(x))
    outputs = [keras.layers.Dense(4, name="kind")(y), keras.layers.Dense(1, name="size")(y)]
    model = keras.Model(x, outputs)
    kind_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", {"kind": kind_loss, "size": "mse"})
    targets = {"kind": data[1], "size": data[1][:, np.newaxis].astype("float32")}
    recipe = Recipe(temperature=None, quantize_epochs=1)
    first = compress(model, (data[0], targets), recipe=recipe, checkpoints=tmp_path / "run")
    again = compress(model, (data[0], targets), recipe=recipe, checkpoints=tmp_path / "run")
    assert again.report == first.report
    few = data[0][:8]
    for one, other in zip(first.model(few), again.model(few), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_command_line(
    unchanged: Any, data: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unchanged.save(tmp_path / "net.keras")
    np.savez(tmp_path / "d.npz", x=data[0], y=data[1])
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "r.json").write_text(QUICK.to_json(), "utf-8")
    arguments = ["compress", str(tmp_path / "net.keras"), "--data", str(tmp_path / "d.npz")]
    arguments += ["--recipe", str(tmp_path / "r.json"), "-o", str(tmp_path / "small.keras")]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    _check_schema(found)
    steps = found["compress"]["steps"]
    assert [step["name"] for step in steps] == ["as given", "channel pruning"]
    import keras

    small = keras.models.load_model(tmp_path / "small.keras")
    assert small.count_params() == steps[1]["parameters"]
    assert main([*arguments, "-o", str(tmp_path / "small.tflite"), "--quiet"]) == 0
    assert (tmp_path / "small.tflite").stat().st_size == steps[1]["tflite_bytes"]
    for wrong, said in (
        (["-o", str(tmp_path / "small.h5")], "cannot be written: a model needs"),
        (["-o", str(tmp_path / "folder.keras")], "folder.keras is a folder."),
        (["--recipe", "tiny"], "no recipe 'tiny'"),
        (["--recipe", str(tmp_path / "none.json")], "none.json cannot be read"),
    ):
        assert main([*arguments, *wrong]) == 2
        error = capsys.readouterr().err.splitlines()
        assert said in error[0]
        assert [line.split(":")[0] for line in error] == ["error", "hint"]


def _check_schema(found: Any) -> None:
    import jsonschema

    path = Path(__file__).resolve().parents[2] / "docs/reference/report.schema.json"
    jsonschema.Draft202012Validator(json.loads(path.read_text("utf-8"))).validate(found)


def _nan(array: Any) -> Any:
    broken = np.array(array, np.float32)
    broken[3] = np.nan
    return broken


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda x, y: {"train_data": x}, "train_data is a ndarray"),
        (lambda x, y: {"train_data": (x,)}, "has 1 parts"),
        (lambda x, y: {"train_data": iter([(x, y)])}, "only be read once"),
        (lambda x, y: {"train_data": (x, y[:-1])}, r"\[239, 240\] samples"),
        (lambda x, y: {"train_data": (x[:0], y[:0])}, "0 samples, too few"),
        (lambda x, y: {"train_data": (x[:, :4], y)}, "has the shape"),
        (lambda x, y: {"train_data": (_nan(x), y)}, "not finite"),
        (lambda x, y: {"train_data": (x, _nan(y))}, "not all finite"),
        (lambda x, y: {"train_data": [(x, y)]}, "train_data is a list"),
        (lambda x, y: {"validation_data": (x, y[:3])}, r"validation_data has arrays"),
        (lambda x, y: {"recipe": "balanced"}, "is not a Recipe"),
        (lambda x, y: {"budget": Budget()}, "has no limit"),
        (lambda x, y: {"min_accuracy": 95, "recipe": Recipe.balanced()}, "min_accuracy=95"),
        (lambda x, y: {"min_accuracy": 0.9}, "has nothing to stop"),
        (lambda x, y: {"model": "net.keras"}, "A str is not a model"),
        (
            lambda x, y: {"loss": lambda t, p: (t - p) ** 2},
            "cannot be the teacher of its smaller version",
        ),
        (lambda x, y: {"train_data": unbatched(x, y), "validation_data": (x, y)}, "not of batches"),
        (
            lambda x, y: {"train_data": (x, y), "validation_data": raising(x, y, 1)},
            "^validation_data raised an error while it was read: RuntimeError: the disk is gone",
        ),
        (lambda x, y: {"checkpoints": __file__}, "is a file, or inside one"),
        (lambda x, y: {"checkpoints": 7}, "checkpoints=7 is not a path"),
        (lambda x, y: {"loss": "crossentropyy"}, "loss='crossentropyy' is not known"),
    ],
)
def test_bad_input(unchanged: Any, data: Any, change: Any, problem: str) -> None:
    options = {"model": unchanged, "train_data": data, "recipe": QUICK, **change(*data)}
    with pytest.raises(ConfigError, match=problem) as caught:
        compress(options.pop("model"), options.pop("train_data"), **options)
    assert len(str(caught.value).splitlines()) == 2


def test_data_that_fails_in_training(unchanged: Any, data: Any) -> None:
    import keras

    from tflm_ext.compression.data import read_data
    from tflm_ext.compression.training import Training

    for make, problem in (
        (raising, "raised an error while it was read: RuntimeError: the disk is gone"),
        (ending, "has no batches, or none left"),
    ):
        for recipe in (QUICK, Recipe(temperature=None)):
            read = read_data(unchanged, make(*data, 5), data, 0.2, 0)
            training = Training.of(unchanged, None, recipe, read)
            with pytest.raises(ConfigError, match=problem):
                training.fit(keras.models.clone_model(unchanged), 2, "tuning", lambda text: None)


def test_a_loss_that_is_scaled(unchanged: Any, data: Any) -> None:
    """An optimizer that wraps another one has no learning rate itself."""
    import keras

    from tflm_ext.compression.data import read_data
    from tflm_ext.compression.training import Training

    model = keras.models.clone_model(unchanged)
    model.compile(
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(momentum=0.5)), unchanged.loss
    )
    training = Training.of(model, None, QUICK, read_data(model, data, None, 0.2, 0))
    optimizer = training.optimizer(1, 1.0)
    assert (type(optimizer), optimizer.momentum) == (keras.optimizers.SGD, 0.5)


def test_a_folder_with_other_files_is_left_alone(unchanged: Any, data: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it", "utf-8")
    with pytest.raises(ConfigError, match="no checkpoints"):
        compress(unchanged, data, recipe=QUICK, checkpoints=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_models_that_cannot_be_compressed(data: Any) -> None:
    import keras

    diverged = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="burst")])
    diverged.layers[0].bias.assign(np.full(4, np.inf))
    with pytest.raises(
        ConfigError, match=r"^Layer 'burst' of model '\w+' has weights that are not"
    ):
        compress(diverged, data, recipe=QUICK)
    dense = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    with pytest.raises(ConfigError, match="not compiled"):
        compress(dense, data, recipe=QUICK)

    class Own(keras.Model):  # type: ignore[misc, name-defined]
        pass

    with pytest.raises(UnsupportedModelError, match="inputs of model"):
        compress(Own(), data, recipe=QUICK)
