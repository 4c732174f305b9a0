"""The converter's child process: TensorFlow lives and dies here.

One JSON object a line: requests on stdin, answers and progress on the file descriptor that the
command line names. Descriptors 1 and 2 belong to TensorFlow and end in the parent's log.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from tflm_ext.errors import TflmExtError

Request = Mapping[str, Any]
Progress = Callable[[str], None]


class Converter:
    """The model that was loaded last, and what can be done with it."""

    def __init__(self) -> None:
        self.folder = Path()
        self.module: Any = None
        self.signature: Any = None
        self.names: dict[str, Any] = {}

    def load(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Load a model file or a traced model; describe its inputs and outputs."""
        from tflm_ext.convert import trace

        source, kind, folder = Path(request["path"]), request["kind"], Path(request["folder"])
        if kind == "saved_model":
            trace.narrow(source, folder)
        elif kind != "traced":
            trace.trace(_load_keras(source, request["library"]), folder)
        return self.open(folder)

    def open(self, folder: Path) -> dict[str, Any]:
        """Take a SavedModel that trace() wrote; describe it."""
        import tensorflow as tf

        from tflm_ext.convert.trace import SIGNATURE

        self.folder = folder
        self.module = tf.saved_model.load(str(folder))
        self.signature = self.module.signatures[SIGNATURE]
        self.names = json.loads((folder / "keras.json").read_text(encoding="utf-8"))
        specs = self.signature.structured_input_signature[1]
        definition = self.signature.graph.as_graph_def()
        nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
        return {
            **self.names,
            "shapes": [list(specs[key].shape) for key in sorted(specs)],
            "dtypes": [specs[key].dtype.name for key in sorted(specs)],
            "fake_quant": any(n.op.startswith("FakeQuantWithMinMax") for n in nodes),
        }

    def convert(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Quantise to int8, calibrated with the samples of a .npz, and write the .tflite."""
        import numpy as np
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(str(self.folder))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if request["calibration"] is not None:
            with np.load(request["calibration"], allow_pickle=False) as file:
                samples = {key: file[key] for key in file.files}
            count = len(samples["x000"])

            def dataset() -> Any:
                for i in range(count):
                    if i % 16 == 0:
                        progress(f"calibrating, {i} of {count} samples")
                    yield {key: values[i : i + 1] for key, values in samples.items()}
                progress("quantising")

            converter.representative_dataset = dataset
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        Path(request["out"]).write_bytes(converter.convert())
        return {}


def _load_keras(path: Path, library: str) -> Any:
    if library == "tf_keras":
        import tf_keras as keras
    else:
        import keras
    return keras.models.load_model(str(path), compile=False, safe_mode=True)


Handler = Callable[[Request, Progress], dict[str, Any]]


def serve(handlers: Mapping[str, Handler], requests: TextIO, answers: TextIO) -> None:
    """Answer one request after the other until stdin ends.

    What TensorFlow raises ends the process: its traceback is then the end of the parent's log.
    """

    def send(answer: Mapping[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    for line in requests:
        request = json.loads(line)
        try:
            result = handlers[request["do"]](request, lambda text: send({"progress": text}))
        except TflmExtError as error:
            send({"error": type(error).__name__, "problem": error.problem, "hint": error.hint})
        else:
            send({"result": result})


def main() -> None:
    converter = Converter()
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as answers:
        serve({"load": converter.load, "convert": converter.convert}, sys.stdin, answers)


if __name__ == "__main__":
    main()
