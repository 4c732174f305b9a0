"""What is written by Keras 3, tf_keras and TensorFlow passes, and the list names what exists."""

from __future__ import annotations

import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.hostile.files import CUT
from tests.hostile.layers import dense, layer, model
from tests.hostile.makers import KERAS, TF_KERAS, Baits, h5_file, keras_file
from tests.hostile.watch import opened_files
from tflm_ext.convert.untrusted import admit, names
from tflm_ext.convert.untrusted.config import check_config, strip_compile
from tflm_ext.errors import UnsupportedModelError


def test_the_library_is_told_by_the_version(tmp_path: Path) -> None:
    for version, library in ((KERAS, "keras"), (TF_KERAS, "tf_keras")):
        path = keras_file(tmp_path, model(dense()), version)
        assert admit(path, "keras", tmp_path / version).library == library
    path = h5_file(tmp_path, model(dense()))
    assert admit(path, "h5", tmp_path / "h5").library == "tf_keras"


def test_damaged_files(tmp_path: Path) -> None:
    h5py.File(tmp_path / "weights.h5", "w").close()
    (tmp_path / "cut.h5").write_bytes((tmp_path / "weights.h5").read_bytes()[:100])
    whole = keras_file(tmp_path, model(dense())).read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[:60])
    with zipfile.ZipFile(tmp_path / "empty.keras", "w"):
        pass
    keras_file(tmp_path, model(dense()), weights=b"no HDF5").rename(tmp_path / "text.keras")
    for name in ("weights.h5", "cut.h5", "cut.keras", "empty.keras", "text.keras"):
        path = tmp_path / name
        with pytest.raises(UnsupportedModelError, match="has no readable model configuration"):
            admit(path, path.suffix[1:], tmp_path / "work")


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_byte_is_no_crash(seed: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(seed)
    packed = keras_file(tmp_path, model(dense())).rename(tmp_path / "stored.keras")
    with (
        zipfile.ZipFile(packed) as stored,
        zipfile.ZipFile(
            tmp_path / "model.keras", "w", (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)[seed % 2]
        ) as archive,
    ):
        for entry in stored.namelist():
            archive.writestr(entry, stored.read(entry))
    for path in (packed, tmp_path / "model.keras", h5_file(tmp_path, model(dense()))):
        whole = path.read_bytes()
        for _ in range(50):
            damaged = bytearray(whole)
            for place in generator.integers(0, len(whole), 1 + seed):
                damaged[place] = generator.integers(0, 256)
            path.write_bytes(damaged[: None if seed else generator.integers(1, len(whole))])
            try:
                admit(path, path.suffix[1:], tmp_path / "work")
            except UnsupportedModelError as error:
                assert error.hint


def test_a_loss_of_ones_own_is_left_out_unless_it_is_needed(tmp_path: Path) -> None:
    """It is not on the list, and the export of a model does not need it."""
    own = {"module": "__main__", "class_name": "function", "config": "my_loss"}
    compiled = {
        "optimizer": {"module": None, "class_name": "MyOptimizer", "config": {}},
        "loss": {**own, "registered_name": "my_loss"},
        "metrics": ["accuracy", "my_metric"],
    }
    path = keras_file(tmp_path, model(dense(), compile_config=compiled), KERAS)
    admitted = admit(path, "keras", tmp_path / "export")
    with zipfile.ZipFile(admitted.path) as archive:
        assert "compile_config" not in json.loads(archive.read("config.json"))
    with pytest.raises(UnsupportedModelError, match="names the"):
        admit(path, "keras", tmp_path / "train", trains=True)
    compiled = {"optimizer": "adam", "loss": "mse", "metrics": ["accuracy"]}
    path = keras_file(tmp_path, model(dense(), compile_config=compiled), KERAS)
    with zipfile.ZipFile(admit(path, "keras", tmp_path / "t", trains=True).path) as archive:
        assert json.loads(archive.read("config.json"))["compile_config"] == compiled


def test_the_arguments_of_compile_of_models_inside_are_left_out() -> None:
    inner = model(dense(), compile_config={"loss": "mse"})
    assert "compile_config" not in json.dumps(strip_compile(model(inner, compile_config={})))


def test_what_a_live_model_has_may_be_named_by_its_checkpoint() -> None:
    own = layer("Mine", module="my_package")
    with pytest.raises(UnsupportedModelError, match="'Mine' of my_package"):
        check_config(model(own), "a.keras")
    names_of_it = frozenset({"Mine", "my_package", "my_package>Mine"})
    check_config(model({**own, "registered_name": "my_package>Mine"}), "a", custom=names_of_it)


def test_operations_of_keras_3_in_a_h5(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="which Keras cannot load") as caught:
        admit(h5_file(tmp_path, model(layer("Stack", module=None))), "h5", tmp_path / "work")
    assert "model.save('model.keras')" in caught.value.hint


@pytest.mark.parametrize("name", CUT)
def test_what_nothing_needs_is_cut_out(name: str, tmp_path: Path) -> None:
    path = CUT[name](tmp_path, Baits(tmp_path / "secret", tmp_path / "marker"))
    assert b"ReadFile" in (path / "saved_model.pb").read_bytes()
    copy = admit(path, "saved_model", tmp_path / "work").path / "saved_model.pb"
    assert b"ReadFile" not in copy.read_bytes()


def test_only_what_is_copied_is_loaded(tmp_path: Path) -> None:
    """A file that is replaced after it was looked at changes nothing."""
    path = h5_file(tmp_path, model(dense()))
    before = path.read_bytes()
    admitted = admit(path, "h5", tmp_path / "work")
    path.write_bytes(b"something else")
    assert admitted.path != path
    assert admitted.path.read_bytes() == before


# With the libraries themselves, in one process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ordinary")


def _nets(keras: Any) -> dict[str, Any]:
    """Models with as many classes of layers, functions and arguments as possible."""
    layers = keras.layers
    image, row = keras.Input((8, 8, 4), name="image"), keras.Input((6, 5), name="row")
    x = layers.Conv2D(8, 3, padding="same", kernel_regularizer="l2", kernel_constraint="max_norm")(
        image
    )
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(8, 3, activation="swish", depthwise_initializer="he_normal")(x)
    x = layers.DepthwiseConv2D(3, activation=keras.activations.gelu)(x)
    x = layers.Dropout(0.2, seed=7)(layers.MaxPooling2D()(x))
    x = layers.Dense(4, activity_regularizer=keras.regularizers.L1(0.1))(layers.Flatten()(x))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.LeakyReLU()], name="in")
    y = layers.TimeDistributed(layers.Dense(3, activation="tanh"))(row)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(y)
    y = layers.MultiHeadAttention(2, 4)(y, y)
    y = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(y))
    z = layers.Add()([inner(x), layers.Dense(4)(y)])
    z = layers.Concatenate()([layers.Softmax()(z), layers.Rescaling(1 / 255, offset=-1.0)(z)])
    big = keras.Model({"image": image, "row": row}, [z, layers.Reshape((4, 1))(inner(x))])
    big.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.9)),
        [keras.losses.Huber(), "mse"],
        metrics=[[keras.metrics.MeanAbsoluteError()], ["mae"]],
    )
    small = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Normalization(mean=[1.0] * 12, variance=[4.0] * 12),
            layers.RepeatVector(3),
            layers.GRU(4, recurrent_activation="hard_sigmoid", kernel_initializer="orthogonal"),
            layers.Dense(3, activation="softmax", bias_initializer=keras.initializers.Constant(1)),
        ]
    )
    small.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return {"big": big, "small": small}


def _arithmetic(keras: Any) -> Any:
    """Operations on tensors, which tf_keras keeps as TFOpLambda and Keras 3 as operations."""
    x = keras.Input((8, 8, 4))
    if keras.__name__ == "tf_keras":
        import tensorflow as tf

        y = tf.reshape(tf.concat([tf.nn.relu(x * 2.0 + 1.0), x[:, ::-1] / 3.0], -1), (-1, 512))
        y = tf.clip_by_value(tf.square(y) - tf.reduce_mean(y, -1, keepdims=True), 0.0, 6.0)
        y = tf.expand_dims(2.0 - tf.transpose(tf.cast(y, tf.float32)), 0)
        return keras.Model(x, tf.squeeze(tf.stack([y, tf.abs(-y)]), 1))
    ops = keras.ops
    y = ops.reshape(ops.concatenate([ops.relu(x * 2.0 + 1.0), x[:, ::-1] / 3.0], -1), (-1, 512))
    y = ops.clip(ops.square(y) - ops.mean(y, -1, keepdims=True), 0.0, 6.0)
    return keras.Model(x, ops.stack([2.0 - y, ops.abs(-y)], axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["keras", "h5"])
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_models_as_the_libraries_write_them(library: str, kind: str, folder: Path) -> None:
    keras = pytest.importorskip(library)
    nets = _nets(keras)
    if (library, kind) != ("keras", "h5"):  # which Keras itself cannot load
        nets["arithmetic"] = _arithmetic(keras)
    for name, net in nets.items():
        path = folder / f"{library}_{name}.{kind}"
        net.save(str(path))
        for trains in (False, True):
            admitted = admit(path, kind, folder / f"{path.name}_{trains}", trains=trains)
            assert admitted.library == library
            # Keras 3 cannot load a loss by name from any .h5.
            compiles = trains and (library, kind) != ("keras", "h5")
            loaded = keras.models.load_model(str(admitted.path), compile=compiles)
            for before, after in zip(net.get_weights(), loaded.get_weights(), strict=True):
                np.testing.assert_array_equal(before, after)


def _trained_on_a_device(tf: Any, path: Path) -> tuple[Any, str, Any]:
    """A module with a function for training, as TensorFlow Lite's guide to it has."""
    module = tf.Module()
    module.w = tf.Variable(tf.ones((4, 3)))

    @tf.function(input_signature=[tf.TensorSpec((None, 4)), tf.TensorSpec((None,), tf.int32)])
    def train(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = tf.nn.relu(x @ module.w)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        module.w.assign_sub(0.1 * tape.gradient(loss, module.w))
        return {"loss": loss}

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def infer(x: Any) -> Any:
        return {"y": tf.nn.softmax(x @ module.w)}

    module.train, module.infer = train, infer
    signatures = {"serving_default": infer.get_concrete_function()}
    return module, str(path), signatures | {"train": train.get_concrete_function()}


@pytest.mark.slow
def test_saved_models_as_the_libraries_write_them(folder: Path) -> None:
    import keras
    import tensorflow as tf
    import tf_keras

    keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]).export(
        str(folder / "keras_export"), verbose=False
    )
    net = tf_keras.Sequential([tf_keras.Input((8, 8)), tf_keras.layers.LSTM(4)])
    net.save(str(folder / "tf_keras_save"))
    net.export(str(folder / "tf_keras_export"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3))
        y = tf.nn.relu(x @ tf.compat.v1.get_variable("w", (3, 2)))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(folder / "graph"), {"x": x}, {"y": y})
    tf.saved_model.save(*_trained_on_a_device(tf, folder / "on_device"))
    for name in ("keras_export", "tf_keras_save", "tf_keras_export", "graph", "on_device"):
        admitted = admit(folder / name, "saved_model", folder / "copies" / name)
        assert "serving_default" in tf.saved_model.load(str(admitted.path)).signatures


@pytest.mark.slow
def test_nodes_that_nothing_needs_do_not_run(folder: Path) -> None:
    """TensorFlow would run them at import, and initializers of whatever collection."""
    import tensorflow as tf

    marker, secret = folder / "marker", folder / "secret"
    secret.write_bytes(b"12345678")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (1, 3))
        y = x @ v1.get_variable("w", (3, 2))
        v1.add_to_collection("table_initializer", tf.io.write_file(str(marker), "written"))
        shape = tf.io.decode_raw(tf.io.read_file(str(secret)), tf.int32)
        tf.broadcast_to(tf.zeros(()), shape)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder / "trap"), {"x": x}, {"y": y})
        expected = session.run(y, {x: np.ones((1, 3))})
    admitted = admit(folder / "trap", "saved_model", folder / "copies" / "trap")
    with opened_files(folder) as opened:
        loaded = tf.saved_model.load(str(admitted.path))
    assert opened == []
    result = loaded.signatures["serving_default"](x=tf.ones((1, 3)))
    np.testing.assert_array_equal(result["y"], expected)
    # Without the cut, TensorFlow does what the file wants.
    with opened_files(folder) as opened:
        tf.saved_model.load(str(folder / "trap"))
    assert {"secret", "marker"} <= set(opened)


@pytest.mark.slow
def test_a_saved_model_that_reads_a_file(folder: Path) -> None:
    """As TensorFlow itself writes it: a call in a call."""
    import tensorflow as tf

    @tf.function
    def inner(x: Any) -> Any:
        return x + tf.strings.to_number(tf.io.read_file("/etc/hostname"))

    signature = tf.function(lambda x: {"y": inner(x)}).get_concrete_function(
        tf.TensorSpec((1, 4), tf.float32)
    )
    tf.saved_model.save(tf.Module(), str(folder / "reads"), {"serving_default": signature})
    with pytest.raises(UnsupportedModelError, match=r"'ReadFile'|'StringToNumber'"):
        admit(folder / "reads", "saved_model", folder / "copies" / "reads")


@pytest.mark.slow
def test_every_name_exists() -> None:
    """So that a name that is misspelt, or gone from the libraries, is noticed."""
    import keras
    import tensorflow as tf
    import tf_keras
    from tensorflow.python.framework import op_def_registry
    from tensorflow.python.util.tf_export import get_symbol_from_name

    aliases = names.words("""
        AutocastVariable Policy PolicyV1 SlicingOpLambda TFOpLambda acc accuracy adamw bce ce
        cosine_proximity crossentropy lossscaleoptimizer normal one rmsprop uniform zero
    """)
    places = "activations constraints initializers layers losses metrics optimizers regularizers"
    modules = [getattr(k, place) for k in (keras, tf_keras) for place in places.split()]
    modules += [k.optimizers.schedules for k in (keras, tf_keras)]
    modules += [keras, tf_keras, keras.dtype_policies, keras.src.layers, keras.src.models]
    for name in (names.CLASSES | names.FUNCTIONS) - aliases:
        spellings = (name, name.capitalize(), name.upper())
        assert any(hasattr(m, spelling) for m in modules for spelling in spellings), name
    operations = [getattr(keras.src.ops, n) for n in ("core", "image", "linalg", "math", "nn")]
    operations += [keras.src.ops.numpy, keras.src.ops.einops]
    core = "tensorflow_model_optimization.python.core"
    there = set(names.WRAPPERS_IN) | {
        "quantization.keras.default_8bit.default_8bit_quantize_configs",
        "quantization.keras.default_8bit.default_8bit_quantize_registry",
        "quantization.keras.quantizers",
        "sparsity.keras.pruning_schedule",
    }
    wrapping = [importlib.import_module(f"{core}.{place}") for place in there]
    for name in names.WRAPPERS:
        assert any(isinstance(getattr(m, name, None), type) for m in wrapping), name
    for name in names.OPERATIONS:
        assert any(isinstance(getattr(m, name, None), type) for m in operations), name
    for name in names.TF_FUNCTIONS - {"__operators__.getitem", "__operators__.add"}:
        assert callable(get_symbol_from_name(name)), name
    for name in names.OPERATORS | names.TRAINING_OPERATORS | names.RESTORING_OPERATORS:
        assert op_def_registry.get(name) is not None, name
    assert tf.__version__


@pytest.mark.slow
def test_every_layer_of_the_libraries_is_decided_on() -> None:
    """A layer of a new version is either on the list or refused for a reason."""
    import keras
    import tf_keras

    abstract = {"AbstractRNNCell", "Layer", "Wrapper"}
    abstract |= {"LearningRateSchedule", "LegacyOptimizerWarning", "Optimizer"}
    for library in (keras, tf_keras):
        optimizers = {n for n, kind in vars(library.optimizers).items() if isinstance(kind, type)}
        assert optimizers - names.OPTIMIZERS - abstract == set()
        there = {
            name
            for name, kind in vars(library.layers).items()
            if isinstance(kind, type) and issubclass(kind, library.layers.Layer)
        }
        # A .h5 names a class as it is called where it is defined.
        there |= {getattr(library.layers, name).__name__ for name in there}
        unknown = there - names.LAYERS - names.RUNS_CODE - names.READS_TEXT - abstract
        assert unknown == set()
