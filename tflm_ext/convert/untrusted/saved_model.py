"""A SavedModel: whether its graph computes, and nothing else.

A SavedModel is a program for TensorFlow, whose operators can read and write files, call Python and
open connections. Its graph is read here without TensorFlow, as the protocol buffers that it is
made of, and every operator that loading or calling it may run has to be one of names.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tflm_ext.convert.untrusted import names
from tflm_ext.errors import UnsupportedModelError

_MAX_BYTES = 1 << 30
_ELEMENTS = 2**28  # of one constant or variable
_OBJECTS = frozenset(
    {"bare_concrete_function", "captured_tensor", "constant", "function", "user_object", "variable"}
)
_INITIALIZERS = ("saved_model_main_op", "legacy_init_op", "saved_model_init_op")
_LIVE = "Load it yourself if you trust it, and save the model for inference alone."

# The parts of TensorFlow's messages that matter here: number, name, and type of every field, where
# a star stands for repeated and a capital for a message. A map is a repeated message of two fields.
# After tensorflow/core/protobuf/{saved_model,meta_graph,saver,saved_object_graph}.proto and
# tensorflow/core/framework/{graph,function,node_def,attr_value,tensor,tensor_shape}.proto.
_MESSAGES = {
    "SavedModel": "2:meta_graphs:MetaGraph*",
    "MetaGraph": "2:graph_def:Graph 3:saver_def:Saver 4:collection_def:CollectionEntry*"
    " 5:signature_def:SignatureEntry* 6:asset_file_def:Any* 7:object_graph_def:Objects",
    "Any": "",
    "Graph": "1:node:Node* 2:library:Library",
    "Library": "1:function:Function*",
    "Function": "1:signature:Name 3:node_def:Node* 5:attr:AttrEntry*",
    "Name": "1:name:string",
    "Node": "1:name:string 2:op:string 3:input:string* 5:attr:AttrEntry*",
    "AttrEntry": "1:key:string 2:value:Attr",
    "Attr": "1:list:AttrList 2:s:bytes 8:tensor:Tensor 10:func:Name",
    "AttrList": "9:func:Name*",
    "Tensor": "2:tensor_shape:Shape",
    "Shape": "2:dim:Dimension*",
    "Dimension": "1:size:int64",
    "Saver": "1:filename_tensor_name:string 2:save_tensor_name:string 3:restore_op_name:string",
    "CollectionEntry": "1:key:string 2:value:Collection",
    "Collection": "1:node_list:NodeList",
    "NodeList": "1:value:string*",
    "SignatureEntry": "1:key:string 2:value:Signature",
    "Signature": "2:outputs:OutputEntry*",
    "OutputEntry": "1:key:string 2:value:Name",
    "Objects": "1:nodes:Object* 2:concrete_functions:ConcreteEntry*",
    "ConcreteEntry": "1:key:string",
    "Object": "4:user_object:Any 5:asset:Any 6:function:FunctionNames 7:variable:Variable"
    " 8:bare_concrete_function:FunctionNames 9:constant:Any 10:resource:Any"
    " 12:captured_tensor:Any",
    "FunctionNames": "1:names:string*",
    "Variable": "2:shape:Shape",
}


def check_saved_model(folder: Path, name: str) -> None:
    """Refuse a SavedModel that does more than compute.

    Args:
        folder: with saved_model.pb.
        name: of the model, for messages.

    Raises:
        UnsupportedModelError: it is damaged, has assets or resources, or an operator that is not on
            the list can be reached from a signature, a function, an initializer or the restoring of
            its variables.
    """
    data = (folder / "saved_model.pb").read_bytes()
    if len(data) > _MAX_BYTES:
        raise _refusal(name, f"is a graph of {len(data):,} bytes")
    meta_graphs = _parsed(data, name).meta_graphs
    if not meta_graphs:
        raise _refusal(name, "holds no graph")
    for meta_graph in meta_graphs:
        # TensorFlow decides by this whether it restores variables by itself or runs the graph.
        is_object_graph = len(meta_graphs) == 1 and meta_graph.HasField("object_graph_def")
        _Graph(meta_graph, name).check(restores=not is_object_graph)


def _parsed(data: bytes, name: str) -> Any:
    from google.protobuf.message import DecodeError

    message = _message_class()()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise UnsupportedModelError(
            f"The SavedModel {name} has no readable graph: {error}.",
            "Write it with model.export(folder).",
        ) from error
    return message


class _Graph:
    """One MetaGraphDef."""

    def __init__(self, meta_graph: Any, name: str) -> None:
        self.meta_graph = meta_graph
        self.name = name
        graph = meta_graph.graph_def
        self.functions = {f.signature.name: f for f in graph.library.function}
        self.nodes = {node.name: node for node in graph.node}

    def check(self, *, restores: bool) -> None:
        """Check all that may run.

        Args:
            restores: whether variables are restored by running nodes of the graph.
        """
        self._check_objects()
        saver = self.meta_graph.saver_def
        used = set(self._reached(self._signature_nodes()))
        saving = set(self._reached([saver.save_tensor_name, saver.restore_op_name])) - used
        for node in used:
            self._check_node(self.nodes[node], names.OPERATORS)
        roots = {f for node in used for f in _called(self.nodes[node], self.functions)}
        for node in saving if restores else ():
            self._check_node(self.nodes[node], names.OPERATORS | names.SAVING_OPERATORS)
            self._check_restoring(self.nodes[node])
            roots.update(_called(self.nodes[node], self.functions))
        objects = self.meta_graph.object_graph_def
        roots.update(entry.key for entry in objects.concrete_functions)
        for item in objects.nodes:
            roots.update(item.function.names, item.bare_concrete_function.names)
        self._check_functions(roots)

    def _check_objects(self) -> None:
        if self.meta_graph.asset_file_def:
            raise _refusal(self.name, "reads assets, that is files beside the graph")
        for item in self.meta_graph.object_graph_def.nodes:
            kinds = {field.name for field, _ in item.ListFields()}
            if not kinds <= _OBJECTS:
                raise _refusal(self.name, f"holds an object of kind {min(kinds - _OBJECTS)}")
            self._check_size(item.variable.shape)

    def _signature_nodes(self) -> Iterator[str]:
        """Outputs of signatures, and what runs when the graph is loaded."""
        for entry in self.meta_graph.signature_def:
            yield from (output.value.name for output in entry.value.outputs)
        for entry in self.meta_graph.collection_def:
            if entry.key in _INITIALIZERS:
                yield from entry.value.node_list.value

    def _reached(self, starts: Iterable[str]) -> Iterator[str]:
        """Names of the nodes of the main graph on which some depend, these included."""
        left = [_node_name(start) for start in starts]
        seen: set[str] = set()
        while left:
            name = left.pop()
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            yield name
            left.extend(_node_name(source) for source in self.nodes[name].input)

    def _check_functions(self, roots: Iterable[str]) -> None:
        """Check functions and all that they may call."""
        alike: dict[bytes, list[str]] = {}
        for name, function in self.functions.items():
            alike.setdefault(_implements(function), []).append(name)
        left, seen = list(roots), set[str]()
        while left:
            name = left.pop()
            if name in seen or name not in self.functions:
                continue
            seen.add(name)
            function = self.functions[name]
            # TensorFlow replaces a function by another that says to do the same.
            left.extend(alike[_implements(function)] if _implements(function) else ())
            for node in function.node_def:
                self._check_node(node, names.OPERATORS)
                left.extend(_called(node, self.functions))

    def _check_node(self, node: Any, allowed: frozenset[str]) -> None:
        if node.op not in allowed and node.op not in self.functions:
            raise UnsupportedModelError(
                f"The SavedModel {self.name} has the operator {node.op[:80]!r}"
                f" (node {node.name[:120]!r}), which may reach beyond the model, or cannot be"
                " converted.",
                _LIVE,
            )
        for entry in node.attr:
            self._check_size(entry.value.tensor.tensor_shape)

    def _check_restoring(self, node: Any) -> None:
        """Variables are restored from the folder that is loaded, whose name the loader feeds."""
        source = _node_name(self.meta_graph.saver_def.filename_tensor_name)
        if node.op == "RestoreV2" and (not node.input or _node_name(node.input[0]) != source):
            raise _refusal(self.name, "restores variables from another file")

    def _check_size(self, shape: Any) -> None:
        sizes = [abs(dimension.size) for dimension in shape.dim]
        if math.prod(size for size in sizes if size) > _ELEMENTS:
            raise _refusal(self.name, f"has a tensor of shape {sizes}")


def _called(node: Any, functions: Mapping[str, Any]) -> Iterator[str]:
    """Names of the functions that a node calls."""
    if node.op in functions:
        yield node.op
    for entry in node.attr:
        if entry.value.func.name:
            yield entry.value.func.name
        yield from (function.name for function in entry.value.list.func)


def _implements(function: Any) -> bytes:
    return next((bytes(e.value.s) for e in function.attr if e.key == "api_implements"), b"")


def _node_name(tensor: str) -> str:
    """Of "name:0" or "^name"."""
    return tensor.removeprefix("^").partition(":")[0]


def _refusal(name: str, problem: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"The SavedModel {name} {problem}.", _LIVE)


@cache
def _message_class() -> Any:
    """A class for SavedModel messages that knows the fields of _MESSAGES and keeps no others."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field_types = descriptor_pb2.FieldDescriptorProto
    types = {
        "string": field_types.TYPE_STRING,
        "bytes": field_types.TYPE_BYTES,
        "int64": field_types.TYPE_INT64,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="saved_model_parts.proto", package="parts", syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            number, field_name, kind = text.split(":")
            field = message.field.add(name=field_name, number=int(number))
            repeated = kind.endswith("*")
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            field.type = types.get(kind, field.TYPE_MESSAGE)
            if kind not in types:
                field.type_name = f".parts.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("parts.SavedModel"))
