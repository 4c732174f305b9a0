"""Distillation: a small model learns from a large one."""

from tflm_ext.compression.distillation.callback import DistillationCallback
from tflm_ext.compression.distillation.distiller import Distiller
from tflm_ext.compression.distillation.teacher import TeacherOutputs

__all__ = ["DistillationCallback", "Distiller", "TeacherOutputs"]
