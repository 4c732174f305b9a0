"""Model files that want something else than to be converted: each with a different trick.

Every function writes one file into a folder. What it aims at are baits: a secret file that must not
be opened, a module that must not be imported, a marker that must not be written.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

KERAS, TF_KERAS = "3.15.1", "2.21.0"


@dataclass(frozen=True)
class Baits:
    """What no model file may reach."""

    secret: Path
    marker: Path
    module: str = "bait_module"


Maker = Callable[[Path, Baits], Path]
HOSTILE: dict[str, tuple[Maker, str]] = {}
# Whose trap nothing of the model needs: it is cut out, and the rest is loaded.
CUT: dict[str, Maker] = {}


def hostile(said: str) -> Callable[[Maker], Maker]:
    """Register a maker, with a part of what the refusal has to say."""

    def register(make: Maker) -> Maker:
        HOSTILE[make.__name__] = (make, said)
        return make

    return register


def weights(fill: Callable[[Any], None] = lambda file: None) -> bytes:
    """model.weights.h5 with the weights of a Dense layer, and what else fill() puts there."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        variables = file.create_group("layers/dense/vars")
        variables["0"], variables["1"] = np.zeros((4, 3), "f4"), np.zeros(3, "f4")
        fill(file)
    return buffer.getvalue()


def keras_file(folder: Path, config: Any, version: str = TF_KERAS, **files: bytes) -> Path:
    """A .keras; files are further entries, by name."""
    path = folder / "model.keras"
    text = config if isinstance(config, str) else json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", files.pop("weights", None) or weights())
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def h5_file(
    folder: Path,
    config: Any,
    fill: Callable[[Any], None] = lambda file: None,
    training: Any = None,
) -> Path:
    """A .h5 as tf_keras writes it."""
    path = folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = TF_KERAS
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights/dense/dense")
        group["kernel:0"], group["bias:0"] = np.zeros((4, 3), "f4"), np.zeros(3, "f4")
        fill(file)
    return path
