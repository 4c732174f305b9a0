"""Dtype policies of Keras: a model is converted as it computes in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tflm_ext.convert.untrusted.config import FLOAT_MODEL
from tflm_ext.errors import UnsupportedModelError

_FLOAT32 = "float32"


def other_policies(model: Any) -> dict[str, list[str]]:
    """Names of layers by the name of their policy, for policies other than float32.

    Raises:
        UnsupportedModelError: Keras has quantised the model, or the weights of a layer of tf_keras
            are not float32.
    """
    found: dict[str, list[str]] = {}
    for layer in _layers(model):
        policy = _policy(layer)
        if getattr(policy, "quantization_mode", None):
            raise UnsupportedModelError(
                f"Layer {layer.name!r} was quantised by Keras to {policy.quantization_mode}.",
                FLOAT_MODEL,
            )
        if _other(policy):
            if _of_tf_keras(layer) and policy.variable_dtype != _FLOAT32:
                raise UnsupportedModelError(
                    f"The weights of layer {layer.name!r} are {policy.variable_dtype}.",
                    "Build the model with dtype='float32' and copy the weights: "
                    "new.set_weights(model.get_weights()).",
                )
            if layer is not model:
                found.setdefault(policy.name, []).append(layer.name)
    return found


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Let all layers compute in float32 inside; the weights stay what they are."""
    with ExitStack() as restore:
        for layer in _layers(model):
            policy = _policy(layer)
            if _other(policy):
                float32 = _FLOAT32 if _of_tf_keras(layer) else _computes_float32(policy)
                _set(layer, float32)
                restore.callback(_set, layer, policy)
        yield


def described(policies: dict[str, list[str]]) -> list[str]:
    """Warnings about policies."""
    return [
        f"Layers of policy {policy} are converted as they compute in float32: "
        f"{', '.join(map(repr, names[:3]))}{' and others' if len(names) > 3 else ''}."
        for policy, names in sorted(policies.items())
    ]


def _layers(model: Any) -> list[Any]:
    # Losses and metrics of a compiled model do not count; sublayers do. Inputs compute nothing.
    return [
        layer
        for layer in model._flatten_layers()
        if hasattr(layer, "name") and type(layer).__name__ != "InputLayer"
    ]


def _policy(layer: Any) -> Any:
    return getattr(layer, "dtype_policy", None)


def _other(policy: Any) -> bool:
    """Whether a policy is one of floats, other than float32."""
    dtype = getattr(policy, "compute_dtype", None) or _FLOAT32
    return policy is not None and policy.name != _FLOAT32 and "float" in dtype


def _computes_float32(policy: Any) -> Any:
    """A policy of Keras 3 that casts weights of another type, too."""
    import keras

    class Float32(keras.DTypePolicy):  # type: ignore[misc]
        @property
        def variable_dtype(self) -> str:
            return str(policy.variable_dtype)

    return Float32(_FLOAT32)


def _of_tf_keras(layer: Any) -> bool:
    return hasattr(layer, "_set_dtype_policy")  # its property dtype_policy cannot be set


def _set(layer: Any, policy: Any) -> None:
    if _of_tf_keras(layer):
        layer._set_dtype_policy(policy)
    else:
        layer.dtype_policy = policy
