"""SavedModels whose graph does more than compute."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.makers import (
    CUT,
    Baits,
    Maker,
    hostile,
)
from tflm_ext.convert.untrusted.messages import message_class

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


@hostile("contains an object of kind resource")
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


@hostile("has the link 'variables/variables.index', which points outside its folder")
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


@hostile("contains no graph")
def empty_graph(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "saved_model.pb").write_bytes(b"")
    return path


@hostile("has 10,000,000,000,000 bytes")
def variables_with_a_hole(folder: Path, baits: Baits) -> Path:
    path = saved_model(folder, graph_with("Identity"))
    (path / "variables").mkdir()
    (path / "variables" / "variables.index").touch()
    os.truncate(path / "variables" / "variables.index", 10**13)
    return path
