"""CONV_2D whose filter covers its whole input: the kernels of FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import replace

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.ir import NodeView
from tflm_ext.kernels import fully_connected, fully_connected_any, fully_connected_tile
from tflm_ext.kernels.base import Kernel, KernelCall, Work, once_per_node
from tflm_ext.ops.conv_2d import axes_of
from tflm_ext.ops.fully_connected import OPERATOR, FullyConnectedOptions

_DENSE = (
    fully_connected_tile.FULLY_CONNECTED,
    fully_connected_any.FULLY_CONNECTED,
    fully_connected.PER_CHANNEL,
)


@once_per_node
def _dense(view: NodeView) -> NodeView | None:
    """The same computation as FULLY_CONNECTED; None if it is a different one.

    Exact: products are those of the same bytes, and both operators round in the same way. Streaming
    models, which get one window of their input at a time, end in such convolutions.
    """
    image, weights = view.input(0), view.input(1)
    covered = all(
        axis.out == 1
        and axis.window == axis.size
        and axis.before == 0
        and (axis.dilation == 1 or axis.window == 1)
        for axis in axes_of(view)
    )
    if not covered or weights.shape[3] != image.shape[3]:
        return None
    filters = weights.shape[0]
    matrix = replace(
        weights,
        index=view.graph.next_tensor_index(),
        shape=(filters, weights.elements // filters),
    )
    node = replace(
        view.node,
        operator=OPERATOR.name,
        inputs=(view.node.inputs[0], matrix.index, *view.node.inputs[2:]),
        options=FullyConnectedOptions(view.options.activation, shuffled=False),
    )
    graph = view.graph.with_tensors(matrix)
    found = replace(graph, nodes=(node,)).view(node)
    try:
        OPERATOR.check(found)  # its sums may be larger
    except UnsupportedModelError:
        return None
    return found


def _of(view: NodeView) -> NodeView:
    found = _dense(view)
    assert found is not None, "the kernel applies"
    return found


def _kernel(dense: Kernel) -> Kernel:
    def lower(view: NodeView) -> KernelCall:
        return dense.lower(_of(view))

    def work(view: NodeView) -> Work:
        return dense.work(_of(view))

    def applies(view: NodeView) -> bool:
        found = _dense(view)
        return found is not None and dense.applies(found)

    return Kernel(dense.name, dense.header, lower, work, applies)


CONV_2D = tuple(_kernel(dense) for dense in _DENSE)
