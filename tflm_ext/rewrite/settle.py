"""Models with a free batch: shapes become fixed, and what computes them becomes constants.

TensorFlow's own recipe leaves the batch free. Keras then computes shapes during inference (SHAPE,
STRIDED_SLICE, PACK before a RESHAPE), and the converter writes a 1 where it does not know a size.
With batch size 1, all of them are known during the export.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tflm_ext.frontend.parse import RawModel, RawNode, damage_refused, parse
from tflm_ext.frontend.remedies import builtin_name
from tflm_ext.ir import DType, Tensor
from tflm_ext.rewrite.edit import Edit, edited
from tflm_ext.rewrite.shapes import output_shape, value_decides
from tflm_ext.rewrite.values import Call, compute, known, needs_values

_MAX_BYTES = 1 << 18  # of all new constants
_FILL = 94
_COUNTS = (DType.INT32, DType.INT64, DType.BOOL)


@dataclass(frozen=True, slots=True)
class Settled:
    """A model in which no shape depends on the batch.

    Attributes:
        data: bytes of a .tflite; the original ones if nothing had to be done.
        folded: the operators that became constants, in the order of the file: number and name.
    """

    data: bytes
    folded: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        names = ", ".join(sorted({name for _, name in self.folded}))
        what = f"results of {len(self.folded)} operators are constants"
        if len(self.folded) == 1:
            what = "result of 1 operator is a constant"
        return f"with batch size 1, the {what}: {names}"


def settle(data: bytes, name: str = "model") -> Settled:
    """Replace operators whose results are known by these, and fix all shapes for batch size 1.

    Computed are integers and booleans, and what FILL makes of a constant: what a model derives from
    its shapes, not what it derives from its weights.

    Args:
        data: bytes of the file; not trusted.
        name: the name that messages use for the model.

    Raises:
        UnsupportedModelError: not a valid .tflite, or an input with a free size besides the batch.
        ToolError: the program that writes the new file failed.
    """
    with damage_refused(name):
        model = parse(data, name, settled=False)
        walk = _Walk(model)
        for node in model.nodes:
            walk.visit(node)
        edit = walk.edit()
        if edit is None:
            return Settled(data)
        folded = [(node.index, builtin_name(node.code, node.custom)) for node in walk.folded]
        return Settled(edited(data, edit), tuple(folded))


class _Walk:
    """The operators of a model in their order, and what is known after each.

    Attributes:
        tensors: with their true shapes, and the values of those that are known.
        unknown: tensors whose shapes are not known.
        folded: operators whose results are.
    """

    def __init__(self, model: RawModel) -> None:
        self.model = model
        self.tensors = dict(model.tensors)
        self.unknown: set[int] = set()
        self.folded: list[RawNode] = []
        self._left = _MAX_BYTES

    def visit(self, node: RawNode) -> None:
        """Find the shapes and, if possible, the values of an operator's outputs."""
        inputs = [self.tensors[i] if i >= 0 else None for i in node.inputs]
        for i in node.outputs:
            if i in self.model.free:
                self._find_shape(node, i, inputs)
        results = self._results(node, inputs)
        if results is None or (size := sum(map(len, results))) > self._left:
            return
        self._left -= size
        self.folded.append(node)
        for i, data in zip(node.outputs, results, strict=True):
            self.tensors[i] = replace(self.tensors[i], data=data)

    def _find_shape(self, node: RawNode, i: int, inputs: list[Tensor | None]) -> None:
        read = [k for k in node.inputs if k >= 0]
        as_in_file = not self.unknown.intersection(read) and all(
            self.tensors[k].shape == self.model.tensors[k].shape for k in read
        )
        shape = None
        if not self.unknown.intersection(read) and len(node.outputs) == 1:
            shape = output_shape(node, inputs)
        if shape is None and as_in_file and not value_decides(node.code):
            shape = self.tensors[i].shape  # the batch alone is free, and it is 1
        if shape is None:
            self.unknown.add(i)
        else:
            self.tensors[i] = replace(self.tensors[i], shape=shape)

    def _results(self, node: RawNode, inputs: list[Tensor | None]) -> tuple[bytes, ...] | None:
        """What an operator computes; None if that is not known."""
        outputs = tuple(self.tensors[i] for i in node.outputs)
        if (
            not known(node.code)
            or not node.inputs
            or not outputs
            or self.unknown.intersection((*node.inputs, *node.outputs))
            or any(t.constant or t.variable for t in outputs)
            or set(node.outputs) & set(self.model.outputs)
            or not (node.code == _FILL or all(t.dtype in _COUNTS for t in outputs))
        ):
            return None
        if needs_values(node.code) and any(t is not None and not t.constant for t in inputs):
            return None
        return compute(Call(node, tuple(inputs), outputs))

    def edit(self) -> Edit | None:
        """What to change in the file; None for nothing.

        A shape that is still unknown does not change: the file is then refused for it.
        """
        shapes = {
            i: tensor.shape
            for i, tensor in self.tensors.items()
            if i not in self.unknown
            and (
                tensor.shape != self.model.tensors[i].shape or -1 in self.model.free.get(i, ())[1:]
            )
        }
        if not self.folded and not shapes:
            return None
        removed = {node.index for node in self.folded}
        written = {i for node in self.folded for i in node.outputs}
        read = {i for node in self.model.nodes if node.index not in removed for i in node.inputs}
        constants = {i: self.tensors[i].data or b"" for i in sorted(written & read)}
        return Edit(tuple(sorted(removed)), constants, shapes)
