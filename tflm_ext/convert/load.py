"""Loads Keras models from files, after inspecting them; the only module that does."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tflm_ext.convert.reloaded import refuse_mixed_weights
from tflm_ext.convert.untrusted import Admitted, admit
from tflm_ext.errors import UnsupportedModelError


def load_keras(
    path: Path,
    kind: str,
    folder: Path,
    *,
    trains: bool = False,
    patience: int,
    progress: Callable[[str], None] = lambda text: None,
) -> Any:
    """Load a model from a .keras or .h5, with the library that wrote it.

    Args:
        path: of the file.
        kind: "keras" or "h5".
        folder: an empty folder for the copy that is loaded; must exist as long as the model.
        trains: whether to load the model compiled.
        patience: seconds of processor time after which SIGPROF ends the process, because HDF5 never
            finishes reading some damaged files.
        progress: called when the file has passed the checks.

    Raises:
        UnsupportedModelError: loading the file is not safe, or Keras mixes up its weights or cannot
            load what it saved.
    """
    with _ended_after(patience):
        admitted = admit(path, kind, folder, trains=trains)
        progress("loading the model")
        if admitted.ours:
            import tflm_ext.qat.model  # noqa: F401 - registers its layers with Keras
        if admitted.library == "tf_keras":
            import tf_keras as keras
        else:
            import keras
        with _wrappers() if admitted.wrapped else nullcontext():
            model = _load(keras, admitted, path.name, trains)
    if admitted.library == "keras":
        refuse_mixed_weights(admitted.config, model, kind, path.name)
    return model


def _load(keras: Any, admitted: Admitted, name: str, trains: bool) -> Any:
    try:
        return keras.models.load_model(str(admitted.path), compile=trains, safe_mode=True)
    except ValueError as error:
        if admitted.wrapped and "variables during loading" in str(error):
            raise UnsupportedModelError(
                f"tf_keras cannot load {name}: it saves fewer variables of a quantisation-aware "
                "model in a .keras than it expects.",
                "Save the model as a .h5, or pass the live model.",
            ) from error
        raise


@contextmanager
def _wrappers() -> Iterator[None]:
    """The wrappers of tensorflow-model-optimization can be loaded inside."""
    import tensorflow_model_optimization as tfmot

    with (
        tfmot.sparsity.keras.prune_scope(),
        tfmot.clustering.keras.cluster_scope(),
        tfmot.quantization.keras.quantize_scope(),
    ):
        yield


@contextmanager
def _ended_after(seconds: int) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
