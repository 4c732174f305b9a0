"""Models whose ends are not int8: cut where int8 begins and where it ends.

Before the first int8 tensor, converters leave what scales a picture or widens uint8; after the last
one, LOG_SOFTMAX, ARG_MAX or the decoding of boxes. A device has simpler means for that than the
model's runtime, so the project has only the int8 operators, and says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tflm_ext.frontend.float_operators import DEQUANTIZE, QUANTIZE
from tflm_ext.frontend.islands import find_islands
from tflm_ext.frontend.parse import RawModel, RawNode, damage_refused, parse
from tflm_ext.frontend.ports import int8_port, is_port
from tflm_ext.frontend.remedies import builtin_name
from tflm_ext.frontend.subset import subset
from tflm_ext.ir import DType

# What was trained belongs to the model: a model that computes with it in float32 is refused.
_TRAINED = frozenset(
    {
        3,  # CONV_2D
        4,  # DEPTHWISE_CONV_2D
        7,  # EMBEDDING_LOOKUP
        9,  # FULLY_CONNECTED
        16,  # LSTM
        24,  # RNN
        27,  # SVDF
        35,  # UNIDIRECTIONAL_SEQUENCE_RNN
        44,  # UNIDIRECTIONAL_SEQUENCE_LSTM
        46,  # BIDIRECTIONAL_SEQUENCE_RNN
        52,  # BIDIRECTIONAL_SEQUENCE_LSTM
        67,  # TRANSPOSE_CONV
        126,  # BATCH_MATMUL
        132,  # CONV_3D
    }
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A model without the operators at its ends that are not int8.

    Attributes:
        data: bytes of a .tflite; the original ones if nothing had to be done.
        notes: what is missing, one sentence for each input and output.
        input_names: by place of a new input, the name of the one that it replaces.
    """

    data: bytes
    notes: tuple[str, ...] = ()
    input_names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _End:
    """Operators at one end.

    Attributes:
        nodes: in the order of the file.
        ports: by old input or output of the model, the tensors that replace it.
    """

    nodes: tuple[RawNode, ...]
    ports: Mapping[int, tuple[int, ...]]


def cut(data: bytes, name: str = "model") -> Cut:
    """Remove what comes before the first int8 tensors and after the last ones.

    Conversions alone are left to strip_ports(). Nothing is removed if a part of an end was trained,
    or if int8 does not begin or end there; read_graph() refuses such a model.

    Args:
        data: bytes of the file; not trusted.
        name: the name that messages use for the model.

    Raises:
        UnsupportedModelError: not a valid .tflite.
    """
    with damage_refused(name):
        model = parse(data, name)
        head, tail = _head(model), _tail(model)
        if not head.nodes and not tail.nodes:
            return Cut(data)
        removed = {node.index for node in (*head.nodes, *tail.nodes)}
        kept = [node.index for node in model.nodes if node.index not in removed]
        inputs, outputs = _replaced(model.inputs, head), _replaced(model.outputs, tail)
        notes = (
            *_notes(model, "input", model.inputs, head),
            *_notes(model, "output", model.outputs, tail),
        )
        names = {
            inputs.index(new[0]): model.tensors[old].name
            for old, new in head.ports.items()
            if len(new) == 1
        }
        return Cut(subset(data, kept, inputs, outputs), notes, names)


def _head(model: RawModel) -> _End:
    """What computes the first int8 tensors, or the integers that operators take as positions."""
    origins = {i: {i} for i in model.inputs if model.tensors[i].dtype is not DType.INT8}
    nodes, results = [], dict[int, set[int]]()
    for node in model.nodes:
        read = _computed(model, node.inputs)
        if read and origins.keys() >= set(read) and _other(model, node):
            nodes.append(node)
            origin = set[int]().union(*(origins[i] for i in read))
            for i in node.outputs:
                ends = model.tensors[i].dtype is DType.INT8
                (results if ends else origins)[i] = origin
    inside = {node.index for node in nodes}
    after = {i for node in model.nodes if node.index not in inside for i in node.inputs}
    after |= set(model.outputs)
    used = {i for node in nodes for i in node.inputs if i in model.inputs}
    # Integers are positions, say, that were int64 in the file.
    results |= {i: o for i, o in origins.items() if i in after and i not in o}
    results = {i: o for i, o in results.items() if i in after}
    ports = {i: tuple(k for k in results if i in results[k]) for i in model.inputs if i in used}
    if (
        not all(ports.values())
        or used & after
        or not all(is_port(model.tensors[i]) for i in results)
        or _conversions(nodes, len(ports), len(results))
    ):
        return _End((), {})
    return _End(tuple(nodes) if ports else (), ports)


def _tail(model: RawModel) -> _End:
    """What computes with the last int8 tensors."""
    readers = _readers(model)
    islands = {node.index for island in find_islands(model) for node in island.nodes}
    inside: dict[int, RawNode] = {}
    for node in reversed(model.nodes):
        closed = all(inside.keys() >= readers.get(i, set()) for i in node.outputs)
        last = set(node.outputs) <= set(model.outputs)
        types = {model.tensors[i].dtype for i in node.outputs}
        if (
            closed
            and (DType.INT8 not in types or last)
            and node.index not in islands
            and (_other(model, node) or _counts(model, node))
        ):
            inside[node.index] = node
    nodes = tuple(inside[i] for i in sorted(inside))
    ends = _ends(model, nodes)
    ports = {i: tuple(sorted(ends[i])) for i in model.outputs if i in ends}
    sources = set[int]().union(*ports.values())
    if (
        not all(ports.values())
        or not all(int8_port(model.tensors[i]) and i not in model.inputs for i in sources)
        or _conversions(nodes, len(ports), len(sources))
    ):
        return _End((), {})
    return _End(nodes if ports else (), ports)


def _ends(model: RawModel, nodes: Sequence[RawNode]) -> dict[int, set[int]]:
    """For each tensor that operators at the end compute, those of the others that it is made of.

    What other operators read in float32 too is traced to the int8 tensor from which it comes.
    """
    opened = {
        node.outputs[0]: node.inputs[0]
        for node in model.nodes
        if node.code == DEQUANTIZE and len(node.inputs) == len(node.outputs) == 1
    }
    ends: dict[int, set[int]] = {}
    for node in nodes:
        made_of = set[int]()
        for i in _computed(model, node.inputs):
            made_of |= ends.get(i, {opened.get(i, i)})
        ends |= dict.fromkeys(node.outputs, made_of)
    return ends


def _readers(model: RawModel) -> dict[int, set[int]]:
    readers: dict[int, set[int]] = {}
    for node in model.nodes:
        for i in node.inputs:
            readers.setdefault(i, set()).add(node.index)
    return readers


def _computed(model: RawModel, numbers: Iterable[int]) -> list[int]:
    return [i for i in numbers if i >= 0 and not model.tensors[i].constant]


def _other(model: RawModel, node: RawNode) -> bool:
    """Whether an operator, which was not trained, works on types that the C does not have."""
    numbers = _computed(model, (*node.inputs, *node.outputs))
    return (
        node.code not in _TRAINED
        and not any(model.tensors[i].variable for i in numbers)
        and not {model.tensors[i].dtype for i in numbers} <= {DType.INT8, DType.INT32}
    )


def _counts(model: RawModel, node: RawNode) -> bool:
    """Whether an operator makes integers of int8 values, as ARG_MAX does."""
    read = {model.tensors[i].dtype for i in _computed(model, node.inputs)}
    written = {model.tensors[i].dtype for i in node.outputs}
    return DType.INT8 in read and written == {DType.INT32}


def _conversions(nodes: Sequence[RawNode], old: int, new: int) -> bool:
    """Whether operators do no more than convert each port, as strip_ports() expects it."""
    simple = all(node.code in (QUANTIZE, DEQUANTIZE) for node in nodes)
    return simple and len(nodes) == old == new


def _replaced(ports: Sequence[int], end: _End) -> tuple[int, ...]:
    """Inputs or outputs in their order; none of the new ones twice."""
    found: list[int] = []
    for i in ports:
        new = end.ports.get(i)
        found += [i] if new is None else [k for k in new if k not in found]
    return tuple(found)


def _notes(model: RawModel, what: str, ports: Sequence[int], end: _End) -> list[str]:
    kinds = list(dict.fromkeys(builtin_name(node.code, node.custom) for node in end.nodes))
    lost = ", ".join(kinds[:8]) + (f" and {len(kinds) - 8} other kinds" if kinds[8:] else "")
    side = "before its int8 input {}; data must be passed as they would compute it"
    if what == "output":
        side = "after its int8 output {}"
    found = []
    for place, i in enumerate(ports):
        if i in end.ports:
            old = model.tensors[i]
            new = " and ".join(repr(model.tensors[k].name[:80]) for k in end.ports[i])
            found.append(
                f"{what} {place} {old.name[:80]!r} is {old.dtype.value} in the file; the project "
                f"does not include the operators {lost}, which come {side.format(new)}"
            )
    return found
