"""Results about a model, as JSON and as text."""

from tflm_ext.report.report import Report
from tflm_ext.report.scores import Accuracy, Int8Error, OutputError

__all__ = ["Accuracy", "Int8Error", "OutputError", "Report"]
