"""Operators as C functions: pointers into the arena, and the call of the kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tflm_ext.emit.escape import c_comment
from tflm_ext.emit.wrap import WIDTH
from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.kernels import LIMITS, Input, Inputs, Output, Outputs, Scratch
from tflm_ext.kernels.base import FieldValue
from tflm_ext.plan import Plan, Step

_INDENT = 4
_SHORTEST = 40  # characters of a comment next to its pointer


@dataclass(frozen=True, slots=True)
class LimitView:
    """The call of the kernel in LIMITS after one that leaves its output's limits to it."""

    kernel: str
    fields: tuple[tuple[str, str], ...]
    output: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One operator: a C function.

    Attributes:
        places: lines that declare what the function reads and writes in the arena.
        call: lines that call the kernel.
        observed: number, pointer and bytes of every output.
    """

    function: str
    comment: str
    kernel: str
    fields: tuple[tuple[str, str], ...]
    places: tuple[str, ...]
    call: tuple[str, ...]
    limited: LimitView | None
    observed: tuple[tuple[int, str, int], ...]


@dataclass(frozen=True, slots=True)
class _Array:
    """An argument that is an array of pointers.

    It is written where it is passed: compilers compute addresses in the order of the text, and a
    declaration before the call would change the instructions.
    """

    ctype: str
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PointerLine:
    """A line of C, and what its pointer points to: a name that may be shortened, and the rest."""

    code: str
    name: str
    rest: str

    @classmethod
    def to_tensor(cls, code: str, tensor: Tensor) -> PointerLine:
        return cls(code, _tensor_name(tensor), f", {_shape(tensor)}")

    def comment(self, room: int) -> str:
        """The comment in some columns; a name that is too long loses its beginning."""
        room -= len(self.rest) + len("/*  */")
        kept = self.name if len(self.name) <= room else "..." + self.name[3 - room :]
        return f"/* {kept}{self.rest} */"


def step_view(model: str, plan: Plan, step: Step) -> StepView:
    """The function of an operator of a model."""
    node = step.view.node
    layer = f", layer {layer_of(step.view)}" if step.view.keras_layer else ""
    pointers = _Pointers(model, plan, step)
    call = tuple(_call(f"tflm_ext_{step.kernel.name}(", tuple(pointers.arguments())))
    limits, elements = step.call.limits, step.view.output().elements
    names = ("elements", "output_min", "output_max")
    return StepView(
        function=f"op{step.index:02d}_{node.operator.lower()}",
        comment=f"{step.index}: {node.operator} {shapes(step.view)}{layer}",
        kernel=step.kernel.name,
        fields=tuple((field, _value(value)) for field, value in step.call.fields),
        places=tuple(pointers.lines()),
        call=call,
        limited=None
        if limits is None
        else LimitView(
            LIMITS[limits.dtype],
            tuple(zip(names, map(str, (elements, limits.low, limits.high)), strict=True)),
            pointers.outputs[node.outputs[0]],
        ),
        observed=tuple((i, pointers.outputs[i], plan.graph.tensors[i].bytes) for i in node.outputs),
    )


def _shape(tensor: Tensor) -> str:
    """1x8x8x3."""
    return "x".join(map(str, tensor.shape)) or "scalar"


def shapes(view: NodeView) -> str:
    """The shapes of what an operator computes with and computes."""
    sources = ", ".join(_shape(t) for t in view.inputs if not t.constant and not t.variable)
    return f"{sources} -> {', '.join(_shape(t) for t in view.outputs)}"


def layer_of(view: NodeView) -> str:
    """The Keras layer in a form that is safe in comments, because the name comes from the model."""
    return c_comment(view.keras_layer or "")


def _tensor_name(tensor: Tensor) -> str:
    """A tensor's name, safe in comments; of a fused operator's names only the first."""
    return c_comment(tensor.name.split(";", 1)[0], limit=None) or f"tensor {tensor.index}"


def _call(head: str, arguments: Sequence[str | _Array]) -> Iterator[str]:
    """A call with `&op` and these arguments, an array with one element per line.

    A line before an array may still be too long.
    """
    column = " " * len(head)
    line = head
    last = len(arguments)
    for number, argument in enumerate(("&op", *arguments)):
        end = ");" if number == last else ","
        if isinstance(argument, _Array):
            yield line
            yield f"{column}({argument.ctype}[]){{"
            yield from (f"{column}    {element}," for element in argument.elements)
            yield f"{column}}}{end}"
            line = column
            continue
        space = "" if line in (head, column) else " "
        after = head not in line
        if after and len(line) + len(space) + len(argument) + len(end) > WIDTH - _INDENT:
            yield line
            line, space = column, ""
        line += f"{space}{argument}{end}"
    if line != column:
        yield line


class _Pointers:
    """The pointers of an operator's function, in the order of the kernel's arguments."""

    def __init__(self, model: str, plan: Plan, step: Step) -> None:
        self._model, self._plan, self._step = model, plan, step
        self._tables, self._scratch_offsets = iter(step.tables), iter(step.scratch)
        self._places: list[PointerLine] = []
        self.outputs: dict[int, str] = {}
        """Expressions that point to the outputs, by the tensors' numbers."""

    def arguments(self) -> Iterator[str | _Array]:
        """What is passed to the kernel; then `lines` and `outputs` are known."""
        view = self._step.view
        for argument in self._step.call.arguments:
            if isinstance(argument, Scratch):
                yield self._add_scratch(argument, next(self._scratch_offsets))
            elif isinstance(argument, Output):
                tensor = view.node.outputs[argument.index]
                self.outputs[tensor] = self._add_tensor("output", tensor, written=True)
                yield self.outputs[tensor]
            elif isinstance(argument, Input):
                yield self._input(argument.index)
            elif isinstance(argument, Outputs):
                elements = [self._element(f"output{k}", i) for k, i in enumerate(view.node.outputs)]
                self.outputs |= dict(zip(view.node.outputs, elements, strict=True))
                yield _Array("void *const", tuple(elements))
            elif isinstance(argument, Inputs):
                elements = [self._element(f"input{k}", i) for k, i in enumerate(view.node.inputs)]
                yield _Array("const void *const", tuple(elements))
            else:
                yield self._next_table()

    def lines(self) -> Iterator[str]:
        """The declarations of places in the arena.

        Places are constants rather than pointers, which compilers turn into the same instructions
        as numbers.
        """
        if self._places:
            body = commented(self._places, 2 * _INDENT)
            yield from ("enum {", *(f"    {line}" for line in body), "};")

    def _next_table(self) -> str:
        return f"{self._model}_{next(self._tables).symbol}"

    def _is_constant(self, tensor: int) -> bool:
        graph = self._plan.graph
        return graph.tensors[graph.storage(tensor)].constant

    def _input(self, index: int) -> str:
        view = self._step.view
        tensor = view.node.inputs[index]
        if self._is_constant(tensor):
            return self._next_table()
        variable = view.graph.tensors[tensor].variable
        kind = "state" if variable else "input"
        alike = sorted(
            a.index
            for a in self._step.call.arguments
            if isinstance(a, Input)
            and not self._is_constant(i := view.node.inputs[a.index])
            and view.graph.tensors[i].variable == variable
        )
        name = kind if len(alike) == 1 else f"{kind}{alike.index(index)}"
        return self._add_tensor(name, tensor, written=variable)

    def _add_tensor(self, name: str, tensor: int, *, written: bool) -> str:
        found = self._plan.graph.tensors[tensor]
        code = f"{name} = {self._plan.offsets[tensor]},"
        self._places.append(PointerLine.to_tensor(code, found))
        return _pointer(name, found.dtype, const=not written)

    def _add_scratch(self, scratch: Scratch, offset: int) -> str:
        code = f"{scratch.role} = {offset},"
        self._places.append(PointerLine(code, "scratch", f", {scratch.bytes} bytes"))
        return _pointer(scratch.role, scratch.dtype, const=False)

    def _element(self, name: str, tensor: int) -> str:
        if self._is_constant(tensor):
            return self._next_table()
        self._add_tensor(name, tensor, written=True)
        return f"&arena[{name}]"


def commented(lines: Sequence[PointerLine], indent: int) -> list[str]:
    """Lines with their comments: on the same line, or above where a line is too long for that."""
    width = max((len(line.code) for line in lines), default=0)
    room = WIDTH - indent - width - 1
    longest = max((len(line.comment(WIDTH)) for line in lines), default=0)
    if room >= min(longest, _SHORTEST):
        return [f"{line.code.ljust(width)} {line.comment(room)}" for line in lines]
    return [text for line in lines for text in (line.comment(WIDTH - indent), line.code)]


def _value(value: FieldValue) -> str:
    if isinstance(value, tuple):
        return "{ " + ", ".join(map(_value, value)) + " }"
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def _pointer(offset: str, dtype: DType, *, const: bool) -> str:
    if dtype is DType.INT8:
        return f"&arena[{offset}]"
    # Offsets are multiples of 4 and the arena is aligned, so the cast is safe. Because int8_t is a
    # character type, the same bytes may also be accessed as another type.
    qualifier = "const " if const else ""
    return f"({qualifier}{dtype.c} *)({qualifier}void *)&arena[{offset}]"


def ranges(spans: Iterable[tuple[int, int]]) -> str:
    """(offset, bytes) as "0..144, 152..312", in order, joined where they touch."""
    joined: list[list[int]] = []
    for start, size in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], start + size)
        else:
            joined.append([start, start + size])
    return ", ".join(f"{start}..{end}" for start, end in joined)


def written(plan: Plan, step: Step) -> str:
    """The bytes of the arena that an operator's outputs and states take."""
    states = (i for i in step.view.node.inputs if i >= 0 and plan.graph.tensors[i].variable)
    places = dict.fromkeys((*step.view.node.outputs, *states))
    return ranges((plan.offsets[i], plan.graph.tensors[i].bytes) for i in places)


def scratch(step: Step) -> str:
    """The bytes of the arena that an operator uses while it runs."""
    sizes = [a.bytes for a in step.call.arguments if isinstance(a, Scratch)]
    return ranges(zip(step.scratch, sizes, strict=True))
