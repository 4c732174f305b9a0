"""What was found out about a model, as JSON and as text."""

from tflm_ext.report.report import Accuracy, Interpreter, Report

__all__ = ["Accuracy", "Interpreter", "Report"]
