"""Making a Keras model smaller before it becomes int8.

Importing this module does not import a framework: each name here is resolved when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tflm_ext.compression.channels.prune import prune_channels
    from tflm_ext.compression.channels.report import PruningReport
    from tflm_ext.compression.clustering import ClusteringCallback
    from tflm_ext.compression.distillation import DistillationCallback, Distiller, TeacherOutputs
    from tflm_ext.compression.qat import quantize_aware, strip
    from tflm_ext.compression.recipe import Recipe
    from tflm_ext.compression.result import CompressionReport, CompressionResult, CompressionStep
    from tflm_ext.compression.run import compress
    from tflm_ext.compression.sparsity import SparsityCallback

__all__ = [
    "ClusteringCallback",
    "CompressionReport",
    "CompressionResult",
    "CompressionStep",
    "DistillationCallback",
    "Distiller",
    "PruningReport",
    "Recipe",
    "SparsityCallback",
    "TeacherOutputs",
    "compress",
    "prune_channels",
    "quantize_aware",
    "strip",
]

_HOME = {
    "ClusteringCallback": "clustering",
    "CompressionReport": "result",
    "CompressionResult": "result",
    "CompressionStep": "result",
    "DistillationCallback": "distillation",
    "Distiller": "distillation",
    "PruningReport": "channels.report",
    "Recipe": "recipe",
    "SparsityCallback": "sparsity",
    "TeacherOutputs": "distillation",
    "compress": "run",
    "prune_channels": "channels.prune",
    "quantize_aware": "qat",
    "strip": "qat",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
