"""Distillation: a small model learns from a large one."""

from tflm_ext.compress.distillation.callback import DistillationCallback
from tflm_ext.compress.distillation.distiller import Distiller
from tflm_ext.compress.distillation.teacher import TeacherOutputs

__all__ = ["DistillationCallback", "Distiller", "TeacherOutputs"]
