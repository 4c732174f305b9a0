"""Reads the bytes of a .tflite into a Graph."""

from tflm_ext.frontend.islands import Run
from tflm_ext.frontend.limits import input_ports, output_ports
from tflm_ext.frontend.ports import Int8Ports, StrippedPort, strip_ports
from tflm_ext.frontend.read import read_foreign, read_graph

__all__ = [
    "Int8Ports",
    "Run",
    "StrippedPort",
    "input_ports",
    "output_ports",
    "read_foreign",
    "read_graph",
    "strip_ports",
]
