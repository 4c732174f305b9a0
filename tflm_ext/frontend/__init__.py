"""The bytes of a .tflite become a Graph."""

from tflm_ext.frontend.read import read_graph

__all__ = ["read_graph"]
