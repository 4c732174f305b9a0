"""The bytes of a .tflite become a Graph."""

from tflm_ext.frontend.borders import Int8Borders, StrippedBorder, strip_borders
from tflm_ext.frontend.islands import Run
from tflm_ext.frontend.read import read_foreign, read_graph

__all__ = ["Int8Borders", "Run", "StrippedBorder", "read_foreign", "read_graph", "strip_borders"]
