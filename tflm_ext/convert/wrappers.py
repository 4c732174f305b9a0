"""Wrappers of tensorflow-model-optimization that are still on a model: they are for training."""

from __future__ import annotations

import sys
from typing import Any

_PACKAGE = "tensorflow_model_optimization"
_STRIPPED = {"PruneLowMagnitude": "strip_pruning", "ClusterWeights": "strip_clustering"}


def without_wrappers(model: Any) -> tuple[Any, list[str]]:
    """The model as its strip_pruning() and strip_clustering() leave it.

    Args:
        model: of tf_keras or Keras 3; it does not change.

    Returns:
        The model, or the same one if nothing wraps its layers, and a warning for each kind of
        wrapper.
    """
    found = dict.fromkeys(
        type(layer).__name__
        for layer in model._flatten_layers()
        if type(layer).__module__.startswith(_PACKAGE) and type(layer).__name__ in _STRIPPED
    )
    if not found:
        return model, []
    # Their wrappers are on the model, so the package is imported already.
    package = sys.modules[_PACKAGE]
    for name in found:
        kind = package.sparsity if name == "PruneLowMagnitude" else package.clustering
        model = getattr(kind.keras, _STRIPPED[name])(model)
    return model, [
        f"Layers are wrapped in {name} of tensorflow-model-optimization; the project has them "
        f"without the wrapper, as {_STRIPPED[name]}() returns them."
        for name in found
    ]
