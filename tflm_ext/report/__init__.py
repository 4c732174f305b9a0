"""What was found out about a model, as JSON and as text."""

from tflm_ext.report.report import Accuracy, Int8Error, OutputError, Report

__all__ = ["Accuracy", "Int8Error", "OutputError", "Report"]
