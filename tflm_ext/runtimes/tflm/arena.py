"""Upper bound of the arena that TensorFlow Lite Micro needs for a model.

The arena is used from both ends. Data that lives as long as the interpreter grows from the tail:
structures per tensor and operator, tables per channel, states. The head holds activations and
scratch memory, at the offsets that the greedy memory planner chose. During AllocateTensors, the
head temporarily holds the list of buffers to be planned, and the planner's own tables.

    arena >= early structures + max(planned head + late structures, temporary) + alignment

*Late structures* are those of inputs and outputs, which are made after planning. The planned head
is computed, not estimated: this module plans like the greedy planner (largest buffer first, into
the lowest gap that is free during the buffer's lifetime), with sizes rounded up to 16. It does so
for each known set of kernels, because larger scratch memory can make a greedy plan smaller, too:

    plain      TensorFlow Lite Micro's own kernels
    cmsis      CMSIS-NN's for a Cortex-M with DSP instructions, as in the Arduino flavour of 2023
    cmsis new  CMSIS-NN's as of 2026, which rounds columns up and has kernels without scratch memory

The size of a structure is the larger of its sizes in the Arduino flavour and in a current version,
with 32-bit pointers and without TF_LITE_STATIC_MEMORY. Kernels for Helium (MVE), Xtensa and others
need different scratch memory, which this bound does not cover.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tflm_ext.frontend.parse import RawModel, RawNode
from tflm_ext.ir import DType, Tensor
from tflm_ext.runtimes.tflm.operators import operator_name

_ALIGNMENT = 16

# sizeof() of TensorFlow Lite Micro's structures, with 32-bit pointers.
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

# Loss between structures of different alignment: at both ends of the arena, and for the operators'
# data, the states, and the lists of inputs and outputs.
_STEPS = 6

# From this number of input channels on, CMSIS-NN runs a transposed convolution as a convolution.
_REVERSED_CHANNELS = 16

# Size of the options structure that an operator receives; 8 bytes unless listed.
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

# Size of an operator's own data, such as OpData: the largest of all kernels.
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
    """A sufficient size of the arena, in bytes, and its parts.

    Attributes:
        planned: activations and scratch memory, as placed by the greedy planner.
        early: structures that exist before planning.
        late: structures of inputs and outputs, which are made after planning.
        temporary: memory that AllocateTensors needs during planning, in place of `planned` and
            `late`.
        alignment: bytes lost between structures, and at the ends of an unaligned arena.
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
        """Sizes in bytes with descriptions; their sum is the bound."""
        structures = self.early + self.late
        idle = self.total - self.planned - structures - self.alignment
        return (
            (self.planned, "activations and scratch memory"),
            (structures, "structures of tensors and operators"),
            *(((idle, "additional memory during AllocateTensors"),) if idle else ()),
            (self.alignment, "alignment"),
        )


def arena_bound(parsed: RawModel) -> ArenaBound:
    """Return an upper bound of the smallest sufficient arena; see the module's docstring.

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
        + 4  # offset of the only subgraph
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
    """Return the size of structures made before the end of Prepare, and of states."""
    return (
        _ALLOCATORS
        + _EVAL_TENSOR * len(parsed.tensors)
        + _NODE * len(parsed.nodes)
        + sum(_OPTIONS.get(operator_name(node), 8) for node in parsed.nodes)
        + sum(_own_data(node, parsed) for node in parsed.nodes)
        + sum(_aligned(t.bytes) for t in parsed.tensors.values() if t.variable)
    )


def _tensor_bytes(tensor: Tensor) -> int:
    """Return the size of a TfLiteTensor with its quantisation; scales stay in the FlatBuffer."""
    scales = len(tensor.quantization.scales) if tensor.quantization else 0
    return _TENSOR + _QUANTIZATION + 4 + 4 * scales


def _preparation(node: RawNode, parsed: RawModel) -> int:
    """Return the temporary tensors in Prepare, which often reads each tensor a second time."""
    numbers = (*node.inputs, *node.outputs, *node.intermediates)
    times = 1 if operator_name(node) == "UNIDIRECTIONAL_SEQUENCE_LSTM" else 2
    return times * sum(_tensor_bytes(parsed.tensors[i]) for i in numbers if i >= 0)


def _own_data(node: RawNode, parsed: RawModel) -> int:
    """Return the persistent memory that an operator requests, each piece rounded up to 16."""
    name = operator_name(node)
    first, out = parsed.tensors[node.inputs[0]], parsed.tensors[node.outputs[0]]
    size = _aligned(_DATA.get(name, _OTHER_DATA))
    size += sum(_aligned(4 + 4 * len(parsed.tensors[i].shape)) for i in node.outputs)
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"):
        size += 2 * _aligned(4 * out.shape[-1])  # multiplier and shift of every channel
    elif name == "FULLY_CONNECTED":  # the same, but usually for one channel
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


# Scratch memory of one operator: the bytes of each request.
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
    """Return the size of two int16 columns, with their length rounded up to a multiple of 4."""
    return 4 * (-(-values // 4) * 4)


def _option(node: RawNode, *fields: int) -> tuple[int, ...]:
    """Return strides or dilations, by the numbers of their fields."""
    return tuple(1 if node.options is None else node.options.int32(i, 1) for i in fields)


@dataclass(frozen=True, slots=True)
class _Buffer:
    """A buffer to be placed; alive from one step to another, inclusive."""

    size: int
    first: int
    last: int

    def meets(self, other: _Buffer) -> bool:
        return self.first <= other.last and other.first <= self.last


def _lifetimes(parsed: RawModel) -> list[_Buffer]:
    """Return the tensors to be planned, by number; operator i is step i + 1."""
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
    """Return the bytes of a greedy plan."""
    buffers = _lifetimes(parsed)
    for step, sizes in enumerate(scratch, 1):
        buffers.extend(_Buffer(_aligned(size), step, step) for size in sizes)
    # The planner sorts from large to small, and reverses the order of equal sizes.
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
