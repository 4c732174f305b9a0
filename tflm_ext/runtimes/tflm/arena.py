"""How large an arena TensorFlow Lite Micro needs for a model, at most.

The arena has two ends. From its tail grows what lives as long as the interpreter: structures per
tensor and operator, tables per channel, states. At its head lie the activations and the scratch
memory of operators, where the greedy memory planner put them. While AllocateTensors works, the
head holds something else: the list of what is to be planned, and the planner's own tables.

    arena >= early structures + max(planned head + late structures, temporary) + alignment

*Late* are the structures of inputs and outputs, which are made after planning. The planned head is
no estimate: this module plans as the greedy planner does (largest buffer first, lowest gap that is
free for as long as the buffer lives), with sizes rounded up to 16. It does so for every set of
kernels that is known, since larger scratch memory can make a greedy plan smaller as well as larger:

    plain      TensorFlow Lite Micro's own kernels
    cmsis      CMSIS-NN's for a Cortex-M with DSP instructions, as in the Arduino flavour of 2023
    cmsis new  CMSIS-NN's as of 2026, which rounds columns up and has kernels without scratch memory

Structures are counted in the larger of their sizes in the Arduino flavour and in a current version,
pointers of 32 bits, without TF_LITE_STATIC_MEMORY. Helium (MVE), Xtensa and other kernels have
scratch memory of their own and are outside this bound.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tflm_ext.frontend.parse import RawModel, RawNode
from tflm_ext.ir import DType, Tensor
from tflm_ext.runtimes.tflm.operators import operator_name

_ALIGNMENT = 16

# sizeof() of TensorFlow Lite Micro's structures, pointers of 32 bits.
_ALLOCATORS = 36 + 44 + 36 + 12 + 8  # buffer allocator, planner, micro allocator, data, subgraphs
_EVAL_TENSOR = 12
_NODE = 44
_TENSOR = 64
_QUANTIZATION = 12
_SCRATCH_HANDLE = 4
_SCRATCH_REQUEST = 12
_SPARE_REQUESTS = 12
_ALLOCATION_INFO = 24
_PLANNED_BUFFER = 40

# Loss where an aligned structure follows one that is not: ends of the arena, the operators' data,
# states, and the inputs' and outputs' lists.
_STEPS = 6

# With at least as many input channels, CMSIS-NN computes a transposed convolution as a convolution.
_REVERSED_CHANNELS = 16

# The options that the converter wrote, as the operator gets them; 8 where nothing is said.
_OPTIONS = {
    "AVERAGE_POOL_2D": 40,
    "CALL_ONCE": 8,
    "CONV_2D": 28,
    "DEPTHWISE_CONV_2D": 28,
    "L2_POOL_2D": 40,
    "MAX_POOL_2D": 40,
    "RESHAPE": 36,
    "SQUEEZE": 36,
    "STRIDED_SLICE": 24,
    "SVDF": 12,
    "TRANSPOSE_CONV": 20,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 16,
}

# What an operator keeps of its own: OpData and its like, the larger of all kernels.
_DATA = {
    "AVERAGE_POOL_2D": 48,
    "BATCH_MATMUL": 160,
    "CONV_2D": 80,
    "DEPTHWISE_CONV_2D": 80,
    "ELU": 272,  # with a table of 256 values
    "EXPAND_DIMS": 0,
    "FULLY_CONNECTED": 96,
    "MAX_POOL_2D": 48,
    "PACK": 0,
    "RESHAPE": 0,
    "SPLIT": 0,
    "SPLIT_V": 0,
    "SQUEEZE": 0,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 928,
    "UNPACK": 0,
}
_OTHER_DATA = 160


@dataclass(frozen=True, slots=True)
class ArenaBound:
    """An arena that is large enough, in bytes, and what it is made of.

    Attributes:
        planned: activations and scratch memory, as the greedy planner lays them out.
        early: structures that are there before the plan is made.
        late: structures of inputs and outputs, which are made after it.
        temporary: what AllocateTensors needs while it plans, instead of `planned` and `late`.
        alignment: lost between structures, and at the ends of an arena that is not aligned.
    """

    planned: int
    early: int
    late: int
    temporary: int
    alignment: int

    @property
    def total(self) -> int:
        """The bound."""
        return self.early + max(self.planned + self.late, self.temporary) + self.alignment

    @property
    def parts(self) -> tuple[tuple[int, str], ...]:
        """Bytes and what they are for; their sum is the bound."""
        structures = self.early + self.late
        idle = self.total - self.planned - structures - self.alignment
        return (
            (self.planned, "activations and scratch memory"),
            (structures, "structures of tensors and operators"),
            *(((idle, "more while AllocateTensors works"),) if idle else ()),
            (self.alignment, "alignment"),
        )


def arena_bound(parsed: RawModel) -> ArenaBound:
    """An upper bound of the smallest arena with which a model works; see the module's text.

    Raises:
        UnsupportedOperatorError: TensorFlow Lite Micro does not have one of its operators.
    """
    scratch = [
        [_scratch(node, parsed, kernels) for node in parsed.nodes]
        for kernels in (_plain_scratch, _cmsis_scratch, _new_cmsis_scratch)
    ]
    requests = max(sum(map(len, sizes)) for sizes in scratch)
    buffers = len(_lifetimes(parsed)) + requests
    planning = (
        _SCRATCH_REQUEST * (requests + _SPARE_REQUESTS)
        + 4  # where the only subgraph begins
        + _ALLOCATION_INFO * (len(parsed.tensors) + requests)
        + _ALIGNMENT
        + _PLANNED_BUFFER * buffers
    )
    preparing = _SCRATCH_REQUEST * (requests + _SPARE_REQUESTS) + max(
        (_preparation(node, parsed) for node in parsed.nodes), default=0
    )
    return ArenaBound(
        planned=max(_plan(parsed, sizes) for sizes in scratch),
        early=_early(parsed) + _SCRATCH_HANDLE * requests,
        late=sum(4 + _tensor_bytes(parsed.tensors[i]) for i in (*parsed.inputs, *parsed.outputs)),
        temporary=max(planning, preparing),
        alignment=_STEPS * _ALIGNMENT,
    )


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _early(parsed: RawModel) -> int:
    """Structures from the interpreter's construction to the end of Prepare, and states."""
    return (
        _ALLOCATORS
        + _EVAL_TENSOR * len(parsed.tensors)
        + _NODE * len(parsed.nodes)
        + sum(_OPTIONS.get(operator_name(node), 8) for node in parsed.nodes)
        + sum(_own_data(node, parsed) for node in parsed.nodes)
        + sum(_aligned(t.bytes) for t in parsed.tensors.values() if t.variable)
    )


def _tensor_bytes(tensor: Tensor) -> int:
    """A TfLiteTensor with its quantisation, scales apart: those stay in the FlatBuffer."""
    scales = len(tensor.quantization.scales) if tensor.quantization else 0
    return _TENSOR + _QUANTIZATION + 4 + 4 * scales


def _preparation(node: RawNode, parsed: RawModel) -> int:
    """Prepare looks at the operator's tensors, and mostly once more in a function that it calls."""
    numbers = (*node.inputs, *node.outputs, *node.intermediates)
    times = 1 if operator_name(node) == "UNIDIRECTIONAL_SEQUENCE_LSTM" else 2
    return times * sum(_tensor_bytes(parsed.tensors[i]) for i in numbers if i >= 0)


def _own_data(node: RawNode, parsed: RawModel) -> int:
    """Persistent memory that an operator asks for, each piece rounded up to 16."""
    name = operator_name(node)
    first, out = parsed.tensors[node.inputs[0]], parsed.tensors[node.outputs[0]]
    size = _aligned(_DATA.get(name, _OTHER_DATA))
    size += sum(_aligned(4 + 4 * len(parsed.tensors[i].shape)) for i in node.outputs)
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        size += 2 * _aligned(4 * out.shape[-1])  # multiplier and shift of every channel
    elif name == "FULLY_CONNECTED":  # the same, but mostly for one channel
        if len(out.shape) > 2 or _channels(parsed.tensors[node.inputs[1]]) > 1:
            size += 2 * _aligned(4 * out.shape[-1])
    elif name == "CONCATENATION":
        size += 2 * _aligned(4 * len(node.inputs))
    elif name == "SOFTMAX" and first.dtype is DType.INT16:
        size += 2 * _aligned(2 * 513)
    elif name == "BATCH_MATMUL":  # a transposed copy of each side
        size += sum(_aligned(parsed.tensors[i].bytes) + 64 for i in node.inputs)
    elif name == "UNIDIRECTIONAL_SEQUENCE_LSTM":  # sums of the weights' rows
        size += 8 * _aligned(8 * out.shape[-1])
    elif name == "SVDF":
        size += _aligned(4 * parsed.tensors[node.inputs[1]].shape[0])
    elif name == "TFLM_DECODE":
        size += sum(64 + _aligned(_channels(parsed.tensors[i])) for i in node.outputs)
    return size


def _channels(tensor: Tensor) -> int:
    return len(tensor.quantization.scales) if tensor.quantization else 1


# Scratch memory of one operator: bytes of every request.
_Scratch = Callable[[str, RawNode, Mapping[int, Tensor]], tuple[int, ...]]


def _scratch(node: RawNode, parsed: RawModel, kernels: _Scratch) -> tuple[int, ...]:
    return kernels(operator_name(node), node, parsed.tensors)


def _plain_scratch(name: str, node: RawNode, tensors: Mapping[int, Tensor]) -> tuple[int, ...]:
    first, out = tensors[node.inputs[0]], tensors[node.outputs[0]]
    rank = 4 * len(first.shape)
    if name in ("MEAN", "SUM"):
        return (4 * out.elements, rank, 4 * tensors[node.inputs[1]].elements)
    if name in ("REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL"):
        return (rank, 4 * tensors[node.inputs[1]].elements)
    if name == "TRANSPOSE_CONV":
        return (4 * out.elements,)
    if name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        cell = tensors[node.inputs[19]]
        return (cell.bytes,) * 4
    if name == "SVDF":
        filters = tensors[node.inputs[1]].shape[0]
        return (4 * first.shape[0] * filters, 4 * out.elements)
    if name == "MIRROR_PAD":
        return (rank, rank)
    if name == "ADD_N":
        return (4 * len(node.inputs),)
    return ()


def _cmsis_scratch(name: str, node: RawNode, tensors: Mapping[int, Tensor]) -> tuple[int, ...]:
    first, out = tensors[node.inputs[0]], tensors[node.outputs[0]]
    if first.dtype is DType.INT8 and name == "CONV_2D":
        _, height, width, _ = tensors[node.inputs[1]].shape
        if height == width == 1 and _option(node, 1, 2, 4, 5) == (1, 1, 1, 1):
            return ()
        return (4 * first.shape[3] * height * width,)
    if first.dtype is DType.INT8 and name == "DEPTHWISE_CONV_2D":
        _, height, width, channels = tensors[node.inputs[1]].shape
        plain = first.shape[3] == out.shape[3] and first.shape[0] == 1
        return (2 * channels * height * width,) if plain and _option(node, 5, 6) == (1, 1) else ()
    if first.dtype is DType.INT8 and name == "AVERAGE_POOL_2D":
        return (4 * first.shape[3],)
    return _plain_scratch(name, node, tensors)


def _new_cmsis_scratch(name: str, node: RawNode, tensors: Mapping[int, Tensor]) -> tuple[int, ...]:
    first, out = tensors[node.inputs[0]], tensors[node.outputs[0]]
    if first.dtype is DType.INT8 and name == "CONV_2D":
        _, height, width, _ = tensors[node.inputs[1]].shape
        if height == width == 1 and _option(node, 4, 5) == (1, 1):
            return ()
        return (_columns(first.shape[3] * height * width),)
    if name == "DEPTHWISE_CONV_2D" and tensors[node.inputs[1]].shape[1:3] == (3, 3):
        return ()
    if name == "FULLY_CONNECTED" and len(out.shape) > 2 and first.shape[-1] % 4 == 0:
        return (8 * out.shape[-1],)
    if name == "TRANSPOSE_CONV":
        weights, image = tensors[node.inputs[1]], tensors[node.inputs[2]]
        _, height, width, depth = weights.shape
        step_x, step_y = _option(node, 1, 2)
        if max(step_x, step_y) <= 2 and depth > _REVERSED_CHANNELS:
            return (_columns(depth * height * width), weights.bytes)
        row = (image.shape[2] - 1) * step_x + max(width, step_y)
        return (4 * out.shape[3] * row * max(height, step_y), 0)
    return _cmsis_scratch(name, node, tensors)


def _columns(values: int) -> int:
    """Two columns of int16, their length rounded up to a multiple of 4."""
    return 4 * (-(-values // 4) * 4)


def _option(node: RawNode, *fields: int) -> tuple[int, ...]:
    """Strides and dilations, by number of their field."""
    return tuple(1 if node.options is None else node.options.int32(i, 1) for i in fields)


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Something to be placed, alive from one step to another, both included."""

    size: int
    first: int
    last: int

    def meets(self, other: _Buffer) -> bool:
        return self.first <= other.last and other.first <= self.last


def _lifetimes(parsed: RawModel) -> list[_Buffer]:
    """The tensors that are planned, in the order of their numbers; operator i is step i + 1."""
    first: dict[int, int] = dict.fromkeys(parsed.inputs, 0)
    last: dict[int, int] = dict.fromkeys(parsed.inputs, 0)
    for step, node in enumerate(parsed.nodes, 1):
        for i in node.outputs:
            first.setdefault(i, step)
        last |= dict.fromkeys((i for i in (*node.inputs, *node.outputs) if i >= 0), step)
    for i in parsed.outputs:
        first.setdefault(i, len(parsed.nodes))
        last[i] = len(parsed.nodes)
    # TensorFlow Lite Micro also places tensors that are never used, with an empty lifetime.
    return [
        _Buffer(_aligned(tensor.bytes), first.get(i, -1), last.get(i, -1))
        for i, tensor in sorted(parsed.tensors.items())
        if not tensor.constant and not tensor.variable and tensor.bytes
    ]


def _plan(parsed: RawModel, scratch: list[tuple[int, ...]]) -> int:
    """The bytes of a greedy plan."""
    buffers = _lifetimes(parsed)
    for step, sizes in enumerate(scratch, 1):
        buffers.extend(_Buffer(_aligned(size), step, step) for size in sizes)
    # The planner sorts from large to small and keeps what is equal in the order from back to front.
    buffers.reverse()
    placed: list[tuple[int, _Buffer]] = []
    for buffer in sorted(buffers, key=lambda buffer: -buffer.size):
        bisect.insort(placed, (_lowest_gap(buffer, placed), buffer), key=lambda place: place[0])
    return max((offset + buffer.size for offset, buffer in placed), default=0)


def _lowest_gap(wanted: _Buffer, placed: list[tuple[int, _Buffer]]) -> int:
    end = 0
    for offset, buffer in placed:
        if not buffer.meets(wanted):
            continue
        if offset - end >= wanted.size:
            break
        end = max(end, offset + buffer.size)
    return end
