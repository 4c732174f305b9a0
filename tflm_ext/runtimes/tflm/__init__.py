"""Runtime "tflm": TensorFlow Lite Micro's interpreter, with the same C interface."""

from tflm_ext.runtimes.tflm.arena import ArenaBound, arena_bound
from tflm_ext.runtimes.tflm.files import context_bytes, interpreter_files
from tflm_ext.runtimes.tflm.operators import Registration, refuse_for_board, required
from tflm_ext.runtimes.tflm.runtime import InterpretedModel, Tflm

__all__ = [
    "ArenaBound",
    "InterpretedModel",
    "Registration",
    "Tflm",
    "arena_bound",
    "context_bytes",
    "interpreter_files",
    "refuse_for_board",
    "required",
]
