"""Configurations that name what runs code or reads files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.hostile.layers import CODE, dense, layer, model
from tests.hostile.makers import KERAS, Baits, h5_file, hostile, keras_file

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


@hostile("has a ClassMethod layer 'trap': loading it would run code")
def calls_a_class_method(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("ClassMethod", cls_symbol="data.TextLineDataset")))


@hostile("has a InstanceMethod layer 'trap': loading it would run code")
def calls_a_method(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("InstanceMethod", method_name="numpy")))


@hostile("has a TensorFlowOpLayer layer 'trap': loading it would run code")
def holds_a_node(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(layer("TensorFlowOpLayer", node_def='{"op": "WriteFile"}')))


# Code of the file itself


@hostile("has a Lambda layer 'trap': loading it would run code from the file")
def lambda_of_keras_3(folder: Path, baits: Baits) -> Path:
    function = {"class_name": "__lambda__", "config": {"code": CODE}}
    return keras_file(folder, model(layer("Lambda", function=function)), KERAS)


@hostile("has a Lambda layer 'trap': loading it would run code from the file")
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


@hostile("has a TFSMLayer layer 'trap': loading it would run code")
def nested_saved_model(folder: Path, baits: Baits) -> Path:
    trap = layer("TFSMLayer", filepath=str(baits.secret.parent))
    return keras_file(folder, model(trap), KERAS)


@hostile("has a TorchModuleWrapper layer 'trap': loading it would run code")
def pickled_torch_module(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("TorchModuleWrapper", module=CODE)), KERAS)


@hostile("has a JaxLayer layer 'trap': loading it would run code")
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


@hostile("names the module 'tflm_ext.cli'")
def our_class_from_a_program_of_ours(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("tflm_ext>FakeQuant", module="tflm_ext.cli")))


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


# Wrappers of tensorflow-model-optimization

WRAPPER = "tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper"


@hostile("has a Lambda layer 'trap': loading it would run code from the file")
def lambda_in_a_wrapper(folder: Path, baits: Baits) -> Path:
    trap = layer("Lambda", function=CODE)
    return h5_file(folder, model(layer("PruneLowMagnitude", "prune", None, layer=trap)))


@hostile("names the class 'Popen' in layer 'prune'")
def schedule_of_a_wrapper(folder: Path, baits: Baits) -> Path:
    schedule = {"class_name": "Popen", "config": {"args": ["touch", str(baits.marker)]}}
    wrapped = layer("PruneLowMagnitude", "prune", WRAPPER, pruning_schedule=schedule, layer=dense())
    return keras_file(folder, model(wrapped))


@hostile("names the class 'PruneLowMagnitude' of bait_module")
def wrapper_from_another_module(folder: Path, baits: Baits) -> Path:
    return keras_file(
        folder, model(layer("PruneLowMagnitude", "prune", baits.module, layer=dense()))
    )


@hostile("names the class 'PruneLowMagnitude' of tensorflow_model_optimization.python")
def wrapper_in_a_file_of_keras_3(folder: Path, baits: Baits) -> Path:
    wrapped = layer("PruneLowMagnitude", "prune", WRAPPER, layer=dense())
    return keras_file(folder, model(wrapped), KERAS)


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


@hostile("contains 'assets/trap/vocabulary.txt'")
def assets(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense()), KERAS, **{"assets/trap/vocabulary.txt": b"x"})
