"""The graph that every stage after the parser works on."""

from tflm_ext.ir.graph import DType, Graph, Limits, Node, NodeView, Quantization, Tensor

__all__ = ["DType", "Graph", "Limits", "Node", "NodeView", "Quantization", "Tensor"]
