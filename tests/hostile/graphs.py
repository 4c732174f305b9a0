"""SavedModels whose graph does more than compute."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.makers import CUT, Baits, Maker, hostile
from tflm_ext.convert.untrusted.messages import message_class

Fill = Callable[[Any], None]
"""Writes a MetaGraphDef, field by field."""


def saved_model(folder: Path, fill: Fill) -> Path:
    path = folder / "model"
    path.mkdir()
    message = message_class("SavedModel")()
    fill(message.meta_graphs.add())
    (path / "saved_model.pb").write_bytes(message.SerializeToString())
    return path


def graph_with(*operators: str) -> Fill:
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


def _written(fill: Fill) -> Maker:
    """The maker of a SavedModel with this graph."""

    def make(folder: Path, baits: Baits) -> Path:
        return saved_model(folder, fill)

    make.__name__ = fill.__name__
    return make


def hostile_graph(said: str) -> Callable[[Fill], Maker]:
    """Register what fills a graph, with a part of what the refusal has to say."""
    return lambda fill: hostile(said)(_written(fill))


def cut(fill: Fill) -> Maker:
    """Register what fills a graph with a trap that the signatures do not need."""
    CUT[fill.__name__] = made = _written(fill)
    return made


def _operator(operator: str) -> Fill:
    fill = graph_with("Placeholder", operator, "Identity")
    fill.__name__ = f"saved_model_with_{operator}"
    return fill


_REACHING = """
    ReadFile WriteFile MatchingFiles PyFunc PyFuncStateless EagerPyFunc DebugIdentityV2 PrintV2
    TextLineDataset TFRecordDatasetV2 InitializeTableFromTextFileV2 RestoreV2 SaveV2
    LookupTableFindV2 DecodeImage RpcCall StatefulPartitionedCallX
"""
for _name in _REACHING.split():
    hostile_graph(f"has the operator {_name!r}")(_operator(_name))


@hostile_graph("has the operator 'WriteFile'")
def called_function(meta_graph: Any) -> None:
    graph_with("Placeholder")(meta_graph)
    caller = meta_graph.graph_def.library.function[0].node_def[0]
    caller.op = "StatefulPartitionedCall"
    caller.attr.add(key="f").value.func.name = "inner"
    _function(meta_graph, "inner", "WriteFile")


@hostile_graph("has the operator 'WriteFile'")
def function_taken_for_another(meta_graph: Any) -> None:
    """TensorFlow may replace a function by one that says to implement the same."""
    graph_with("Placeholder")(meta_graph)
    _function(meta_graph, "other", "WriteFile")
    for function in meta_graph.graph_def.library.function:
        function.attr.add(key="api_implements").value.s = b"lstm"


@hostile_graph("has the operator 'WriteFile'")
def function_named_by_an_object_only(meta_graph: Any) -> None:
    meta_graph.object_graph_def.nodes.add().function.names.append("hidden")
    _function(meta_graph, "hidden", "WriteFile")


def _initializes(meta_graph: Any, operator: str, collection: str) -> None:
    meta_graph.graph_def.node.add(name="trap", op=operator)
    entry = meta_graph.collection_def.add(key=collection)
    entry.value.node_list.value.append("trap")


@hostile_graph("has the operator 'WriteFile'")
def initializer_of_an_old_graph(meta_graph: Any) -> None:
    _initializes(meta_graph, "WriteFile", "saved_model_main_op")


def _restores_from(meta_graph: Any, tensor: str) -> None:
    meta_graph.saver_def.filename_tensor_name = tensor
    meta_graph.saver_def.restore_op_name = "restore"


@hostile_graph("restores variables from another file")
def old_graph_that_restores_another_file(meta_graph: Any) -> None:
    nodes = meta_graph.graph_def.node
    nodes.add(name="own", op="Placeholder")
    nodes.add(name="other", op="Const")
    nodes.add(name="restore", op="RestoreV2", input=["other"])
    _restores_from(meta_graph, "own:0")


@hostile_graph("restores variables from another file")
def old_graph_that_restores_from_its_second_output(meta_graph: Any) -> None:
    nodes = meta_graph.graph_def.node
    nodes.add(name="own", op="IdentityN")
    nodes.add(name="restore", op="RestoreV2", input=["own:1"])
    _restores_from(meta_graph, "own:0")


@hostile_graph("has the operator 'SaveV2'")
def old_graph_that_saves_when_it_restores(meta_graph: Any) -> None:
    nodes = meta_graph.graph_def.node
    nodes.add(name="trap", op="SaveV2")
    nodes.add(name="restore", op="NoOp", input=["^trap"])
    meta_graph.saver_def.restore_op_name = "restore"


@hostile_graph("has the operator 'ReadFile'")
def input_of_a_signature(meta_graph: Any) -> None:
    meta_graph.graph_def.node.add(name="trap", op="ReadFile")
    signature = meta_graph.signature_def.add(key="serving_default").value
    signature.inputs.add(key="x").value.name = "trap:0"


def _has_variable(meta_graph: Any, collection: str, **trap: str) -> None:
    meta_graph.graph_def.node.add(name="trap", op="ReadFile")
    variable = message_class("VariableDef")(**trap)
    values = meta_graph.collection_def.add(key=collection).value.bytes_list.value
    values.append(variable.SerializeToString())


@hostile_graph("has the operator 'ReadFile'")
def initial_value_of_a_variable(meta_graph: Any) -> None:
    _has_variable(meta_graph, "variables", initial_value_name="trap:0")


@cut
def node_that_nothing_needs(meta_graph: Any) -> None:
    """TensorFlow would run it to know the shape of the one that it goes into."""
    nodes = meta_graph.graph_def.node
    nodes.add(name="trap", op="ReadFile")
    nodes.add(name="shape", op="DecodeRaw", input=["trap"])
    nodes.add(name="y", op="BroadcastTo", input=["x", "shape"])


@cut
def function_that_nothing_needs(meta_graph: Any) -> None:
    graph_with("Placeholder")(meta_graph)
    _function(meta_graph, "shape", "ReadFile", "DecodeRaw", "BroadcastTo")


@cut
def function_of_a_gradient(meta_graph: Any) -> None:
    graph_with("Placeholder")(meta_graph)
    _function(meta_graph, "gradient", "ReadFile")
    meta_graph.graph_def.library.registered_gradients.add()


@cut
def first_of_two_functions_of_one_name(meta_graph: Any) -> None:
    _function(meta_graph, "signature", "ReadFile")
    graph_with("Placeholder")(meta_graph)


@cut
def initializer_of_tables(meta_graph: Any) -> None:
    """TensorFlow runs what this collection names where no other initializer is."""
    _initializes(meta_graph, "ReadFile", "table_initializer")


@cut
def initializer_of_a_local_variable(meta_graph: Any) -> None:
    _has_variable(meta_graph, "local_variables", initializer_name="trap")


@hostile_graph("reads assets")
def asset_files(meta_graph: Any) -> None:
    meta_graph.asset_file_def.add()


@hostile_graph("contains an object of kind resource")
def table(meta_graph: Any) -> None:
    meta_graph.object_graph_def.nodes.add().resource.SetInParent()


@hostile_graph("has a tensor of shape [1000000, 1000000]")
def constant_of_terabytes(meta_graph: Any) -> None:
    graph_with("Const")(meta_graph)
    value = meta_graph.graph_def.library.function[0].node_def[0].attr.add(key="value").value
    value.tensor.tensor_shape.dim.add(size=10**6)
    value.tensor.tensor_shape.dim.add(size=10**6)


def _index(path: Path) -> Path:
    """Where the variables of a SavedModel begin."""
    (path / "variables").mkdir(exist_ok=True)
    return path / "variables" / "variables.index"


@hostile("has the link 'variables/variables.index', which points outside its folder")
def linked_variables(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    os.symlink(baits.secret, _index(path))
    return path


@hostile("has no readable graph")
def damaged_graph(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "saved_model.pb").write_bytes(b"\xff" * 100)
    return path


@hostile("contains no graph")
def empty_graph(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "saved_model.pb").write_bytes(b"")
    return path


@hostile("has 10,000,000,000,000 bytes")
def variables_with_a_hole(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    _index(path).touch()
    os.truncate(_index(path), 10**13)
    return path
