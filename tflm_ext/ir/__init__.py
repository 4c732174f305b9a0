"""The graph that every stage after the parser works on."""

from tflm_ext.ir.graph import DType, Graph, Node, NodeView, Quantization, Tensor

__all__ = ["DType", "Graph", "Node", "NodeView", "Quantization", "Tensor"]
