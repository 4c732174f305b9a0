"""Loads Keras models from files, after inspecting them; the only module that does."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tflm_ext.convert.reloaded import refuse_mixed_weights
from tflm_ext.convert.untrusted import admit


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
        UnsupportedModelError: loading the file is not safe, or Keras mixes up its weights.
    """
    with _ended_after(patience):
        admitted = admit(path, kind, folder, trains=trains)
        progress("loading the model")
        if admitted.ours:
            importlib.import_module("tflm_ext.compression.qat")  # registers its layers
        if admitted.library == "tf_keras":
            import tf_keras as keras
        else:
            import keras
        model = keras.models.load_model(str(admitted.path), compile=trains, safe_mode=True)
    if admitted.library == "keras":
        refuse_mixed_weights(admitted.config, model, kind, path.name)
    return model


@contextmanager
def _ended_after(seconds: int) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
