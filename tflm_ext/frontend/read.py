"""Reads untrusted .tflite bytes into a checked Graph.

Everything that later stages rely on is checked in parse.py, here, or by the operators: inputs and
outputs are int8 or int32, every operator is supported, and reads only values that were computed
before.
"""

from __future__ import annotations

from collections.abc import Collection

from tflm_ext.errors import UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.flatbuffer import MalformedError
from tflm_ext.frontend.float_operators import DEQUANTIZE, ELEMENTWISE, QUANTIZE
from tflm_ext.frontend.islands import Run, find_islands, is_float, tabulate
from tflm_ext.frontend.limits import check_limits
from tflm_ext.frontend.parse import CUSTOM, RawModel, RawNode, damage_refused, parse
from tflm_ext.frontend.ports import is_port
from tflm_ext.frontend.remedies import builtin_name, node_label, remedy
from tflm_ext.ir import DType, Graph, Node
from tflm_ext.ir.verify import verify_graph
from tflm_ext.ops import BY_CODE, BY_NAME

_OTHER_INTEGERS = {DType.BOOL, DType.INT16, DType.INT64}
_MAX_CHECKED_BYTES = 1 << 26  # of constants read by all operators, in addition to the file's size


def read_graph(data: bytes, name: str = "model", *, run: Run | None = None) -> Graph:
    """Parse a .tflite and check it.

    Args:
        data: bytes of the file; untrusted.
        name: the model's name, for messages.
        run: TFLM's interpreter, which turns float islands into tables; None refuses islands.

    Raises:
        UnsupportedModelError: the file is not a valid .tflite, or the model is not supported.
        UnsupportedOperatorError: an operator is not supported.
    """
    with damage_refused(name):
        model = parse(data, name)
        _refuse_custom(model, name)
        _check_ports(model, name)
        _ordered(model, name)
        nodes = _nodes(data, model, name, run)
        graph = Graph(name, model.tensors, nodes, model.inputs, model.outputs)
        _check_sharing(graph, len(data))
        for view in graph.views():
            BY_NAME[view.node.operator].check(view)
        check_limits(graph)
    return graph


def read_foreign(data: bytes, name: str = "model", custom: Collection[str] = ()) -> Graph:
    """Parse a .tflite for a different runtime, and check the invariants of graphs.

    Any builtin operator is allowed, and its options are not parsed. Inputs must be int8, because it
    is not known which integers an operator accepts; outputs must be int8 or int32.

    Args:
        data, name: as for read_graph().
        custom: names of the custom operators that the runtime has.

    Raises:
        UnsupportedModelError: the file is not a valid .tflite, or an input or output is not int8.
        UnsupportedOperatorError: the runtime lacks a custom operator.
    """
    with damage_refused(name):
        model = parse(data, name)
        _refuse_custom(model, name, custom)
        _check_ports(model, name)
        _refuse_integers(model, name)
        return _ordered(model, name)


def _refuse_custom(model: RawModel, name: str, known: Collection[str] = ()) -> None:
    """Refuse custom operators first, because they may break the rules of graphs."""
    for raw in model.nodes:
        if raw.code == CUSTOM and raw.custom not in known:
            label = node_label(raw, model)
            raise UnsupportedOperatorError(f"{name}: {label} is not supported.", remedy(_name(raw)))


def _check_ports(model: RawModel, name: str) -> None:
    for what, indices in (("input", model.inputs), ("output", model.outputs)):
        for place, i in enumerate(indices):
            tensor = model.tensors[i]
            if is_port(tensor):
                continue
            which = f"{name}: {what} {place} {tensor.name[:80]!r}"
            if tensor.dtype is DType.INT8:
                raise UnsupportedModelError(
                    f"{which} is a constant or a variable, or does not have exactly one scale and "
                    "one zero point.",
                    "Convert the model with full int8 quantisation (inference type int8).",
                )
            if tensor.dtype is DType.INT32:
                raise UnsupportedModelError(
                    f"{which} is int32 and a constant or a variable, or has a scale.",
                    "Integer inputs and outputs are int32 without quantisation.",
                )
            quantised = tensor.quantization is not None  # int16 activations
            if what == "input" and not quantised and tensor.dtype in _OTHER_INTEGERS:
                raise UnsupportedModelError(
                    f"{which} is {tensor.dtype.value}, not int8 or int32.",
                    "Declare integer inputs as int32: keras.Input(shape, dtype='int32').",
                )
            raise UnsupportedModelError(
                f"{which} is {tensor.dtype.value}, not int8 or int32.",
                "Pass the Keras model and calibration_data, or convert with full int8 quantisation"
                " (inference type int8).",
            )


def _refuse_integers(model: RawModel, name: str) -> None:
    """Refuse integer inputs where operators are not known, and with them the values they take."""
    others = [raw for raw in model.nodes if raw.code not in BY_CODE]
    for place, i in enumerate(model.inputs):
        if model.tensors[i].dtype is DType.INT32:
            raise UnsupportedModelError(
                f"{name}: input {place} {model.tensors[i].name[:80]!r} is int32, and which values "
                + (f"operator {others[0].index} {_name(others[0])}" if others else "an operator")
                + " takes is not known.",
                "Models with integer inputs must have supported operators only.",
            )


def _ordered(model: RawModel, name: str) -> Graph:
    """Check the invariants of graphs, before any code follows the graph's edges."""
    nodes = tuple(Node(raw.index, _name(raw), raw.inputs, raw.outputs) for raw in model.nodes)
    graph = Graph(name, model.tensors, nodes, model.inputs, model.outputs)
    problem = verify_graph(graph)
    if problem is not None:
        raise MalformedError(problem)
    return graph


def _nodes(data: bytes, model: RawModel, name: str, run: Run | None) -> tuple[Node, ...]:
    islands = find_islands(model)
    swallowed = {node.index for island in islands for node in island.nodes}
    others = [raw for raw in model.nodes if raw.index not in swallowed]
    for raw in sorted(others, key=lambda raw: _blame(raw, model)):
        _check_known(raw, model, name)
    nodes = [_node(raw) for raw in others]
    if islands and run is None:
        raise UnsupportedModelError(
            f"{name}: a float32 region begins at {node_label(islands[0].nodes[0], model)}.",
            "Convert the model with full int8 quantisation.",
        )
    if run is not None:
        nodes += tabulate(data, model, islands, run, name)
    return tuple(sorted(nodes, key=lambda node: node.index))


def _node(raw: RawNode) -> Node:
    operator = BY_CODE[raw.code]
    if raw.options is not None and operator.options_type not in {None, raw.options_type}:
        raise MalformedError(
            f"operator {raw.index} {operator.name} has the options of a different operator"
        )
    return Node(
        index=raw.index,
        operator=operator.name,
        inputs=raw.inputs,
        outputs=raw.outputs,
        options=operator.parse(raw.options),
        intermediates=raw.intermediates,
    )


def _name(raw: RawNode) -> str:
    operator = BY_CODE.get(raw.code)
    return operator.name if operator else builtin_name(raw.code, raw.custom)


def _blame(raw: RawNode, model: RawModel) -> int:
    """Sort key: the operator that an error names if a float32 region is not a valid island."""
    if not is_float(raw, model):
        return 0
    return 2 if raw.code in (DEQUANTIZE, QUANTIZE) else int(raw.code in ELEMENTWISE)


def _check_known(raw: RawNode, model: RawModel, name: str) -> None:
    operator = BY_CODE.get(raw.code)
    label = node_label(raw, model)
    if _blame(raw, model) > 0:
        raise UnsupportedModelError(
            f"{name}: {label} computes in float32, and the float32 operators around it do "
            "not form an elementwise function of one int8 tensor.",
            "Replace the layer with one that the converter quantises, or move it out of the model.",
        )
    if operator is not None and is_float(raw, model):
        raise UnsupportedModelError(
            f"{name}: {label} computes in float32.",
            "Convert the model with full int8 quantisation; replace layers that cannot be "
            "quantised.",
        )
    if operator is None:
        raise UnsupportedOperatorError(f"{name}: {label} is not supported.", remedy(_name(raw)))
    if raw.version > operator.max_version:
        raise UnsupportedOperatorError(
            f"{name}: version {raw.version} of {label} is not supported.",
            remedy(_name(raw)),
        )


def _check_sharing(graph: Graph, size: int) -> None:
    """Limit how many operators share constants, which are checked once per operator."""
    constants = sum(t.bytes for view in graph.views() for t in view.inputs if t.constant)
    if constants > 64 * size + _MAX_CHECKED_BYTES:
        raise MalformedError("the same weights are used by too many operators")
