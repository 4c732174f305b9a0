"""From a Keras model to firmware for a microcontroller, proven equal to TensorFlow Lite Micro.

import tflm_ext

result = tflm_ext.export(model, "digits", calibration_data=x_train[:200])
result.build("native")
result.test("native")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tflm_ext.api import ExportResult, export
from tflm_ext.errors import (
    AccuracyError,
    AccuracyWarning,
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

if TYPE_CHECKING:
    from tflm_ext.compression import (
        ClusteringCallback,
        CompressionReport,
        CompressionResult,
        CompressionStep,
        DistillationCallback,
        Distiller,
        Recipe,
        SparsityCallback,
        TeacherOutputs,
        compress,
        prune_channels,
        quantize_aware,
        strip,
    )
    from tflm_ext.encoding import EncodedTensor, EncodingResult, PlainTensor, encode

__all__ = [
    "AccuracyError",
    "AccuracyWarning",
    "Budget",
    "BudgetError",
    "ClusteringCallback",
    "CompressionReport",
    "CompressionResult",
    "CompressionStep",
    "ConfigError",
    "DistillationCallback",
    "Distiller",
    "EncodedTensor",
    "EncodingResult",
    "ExportResult",
    "PlainTensor",
    "Recipe",
    "SparsityCallback",
    "StorageError",
    "TeacherOutputs",
    "TflmExtError",
    "ToolError",
    "UnsupportedModelError",
    "UnsupportedOperatorError",
    "VerificationError",
    "__version__",
    "compress",
    "encode",
    "export",
    "prune_channels",
    "quantize_aware",
    "strip",
]


def __getattr__(name: str) -> Any:
    """Import the parts that need Keras when they are first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    encoding = name in ("EncodedTensor", "EncodingResult", "PlainTensor", "encode")
    return getattr(import_module(f"tflm_ext.{'encoding' if encoding else 'compression'}"), name)
