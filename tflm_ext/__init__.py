"""From a Keras model to firmware for a microcontroller, proven equal to TensorFlow Lite Micro.

import tflm_ext

result = tflm_ext.export(model, "digits", calibration_data=x_train[:200])
result.build("native")
result.test("native")
"""

from tflm_ext.api import ExportResult, export
from tflm_ext.errors import (
    BudgetError,
    ConfigError,
    StorageError,
    TflmExtError,
    ToolError,
    UnsupportedModelError,
    UnsupportedOperatorError,
    VerificationError,
)
from tflm_ext.options import Budget
from tflm_ext.version import VERSION as __version__

__all__ = [
    "Budget",
    "BudgetError",
    "ConfigError",
    "ExportResult",
    "StorageError",
    "TflmExtError",
    "ToolError",
    "UnsupportedModelError",
    "UnsupportedOperatorError",
    "VerificationError",
    "__version__",
    "export",
]
