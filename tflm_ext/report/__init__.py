"""What was found out about a model, as JSON and as text."""

from tflm_ext.report.report import Accuracy, Report

__all__ = ["Accuracy", "Report"]
