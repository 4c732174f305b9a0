"""Model files that want something else than to be converted: each a trick of its own.

Every function writes one file into a folder. What it aims at are baits: a file with a secret that
nobody may open, a module that nobody may import, a marker that nobody may write.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tflm_ext.convert.untrusted.messages import message_class

KERAS, TF_KERAS = "3.15.1", "2.21.0"
# Code that writes the marker, as Keras pickles a lambda: it is never read, so it may be anything.
CODE = "4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAZAFTACkCTukBAAAAqQByAgAAAA=="


@dataclass(frozen=True)
class Baits:
    """What no model file may reach."""

    secret: Path
    marker: Path
    module: str = "bait_module"


Maker = Callable[[Path, Baits], Path]
HOSTILE: dict[str, tuple[Maker, str]] = {}
# Whose trap nothing of the model needs: it is cut out, and the rest is loaded.
CUT: dict[str, Maker] = {}


def hostile(said: str) -> Callable[[Maker], Maker]:
    """Register a maker, with a part of what the refusal has to say."""

    def register(make: Maker) -> Maker:
        HOSTILE[make.__name__] = (make, said)
        return make

    return register


def layer(kind: str, name: str = "trap", module: str | None = "keras.layers", **config: Any) -> Any:
    """The configuration of a layer, with nodes as tf_keras writes them."""
    found = {"class_name": kind, "config": {"name": name, **config}, "name": name}
    if module is not None:
        found |= {"module": module, "registered_name": None}
    return {**found, "inbound_nodes": config.pop("nodes", [[["i", 0, 0, {}]]])}


def model(*layers: Any, **more: Any) -> dict[str, Any]:
    """A functional model of an input and other layers."""
    first = {
        "class_name": "InputLayer",
        "module": "keras.layers",
        "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "i"},
        "registered_name": None,
        "name": "i",
        "inbound_nodes": [],
    }
    config = {
        "name": "net",
        "layers": [first, *layers],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["i", 0, 0]],
    }
    return {
        "module": "keras.src.engine.functional",
        "class_name": "Functional",
        "registered_name": "Functional",
        "config": config,
        **more,
    }


def dense(**config: Any) -> Any:
    return layer("Dense", "dense", **{"units": 3, **config})


def weights(fill: Callable[[Any], None] = lambda file: None) -> bytes:
    """model.weights.h5 with the weights of a Dense layer, and what else fill() puts there."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        variables = file.create_group("layers/dense/vars")
        variables["0"], variables["1"] = np.zeros((4, 3), "f4"), np.zeros(3, "f4")
        fill(file)
    return buffer.getvalue()


def keras_file(folder: Path, config: Any, version: str = TF_KERAS, **files: bytes) -> Path:
    """A .keras; files are further entries, by name."""
    path = folder / "model.keras"
    text = config if isinstance(config, str) else json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", files.pop("weights", None) or weights())
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def h5_file(
    folder: Path,
    config: Any,
    fill: Callable[[Any], None] = lambda file: None,
    training: Any = None,
) -> Path:
    """A .h5 as tf_keras writes it."""
    path = folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = TF_KERAS
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights/dense/dense")
        group["kernel:0"], group["bias:0"] = np.zeros((4, 3), "f4"), np.zeros(3, "f4")
        fill(file)
    return path


# Functions of TensorFlow, called while the model is loaded


def call(function: str, argument: str, kind: str = "TFOpLambda", **keywords: Any) -> Any:
    nodes = [["_CONSTANT_VALUE", -1, argument, keywords]]
    return layer(kind, function=function, nodes=nodes)


@hostile("calls TensorFlow's function 'io.write_file'")
def writes_a_file(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(call("io.write_file", str(baits.marker), contents="x")))


@hostile("calls TensorFlow's function 'io.read_file'")
def reads_a_file(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(call("io.read_file", str(baits.secret))))


@hostile("calls TensorFlow's function 'io.gfile.rmtree'")
def deletes_a_folder(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(call("io.gfile.rmtree", str(baits.secret.parent))))


@hostile("calls TensorFlow's function 'io.write_file'")
def writes_from_a_nested_model(folder: Path, baits: Baits) -> Path:
    inner = model(call("io.write_file", str(baits.marker), contents="x"))
    return keras_file(folder, model({**inner, "name": "net", "inbound_nodes": [[["i", 0, 0, {}]]]}))


@hostile("calls TensorFlow's function 'io.write_file'")
def writes_from_a_wrapped_layer(folder: Path, baits: Baits) -> Path:
    inner = call("io.write_file", str(baits.marker), contents="x")
    return h5_file(folder, model(layer("TimeDistributed", layer=inner)))


@hostile("calls TensorFlow's function 'io.write_file'")
def writes_by_slicing(folder: Path, baits: Baits) -> Path:
    trap = call("io.write_file", str(baits.marker), "SlicingOpLambda", contents="x")
    return keras_file(folder, model(trap))


@hostile("calls TensorFlow's function 'numpy_function'")
def calls_python(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(call("numpy_function", str(baits.marker))))


@hostile("calls TensorFlow's function 'load_op_library'")
def loads_a_shared_library(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(call("load_op_library", str(baits.secret))))


@hostile("has a ClassMethod layer 'trap': to load it is to run code")
def calls_a_class_method(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("ClassMethod", cls_symbol="data.TextLineDataset")))


@hostile("has a InstanceMethod layer 'trap': to load it is to run code")
def calls_a_method(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("InstanceMethod", method_name="numpy")))


@hostile("has a TensorFlowOpLayer layer 'trap': to load it is to run code")
def holds_a_node(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(layer("TensorFlowOpLayer", node_def='{"op": "WriteFile"}')))


# Code of the file itself


@hostile("has a Lambda layer 'trap': to load it is to run code from it")
def lambda_of_keras_3(folder: Path, baits: Baits) -> Path:
    function = {"class_name": "__lambda__", "config": {"code": CODE}}
    return keras_file(folder, model(layer("Lambda", function=function)), KERAS)


@hostile("has a Lambda layer 'trap': to load it is to run code from it")
def lambda_of_tf_keras(folder: Path, baits: Baits) -> Path:
    trap = layer("Lambda", module=None, function=[CODE, None, None], function_type="lambda")
    return h5_file(folder, model(trap))


@hostile("has a Lambda layer 'trap'")
def lambda_by_its_registered_name(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("keras>Lambda", function=CODE)))


@hostile("has a __lambda__")
def lambda_as_activation(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense(activation={"class_name": "__lambda__", "config": CODE})))


@hostile("has a __lambda__")
def lambda_as_metric(folder: Path, baits: Baits) -> Path:
    metric = {"class_name": "__lambda__", "config": {"value": CODE}}
    return keras_file(folder, model(dense(), compile_config={"loss": "mse", "metrics": [metric]}))


@hostile("has a __lambda__")
def lambda_as_loss_of_a_h5(folder: Path, baits: Baits) -> Path:
    loss = {"class_name": "__lambda__", "config": {"value": CODE}}
    return h5_file(folder, model(dense()), training={"loss": loss})


@hostile("has a TFSMLayer layer 'trap': to load it is to run code")
def nested_saved_model(folder: Path, baits: Baits) -> Path:
    trap = layer("TFSMLayer", filepath=str(baits.secret.parent))
    return keras_file(folder, model(trap), KERAS)


@hostile("has a TorchModuleWrapper layer 'trap': to load it is to run code")
def pickled_torch_module(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("TorchModuleWrapper", module=CODE)), KERAS)


@hostile("has a JaxLayer layer 'trap': to load it is to run code")
def jax_function(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("JaxLayer", call_fn=CODE)), KERAS)


# Modules, classes and functions by name


@hostile("names the class 'Dense' of bait_module")
def imports_a_module(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("Dense", module=baits.module, units=3)))


@hostile("names the function 'system' of os")
def function_of_os(folder: Path, baits: Baits) -> Path:
    function = {"module": "os", "class_name": "function", "config": "system"}
    trap = dense(activation={**function, "registered_name": "system"})
    return keras_file(folder, model(trap))


@hostile("names the function 'get_file' of keras.utils")
def downloads_a_file(folder: Path, baits: Baits) -> Path:
    function = {"module": "keras.utils", "class_name": "function", "config": "get_file"}
    return keras_file(folder, model(dense(activation=function)))


@hostile("names the function 'load_model' of keras.models")
def loads_another_model(folder: Path, baits: Baits) -> Path:
    function = {"module": "keras.models", "class_name": "function", "config": "load_model"}
    return keras_file(folder, model(dense(kernel_initializer=function)), KERAS)


@hostile("has a __typespec__")
def imports_by_a_type(folder: Path, baits: Baits) -> Path:
    spec = {"class_name": "__typespec__", "spec_name": "X", "module": baits.module, "config": []}
    return keras_file(folder, model(dense(type_spec={**spec, "registered_name": None})))


@hostile("has a TypeSpec layer")
def type_in_a_node(folder: Path, baits: Baits) -> Path:
    spec = {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": []}
    nodes = [["i", 0, 0, {"spec": spec}]]
    return h5_file(folder, model(layer("TFOpLambda", function="math.abs", nodes=nodes)))


@hostile("names the registered class 'bait_module>Dense'")
def registered_name(folder: Path, baits: Baits) -> Path:
    trap = {**dense(), "registered_name": "bait_module>Dense"}
    return keras_file(folder, model(trap))


@hostile("names the class 'Custom>Trap'")
def registered_class(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(layer("Custom>Trap", module=None)))


@hostile("names the module 'bait_module'")
def our_class_from_another_module(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("tflm_ext>FakeQuant", module=baits.module)))


@hostile("names the class 'Popen' of subprocess")
def initializer_that_is_a_process(folder: Path, baits: Baits) -> Path:
    trap = {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch"]}}
    return keras_file(folder, model(dense(kernel_initializer=trap)))


@hostile("names the class 'Popen' of subprocess")
def optimizer_that_is_a_process(folder: Path, baits: Baits) -> Path:
    trap = {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch"]}}
    return keras_file(folder, model(dense(), compile_config={"optimizer": trap}))


@hostile("names the function 'system' of os")
def loss_of_os(folder: Path, baits: Baits) -> Path:
    loss = {"module": "os", "class_name": "function", "config": "system"}
    return h5_file(folder, model(dense()), training={"loss": loss, "optimizer_config": None})


@hostile("names the activation 'serialize'")
def activation_by_name(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(activation="serialize")))


@hostile("names the constraint 'deserialize'")
def constraint_by_name(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(bias_constraint="deserialize")))


@hostile("names the class 'VectorizedMap' of keras.src.ops.core")
def operation_with_a_function(folder: Path, baits: Baits) -> Path:
    trap = layer("VectorizedMap", module="keras.src.ops.core", function="relu")
    return keras_file(folder, model(trap), KERAS)


@hostile("names the class 'Add' of keras.src.utils.file_utils")
def known_class_from_another_module(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("Add", module="keras.src.utils.file_utils")), KERAS)


@hostile("names the object without a class 'bait_module'")
def module_without_a_class(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense(bias_initializer={"module": baits.module})))


# Text from other files


@hostile("has a StringLookup layer 'trap', which may read other files")
def vocabulary_of_a_h5(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(layer("StringLookup", vocabulary=str(baits.secret))))


@hostile("has a TextVectorization layer 'trap', which may read other files")
def vocabulary_of_a_keras(folder: Path, baits: Baits) -> Path:
    trap = layer("TextVectorization", vocabulary=str(baits.secret))
    return keras_file(folder, model(trap), KERAS)


@hostile("has a IntegerLookup layer 'trap', which may read other files")
def vocabulary_in_a_nested_model(folder: Path, baits: Baits) -> Path:
    inner = model(layer("IntegerLookup", vocabulary=str(baits.secret)))
    return h5_file(folder, model({**inner, "name": "net", "inbound_nodes": []}))


@hostile("holds 'assets/trap/vocabulary.txt'")
def assets(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense()), KERAS, **{"assets/trap/vocabulary.txt": b"x"})


# Weights from other files


def external(file: Any, secret: Path) -> None:
    where = [(str(secret), 0, 12)]
    file.create_dataset("model_weights/dense/stolen", (3,), "f4", external=where)


@hostile("keeps weights in another file: '/model_weights/dense/stolen'")
def external_storage_of_a_h5(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense()), lambda file: external(file, baits.secret))


@hostile("keeps weights in another file: '/model_weights/dense/stolen'")
def external_storage_of_a_keras(folder: Path, baits: Baits) -> Path:
    stolen = weights(lambda file: external(file, baits.secret))
    return keras_file(folder, model(dense()), weights=stolen)


@hostile("keeps weights in another file")
def virtual_dataset(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource(str(baits.secret), "x", (3,))
        file.create_virtual_dataset("model_weights/dense/stolen", layout)

    return h5_file(folder, model(dense()), fill)


@hostile("links to another file or another place: '/model_weights/stolen'")
def external_link(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        file["model_weights/stolen"] = h5py.ExternalLink(str(baits.secret), "/")

    return h5_file(folder, model(dense()), fill)


@hostile("links to another file or another place: '/layers/loop'")
def soft_link(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        file["layers/loop"] = h5py.SoftLink("/layers")

    return keras_file(folder, model(dense()), KERAS, weights=weights(fill))


@hostile("has a dataset that holds no numbers")
def object_references(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        data = file.create_dataset("model_weights/references", (2,), h5py.ref_dtype)
        data[0] = file["model_weights"].ref

    return h5_file(folder, model(dense()), fill)


@hostile("needs a filter from a library")
def filter_plugin(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk((4,))
        settings.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())  # Zstandard's registered number
        space = h5py.h5s.create_simple((4,))
        kind = h5py.h5t.NATIVE_FLOAT
        h5py.h5d.create(file["model_weights"].id, b"packed", kind, space, settings)

    return h5_file(folder, model(dense()), fill)


# Far more than is there


@hostile("bytes that it does not store: '/model_weights/huge'")
def dataset_of_a_terabyte(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        file.create_dataset("model_weights/huge", (10**12,), "f4", chunks=(1024,))

    return h5_file(folder, model(dense()), fill)


@hostile("bytes that it does not store")
def compressed_dataset(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        chunk = (2**22,)
        file.create_dataset("layers/huge", (2**33,), "i1", chunks=chunk, compression="gzip")
        file["layers/huge"][:1] = 1

    return keras_file(folder, model(dense()), KERAS, weights=weights(fill))


@hostile("holds too many groups, or nests them too deeply")
def deep_groups(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense()), lambda file: file.create_group("/".join("g" * 500)))


@hostile("is a few bytes that unpack to")
def zip_bomb_of_weights(folder: Path, baits: Baits) -> Path:
    return _bomb(folder, {"model.weights.h5": 1 << 25})


@hostile("is a few bytes that unpack to")
def zip_bomb_of_a_configuration(folder: Path, baits: Baits) -> Path:
    return _bomb(folder, {"config.json": 1 << 25})


def _bomb(folder: Path, sizes: dict[str, int]) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": KERAS}))
        for name in ("config.json", "model.weights.h5"):
            with archive.open(name, "w") as entry:
                for _ in range(sizes.get(name, 1 << 20) >> 20):
                    entry.write(b" " * (1 << 20))
    return path


@hostile("gives units = 1,000,000,000,000 of layer 'dense'")
def dense_of_a_trillion_units(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense(units=10**12)), KERAS)


@hostile("gives units = 100,000 of layer 'dense'")
def more_units_than_weights(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(units=100_000)))


@hostile("gives units = 1,000,000,000,000.0 of layer 'dense'")
def units_as_a_fraction(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(units=1e12)))


@hostile("gives units = 1,000,000,000,000.0 of layer 'dense'")
def units_as_text(folder: Path, baits: Baits) -> Path:
    """tf_keras takes int() of whatever it finds."""
    return h5_file(folder, model(dense(units="1_000_000_000_000")))


@hostile("gives units = nan of layer 'dense'")
def units_that_are_no_number(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(units=float("nan"))))


@hostile("gives shape = [1073741824, ")
def shape_of_a_hundred_thousand_sizes(folder: Path, baits: Baits) -> Path:
    """Whose product has three million digits."""
    return keras_file(folder, model(layer("Reshape", shape=[2**30] * 100_000)))


@hostile("gives shape = [9999999999")
def shape_of_thousands_of_digits(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("Reshape", shape=[10**4000 - 1])))


@hostile(r"gives '\x1b]0;\n' = 1,099,511,627,776")
def key_that_controls_the_terminal(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense(**{"\x1b]0;\n": 2**40})))


@hostile(r"names the class 'X' of 'os\n\x1b[2J'")
def module_that_controls_the_terminal(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("X", module="os\n\x1b[2J")))


@hostile("holds too many groups, or nests them too deeply")
def many_groups(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        for i in range(35_000):
            file.create_group(f"g{i}")

    return h5_file(folder, model(dense()), fill)


@hostile("has 10,000,000,000,000 bytes")
def file_with_a_hole(folder: Path, baits: Baits) -> Path:
    """It takes a few kilobytes of a disk; a copy would take all of it."""
    path = h5_file(folder, model(dense()))
    os.truncate(path, 10**13)
    return path


@hostile("has 10,000,000,000,000 bytes")
def variables_with_a_hole(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "variables").mkdir()
    (path / "variables" / "variables.index").touch()
    os.truncate(path / "variables" / "variables.index", 10**13)
    return path


@hostile("gives batch_input_shape = [None, 100000, 100000]")
def input_of_ten_billions(folder: Path, baits: Baits) -> Path:
    trap = layer("InputLayer", batch_input_shape=[None, 100_000, 100_000])
    return keras_file(folder, model(trap))


@hostile("gives n = 1,000,000,000 of layer 'trap'")
def repeated_a_billion_times(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(layer("RepeatVector", n=10**9)))


@hostile("gives padding = [30000, 30000] of layer")
def padded_to_gigabytes(folder: Path, baits: Baits) -> Path:
    padding = [[30_000, 30_000], [30_000, 30_000]]
    return keras_file(folder, model(layer("ZeroPadding2D", padding=padding)), KERAS)


@hostile("has no readable model configuration: RecursionError")
def brackets(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, "[" * 200_000)


@hostile("is nested too deeply")
def models_in_models(folder: Path, baits: Baits) -> Path:
    config: Any = model(dense())
    for _ in range(60):
        config = model({**config, "name": "net", "inbound_nodes": []})
    return h5_file(folder, config)


@hostile("has no readable model configuration")
def endless_digits(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, '{"class_name": "Sequential", "config": ' + "9" * 100_000 + "}")


# Files with more than one meaning


@hostile("a key is there twice")
def type_under_a_key_that_is_there_twice(folder: Path, baits: Baits) -> Path:
    """Loaders of .h5 files make objects while they parse, also of what is replaced later."""
    spec = {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": []}
    text = json.dumps(model(dense(trap=spec))).replace('"units"', '"trap": 1, "units"')

    def fill(file: Any) -> None:
        file.attrs["model_config"] = text

    return h5_file(folder, None, fill)


@hostile("the version of Keras is missing")
def metadata_that_is_a_list(folder: Path, baits: Baits) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "[]")
        archive.writestr("config.json", json.dumps(model(dense())))
        archive.writestr("model.weights.h5", weights())
    return path


@hostile("has no model configuration")
def configuration_that_is_a_number(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, "7")


@hostile("holds '../../../trap'")
def path_out_of_the_archive(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense()), **{"../../../trap": b"x"})


@hostile("an entry is there twice")
def two_configurations(folder: Path, baits: Baits) -> Path:
    path = keras_file(folder, model(dense()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps(model(layer("Lambda", function=CODE))))
    return path


@hostile("has a Lambda layer 'trap'")
def lambda_in_a_file_of_two_formats(folder: Path, baits: Baits) -> Path:
    """Begins as HDF5 with a Lambda, ends as a zip without: loaders go by the name."""
    trap = h5_file(folder, model(layer("Lambda", function=CODE))).read_bytes()
    harmless = keras_file(folder, model(dense())).read_bytes()
    path = folder / "model.keras"
    path.write_bytes(trap + harmless)
    return path


# SavedModels, written field by field


def saved_model(folder: Path, fill: Callable[[Any], None]) -> Path:
    path = folder / "model"
    path.mkdir()
    message = message_class("SavedModel")()
    fill(message.meta_graphs.add())
    (path / "saved_model.pb").write_bytes(message.SerializeToString())
    return path


def graph_with(*operators: str) -> Callable[[Any], None]:
    """A MetaGraphDef whose signature calls a function of these operators."""

    def fill(meta_graph: Any) -> None:
        meta_graph.object_graph_def.SetInParent()
        entry = meta_graph.object_graph_def.concrete_functions.add(key="signature")
        _function(meta_graph, entry.key, *operators)

    return fill


def _function(meta_graph: Any, name: str, *operators: str) -> Any:
    function = meta_graph.graph_def.library.function.add()
    function.signature.name = name
    for operator in operators:
        function.node_def.add(name=f"node_{operator}", op=operator)
    return function


def _operator(operator: str) -> Maker:
    def make(folder: Path, baits: Baits) -> Path:
        return saved_model(folder, graph_with("Placeholder", operator, "Identity"))

    make.__name__ = f"saved_model_with_{operator}"
    return make


_REACHING = """
    ReadFile WriteFile MatchingFiles PyFunc PyFuncStateless EagerPyFunc DebugIdentityV2 PrintV2
    TextLineDataset TFRecordDatasetV2 InitializeTableFromTextFileV2 RestoreV2 SaveV2
    LookupTableFindV2 DecodeImage RpcCall StatefulPartitionedCallX
"""
for _name in _REACHING.split():
    hostile(f"has the operator {_name!r}")(_operator(_name))


@hostile("has the operator 'WriteFile'")
def called_function(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        graph_with("Placeholder")(meta_graph)
        caller = meta_graph.graph_def.library.function[0].node_def[0]
        caller.op = "StatefulPartitionedCall"
        caller.attr.add(key="f").value.func.name = "inner"
        _function(meta_graph, "inner", "WriteFile")

    return saved_model(folder, fill)


@hostile("has the operator 'WriteFile'")
def function_taken_for_another(folder: Path, baits: Baits) -> Path:
    """TensorFlow may replace a function by one that says to implement the same."""

    def fill(meta_graph: Any) -> None:
        graph_with("Placeholder")(meta_graph)
        _function(meta_graph, "other", "WriteFile")
        for function in meta_graph.graph_def.library.function:
            function.attr.add(key="api_implements").value.s = b"lstm"

    return saved_model(folder, fill)


@hostile("has the operator 'WriteFile'")
def function_named_by_an_object_only(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        meta_graph.object_graph_def.nodes.add().function.names.append("hidden")
        _function(meta_graph, "hidden", "WriteFile")

    return saved_model(folder, fill)


@hostile("has the operator 'WriteFile'")
def initializer_of_an_old_graph(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        meta_graph.graph_def.node.add(name="trap", op="WriteFile")
        entry = meta_graph.collection_def.add(key="saved_model_main_op")
        entry.value.node_list.value.append("trap")

    return saved_model(folder, fill)


@hostile("restores variables from another file")
def old_graph_that_restores_another_file(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        nodes = meta_graph.graph_def.node
        nodes.add(name="own", op="Placeholder")
        nodes.add(name="other", op="Const")
        nodes.add(name="restore", op="RestoreV2", input=["other"])
        meta_graph.saver_def.filename_tensor_name = "own:0"
        meta_graph.saver_def.restore_op_name = "restore"

    return saved_model(folder, fill)


@hostile("restores variables from another file")
def old_graph_that_restores_from_its_second_output(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        nodes = meta_graph.graph_def.node
        nodes.add(name="own", op="IdentityN")
        nodes.add(name="restore", op="RestoreV2", input=["own:1"])
        meta_graph.saver_def.filename_tensor_name = "own:0"
        meta_graph.saver_def.restore_op_name = "restore"

    return saved_model(folder, fill)


@hostile("has the operator 'SaveV2'")
def old_graph_that_saves_when_it_restores(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        nodes = meta_graph.graph_def.node
        nodes.add(name="trap", op="SaveV2")
        nodes.add(name="restore", op="NoOp", input=["^trap"])
        meta_graph.saver_def.restore_op_name = "restore"

    return saved_model(folder, fill)


@hostile("has the operator 'ReadFile'")
def input_of_a_signature(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        meta_graph.graph_def.node.add(name="trap", op="ReadFile")
        signature = meta_graph.signature_def.add(key="serving_default").value
        signature.inputs.add(key="x").value.name = "trap:0"

    return saved_model(folder, fill)


@hostile("has the operator 'ReadFile'")
def initial_value_of_a_variable(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        meta_graph.graph_def.node.add(name="trap", op="ReadFile")
        variable = message_class("VariableDef")(initial_value_name="trap:0")
        values = meta_graph.collection_def.add(key="variables").value.bytes_list.value
        values.append(variable.SerializeToString())

    return saved_model(folder, fill)


def cut(make: Maker) -> Maker:
    """Register a maker of a SavedModel with a trap that the signatures do not need."""
    CUT[make.__name__] = make
    return make


@cut
def node_that_nothing_needs(folder: Path, baits: Baits) -> Path:
    """TensorFlow would run it to know the shape of the one that it goes into."""

    def fill(meta_graph: Any) -> None:
        nodes = meta_graph.graph_def.node
        nodes.add(name="trap", op="ReadFile")
        nodes.add(name="shape", op="DecodeRaw", input=["trap"])
        nodes.add(name="y", op="BroadcastTo", input=["x", "shape"])

    return saved_model(folder, fill)


@cut
def function_that_nothing_needs(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        graph_with("Placeholder")(meta_graph)
        _function(meta_graph, "shape", "ReadFile", "DecodeRaw", "BroadcastTo")

    return saved_model(folder, fill)


@cut
def function_of_a_gradient(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        graph_with("Placeholder")(meta_graph)
        _function(meta_graph, "gradient", "ReadFile")
        meta_graph.graph_def.library.registered_gradients.add()

    return saved_model(folder, fill)


@cut
def first_of_two_functions_of_one_name(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        _function(meta_graph, "signature", "ReadFile")
        graph_with("Placeholder")(meta_graph)

    return saved_model(folder, fill)


@cut
def initializer_of_tables(folder: Path, baits: Baits) -> Path:
    """TensorFlow runs what this collection names where no other initializer is."""

    def fill(meta_graph: Any) -> None:
        meta_graph.graph_def.node.add(name="trap", op="ReadFile")
        entry = meta_graph.collection_def.add(key="table_initializer")
        entry.value.node_list.value.append("trap")

    return saved_model(folder, fill)


@cut
def initializer_of_a_local_variable(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        meta_graph.graph_def.node.add(name="trap", op="ReadFile")
        variable = message_class("VariableDef")(initializer_name="trap")
        values = meta_graph.collection_def.add(key="local_variables").value.bytes_list.value
        values.append(variable.SerializeToString())

    return saved_model(folder, fill)


@hostile("reads assets")
def asset_files(folder: Path, baits: Baits) -> Path:
    return saved_model(folder, lambda meta_graph: meta_graph.asset_file_def.add())


@hostile("holds an object of kind resource")
def table(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        meta_graph.object_graph_def.nodes.add().resource.SetInParent()

    return saved_model(folder, fill)


@hostile("has a tensor of shape [1000000, 1000000]")
def constant_of_terabytes(folder: Path, baits: Baits) -> Path:
    def fill(meta_graph: Any) -> None:
        graph_with("Const")(meta_graph)
        value = meta_graph.graph_def.library.function[0].node_def[0].attr.add(key="value").value
        value.tensor.tensor_shape.dim.add(size=10**6)
        value.tensor.tensor_shape.dim.add(size=10**6)

    return saved_model(folder, fill)


@hostile("has the link 'variables/variables.index', which leads out of its folder")
def linked_variables(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "variables").mkdir()
    os.symlink(baits.secret, path / "variables" / "variables.index")
    return path


@hostile("has no readable graph")
def damaged_graph(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "saved_model.pb").write_bytes(b"\xff" * 100)
    return path


@hostile("holds no graph")
def empty_graph(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "saved_model.pb").write_bytes(b"")
    return path
