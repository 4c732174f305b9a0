"""Checks that the graph of a SavedModel only computes.

A SavedModel is a program for TensorFlow, whose operators can read and write files, call Python and
open connections. This module reads its protocol buffers without TensorFlow. It removes everything
that the signatures do not need, because TensorFlow imports the whole graph, and may run nodes to
infer the shapes of others, even if nothing needs them. All remaining operators must be listed in
names.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tflm_ext.convert.untrusted import names
from tflm_ext.convert.untrusted.messages import message_class
from tflm_ext.convert.untrusted.sizes import exceeds
from tflm_ext.errors import UnsupportedModelError

_MAX_BYTES = 1 << 30
_ELEMENTS = 2**28  # of one constant or variable
_OBJECTS = frozenset(
    {"bare_concrete_function", "captured_tensor", "constant", "function", "user_object", "variable"}
)
_VARIABLES = "variables"
_INITIALIZERS = ("saved_model_main_op", "legacy_init_op")
_LIVE = "If you trust the model, load it yourself, and save it for inference only."


def check_saved_model(folder: Path, name: str) -> None:
    """Refuse a SavedModel that does more than compute; remove what its signatures do not need.

    Args:
        folder: contains saved_model.pb, which is rewritten.
        name: of the model, for messages.

    Raises:
        UnsupportedModelError: it is damaged, has assets or resources, or a signature, a function,
            an initializer or the restoration of variables uses an operator that is not listed.
    """
    file = folder / "saved_model.pb"
    if file.stat().st_size > _MAX_BYTES:
        raise _refusal(name, f"is a graph of {file.stat().st_size:,} bytes")
    model = _parsed("SavedModel", file.read_bytes(), name)
    if not model.meta_graphs:
        raise _refusal(name, "contains no graph")
    for meta_graph in model.meta_graphs:
        # This decides whether TensorFlow imports only functions, or runs the graph.
        functions_only = len(model.meta_graphs) == 1 and meta_graph.HasField("object_graph_def")
        _Graph(meta_graph, name).check(functions_only=functions_only)
    file.write_bytes(model.SerializeToString())


def _parsed(kind: str, data: bytes, name: str) -> Any:
    from google.protobuf.message import DecodeError

    message = message_class(kind)()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise UnsupportedModelError(
            f"The SavedModel {name} has no readable graph: {error}.",
            "Write it with model.export(folder).",
        ) from error
    return message


class _Graph:
    """One MetaGraphDef. If nodes or functions have the same name, the last one counts."""

    def __init__(self, meta_graph: Any, name: str) -> None:
        self.meta_graph = meta_graph
        self.name = name
        graph = meta_graph.graph_def
        self.functions = {f.signature.name: f for f in graph.library.function}
        self.nodes = {node.name: node for node in graph.node}

    def check(self, *, functions_only: bool) -> None:
        """Check everything that is needed, and remove the rest.

        Args:
            functions_only: whether TensorFlow imports the functions of the graph's objects, and
                restores variables itself; otherwise it imports the nodes, and runs some of them.
        """
        self._check_objects()
        nodes = self._constants() if functions_only else self._imported()
        functions = {f for node in nodes for f in _called(self.nodes[node], self.functions)}
        objects = self.meta_graph.object_graph_def
        functions.update(entry.key for entry in objects.concrete_functions)
        for item in objects.nodes:
            functions.update(item.function.names, item.bare_concrete_function.names)
        self._cut(nodes, self._checked_functions(functions))

    def _check_objects(self) -> None:
        if self.meta_graph.asset_file_def:
            raise _refusal(self.name, "reads assets, which are separate files")
        for item in self.meta_graph.object_graph_def.nodes:
            kinds = {field.name for field, _ in item.ListFields()}
            if not kinds <= _OBJECTS:
                raise _refusal(self.name, f"contains an object of kind {min(kinds - _OBJECTS)}")
            self._check_size(item.variable.shape)

    def _constants(self) -> set[str]:
        """Return the names of nodes with constants of the graph's objects."""
        objects = self.meta_graph.object_graph_def.nodes
        found = {item.constant.operation for item in objects} & self.nodes.keys()
        for name in found:
            self._check_node(self.nodes[name], names.OPERATORS)
        return found

    def _imported(self) -> set[str]:
        """Return the names of the nodes of a graph that is imported and run."""
        saver = self.meta_graph.saver_def
        used = self._reached(self._used())
        restoring = self._reached([saver.restore_op_name]) - used
        for name in used:
            self._check_node(self.nodes[name], names.OPERATORS)
        for name in restoring:
            self._check_node(self.nodes[name], names.OPERATORS | names.RESTORING_OPERATORS)
            self._check_restoring(self.nodes[name])
        return used | restoring

    def _used(self) -> Iterator[str]:
        """Yield inputs and outputs of signatures, variables, and nodes that run during loading."""
        yield self.meta_graph.saver_def.filename_tensor_name
        for entry in self.meta_graph.signature_def:
            for tensor in (*entry.value.inputs, *entry.value.outputs):
                yield tensor.value.name
        for entry in self.meta_graph.collection_def:
            if entry.key in _INITIALIZERS:
                yield from entry.value.node_list.value
            for data in entry.value.bytes_list.value if entry.key == _VARIABLES else ():
                variable = _parsed("VariableDef", data, self.name)
                yield from (value for _, value in variable.ListFields())

    def _reached(self, starts: Iterable[str]) -> set[str]:
        """Return the names of nodes of the main graph, and of all nodes that they depend on."""
        left = [_node_name(start) for start in starts]
        seen: set[str] = set()
        while left:
            name = left.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                left.extend(_node_name(source) for source in self.nodes[name].input)
        return seen

    def _checked_functions(self, roots: Iterable[str]) -> set[str]:
        """Check functions and everything that they may call, and return their names."""
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
            # TensorFlow may replace a function with another one that claims to do the same.
            left.extend(alike[_implements(function)] if _implements(function) else ())
            for node in function.node_def:
                self._check_node(node, names.OPERATORS | names.TRAINING_OPERATORS)
                left.extend(_called(node, self.functions))
        return seen

    def _check_node(self, node: Any, allowed: frozenset[str]) -> None:
        if node.op not in allowed and node.op not in self.functions:
            raise UnsupportedModelError(
                f"The SavedModel {self.name} has the operator {node.op[:80]!r}"
                f" (node {node.name[:120]!r}), which may reach beyond the model, or cannot be"
                " converted.",
                _LIVE,
            )
        for entry in node.attr:
            for tensor in (entry.value.tensor, *entry.value.list.tensor):
                self._check_size(tensor.tensor_shape)

    def _check_restoring(self, node: Any) -> None:
        """Check that variables are restored only from the folder that the loader names."""
        source = _tensor_name(self.meta_graph.saver_def.filename_tensor_name)
        if node.op in names.RESTORING_OPERATORS and (
            not node.input or _tensor_name(node.input[0]) != source
        ):
            raise _refusal(self.name, "restores variables from another file")

    def _check_size(self, shape: Any) -> None:
        sizes = [dimension.size for dimension in shape.dim]
        if exceeds(sizes, _ELEMENTS):
            raise _refusal(self.name, f"has a tensor of shape {str(sizes)[:80]}")

    def _cut(self, nodes: set[str], functions: set[str]) -> None:
        """Remove everything from the graph except some nodes and functions."""
        graph = self.meta_graph.graph_def
        graph.ClearField("node")
        graph.node.extend(node for name, node in self.nodes.items() if name in nodes)
        graph.ClearField("library")
        graph.library.function.extend(f for name, f in self.functions.items() if name in functions)
        kept = [e for e in self.meta_graph.collection_def if e.key in (_VARIABLES, *_INITIALIZERS)]
        self.meta_graph.ClearField("collection_def")
        self.meta_graph.collection_def.extend(kept)


def _called(node: Any, functions: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the functions that a node calls."""
    if node.op in functions:
        yield node.op
    for entry in node.attr:
        if entry.value.func.name:
            yield entry.value.func.name
        yield from (function.name for function in entry.value.list.func)


def _implements(function: Any) -> bytes:
    return next((bytes(e.value.s) for e in function.attr if e.key == "api_implements"), b"")


def _node_name(tensor: str) -> str:
    """Return the name in "name:0" or "^name"."""
    return tensor.removeprefix("^").partition(":")[0]


def _tensor_name(tensor: str) -> str:
    """Return the full name of a tensor: "name" is short for "name:0"."""
    return tensor if ":" in tensor else f"{tensor}:0"


def _refusal(name: str, problem: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"The SavedModel {name} {problem}.", _LIVE)
