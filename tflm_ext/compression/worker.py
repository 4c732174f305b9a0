"""The child process of `tflm-ext compress`, which loads and trains a model file."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

from tflm_ext.compression.recipe import Recipe
from tflm_ext.convert import convert, load_npz, one_child
from tflm_ext.convert.child import PATIENCE
from tflm_ext.convert.load import load_keras
from tflm_ext.convert.order import library
from tflm_ext.convert.worker import Handler, Progress, Request, main
from tflm_ext.errors import ConfigError
from tflm_ext.options import Budget


class Compressor:
    """The model that was loaded last, and the operations on it."""

    def __init__(self) -> None:
        self.model: Any = None

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return the requests that are served, by name."""
        return {"load": self.load, "compress": self.compress}

    def load(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Load a model file; compiled, unless a loss was passed."""
        self.model = load_keras(
            Path(request["path"]),
            request["kind"],
            Path(request["folder"]),
            trains=request["loss"] is None,
            patience=PATIENCE,
            progress=progress,
        )
        return {}

    def compress(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Compress the model, and write the result.

        Returns:
            The report.
        """
        from tflm_ext.compression.run import compress

        recipe, out = Recipe.from_json(json.dumps(request["recipe"])), Path(request["out"])
        tflite = out.suffix == ".tflite"
        if library(self.model) == "tf_keras" and recipe.quantize_epochs and not tflite:
            raise ConfigError(
                "tf_keras cannot load the .keras file of a model that"
                " tensorflow-model-optimization made quantisation-aware.",
                f"Pass -o {out.stem}.tflite to write the int8 model, or a recipe with "
                "quantize_epochs=0.",
            )
        train, validation = _pair(request["data"]), request["validation"]
        # A .tflite alone does not say what was lifted.
        with one_child(lift=not tflite), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the report includes them
            result = compress(
                self.model,
                train,
                validation_data=None if validation is None else _pair(validation),
                recipe=recipe,
                budget=None if request["budget"] is None else Budget(**request["budget"]),
                board=request["board"],
                min_accuracy=request["min_accuracy"],
                loss=request["loss"],
                checkpoints=request["checkpoints"],
                progress=progress,
            )
            if tflite:
                out.write_bytes(convert(result.model, train[0], progress=progress).int8.bytes)
            else:
                result.model.save(str(out))
        return result.report.to_dict()


def _pair(path: str) -> tuple[Any, Any]:
    samples = load_npz(path)
    return samples.x, samples.y


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(Compressor().handlers)
