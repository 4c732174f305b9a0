"""The converter's child process, which runs TensorFlow.

One JSON object per line: requests on stdin; answers and progress on the file descriptor named on
the command line. Descriptors 1 and 2 are left to TensorFlow, and go to the parent's log.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from tflm_ext.convert import faithful, finite, trace
from tflm_ext.convert.child import PATIENCE
from tflm_ext.convert.endpoint import SIGNATURE
from tflm_ext.convert.load import load_keras
from tflm_ext.convert.pinned import pinned_inputs
from tflm_ext.convert.untrusted import admit
from tflm_ext.convert.wrappers import without_wrappers
from tflm_ext.errors import TflmExtError, ToolError

Request = Mapping[str, Any]
Progress = Callable[[str], None]
Handler = Callable[[Request, Progress], dict[str, Any]]

_LEAST_MEMORY = 8 << 30  # TensorFlow requests more memory than it uses


class Converter:
    """The model that was loaded last, and the operations on it."""

    def __init__(self) -> None:
        self.folder = Path()
        self.module: Any = None
        self.names: Mapping[str, Any] = {}
        self.reference: faithful.Reference | None = None

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return the requests that are served, by name."""
        return {
            "load": self.load,
            "check": self.check,
            "convert": self.convert,
            "predict": self.predict,
            "find_infinite": self.find_infinite,
        }

    def load(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Load a model file, or a model that the parent traced, and describe it."""
        wrapped: list[str] = []
        path, kind, folder = Path(request["path"]), request["kind"], Path(request["folder"])
        looked_through = folder.with_name(f"admitted_{folder.name}")
        if kind in {"keras", "h5"}:
            model = load_keras(path, kind, looked_through, patience=PATIENCE, progress=progress)
            model, wrapped = without_wrappers(model)
            trace.trace(model, folder, lift=request["lift"])
            self.reference = faithful.model_reference(model)
        elif kind == "saved_model":
            admitted = admit(path, kind, looked_through / path.name)
            progress("loading the model")
            self.reference = trace.narrow(admitted.path, folder).reference
        about = self.open(folder)
        return {**about, "warnings": [*wrapped, *about["warnings"]]}

    def open(self, folder: Path) -> dict[str, Any]:
        """Open a SavedModel written by trace(), and describe it."""
        import tensorflow as tf

        self.folder = folder
        self.module = tf.saved_model.load(str(folder))
        specs = self._signature.structured_input_signature[1]
        library = self._signature.graph.as_graph_def().library
        nodes = [node for function in library.function for node in function.node_def]
        self.names = json.loads((folder / trace.NAMES).read_text(encoding="utf-8"))
        return {
            **self.names,
            "shapes": [list(specs[key].shape) for key in sorted(specs)],
            "dtypes": [
                integer or specs[key].dtype.name
                for key, integer in zip(sorted(specs), self.names["integers"], strict=True)
            ],
            "output_shapes": [
                [int(size or 0) for size in self._signature.structured_outputs[key].shape]
                for key in sorted(self._signature.structured_outputs)
            ],
            "quantisation_aware": any(node.op.startswith("FakeQuantWithMinMax") for node in nodes),
            "half_precision": any(
                node.attr["T"].type in {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}
                for node in nodes
            ),
            "changes_state": any(node.op.startswith("Assign") for node in nodes),
        }

    @property
    def _signature(self) -> Any:
        return self.module.signatures[SIGNATURE]

    def convert(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Quantise to int8, calibrated with the samples of a .npz, if any, and write the .tflite.

        Its signature has the users' names of the inputs and outputs.

        Returns:
            Scale and zero point of each input and output, None for those that are not int8; and
            whether all outputs are int8 or integers, and all scales are finite.
        """
        calibration, pinned = request["calibration"], request["pinned"]
        with pinned_inputs(pinned):
            data = self._convert(calibration, progress, request["dense_per_tensor"])
        data = _named(data, self.names)
        Path(request["out"]).write_bytes(data)
        return _ports(data)

    def _convert(
        self, calibration: str | None, progress: Progress, dense_per_tensor: bool = False
    ) -> bytes:
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(str(self.folder))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        # It has no public name, but there is no other way.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = dense_per_tensor
        if calibration is not None:
            converter.representative_dataset = lambda: _samples(
                calibration, "calibrating", progress
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        progress("converting")
        return _in_order(converter.convert())

    def predict(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Write the float model's outputs for the samples of a .npz, one array per output."""
        import numpy as np

        columns = self._predict(request["data"], "running the float model", progress)
        np.savez(request["out"], allow_pickle=False, **columns)
        return {}

    def check(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Compare the graph with the model loaded from a file, on the samples of a .npz each.

        Returns:
            Warnings.
        """
        assert self.reference is not None
        traced = self._predict(request["data"], "comparing with the model", progress)
        columns = _columns(request["given"])
        samples = dict(zip(request["inputs"], (columns[k] for k in sorted(columns)), strict=True))
        outputs = dict(zip(request["outputs"], (traced[k] for k in sorted(traced)), strict=True))
        found = faithful.check(self.reference, samples, outputs, coarse=request["coarse"])
        return {"warnings": found}

    def _predict(self, data: str, what: str, progress: Progress) -> dict[str, Any]:
        """Return the float model's outputs for the samples of a .npz, by output."""
        import numpy as np
        import tensorflow as tf

        specs = self._signature.structured_input_signature[1]
        results = [
            self._signature(**{k: tf.cast(value, specs[k].dtype) for k, value in sample.items()})
            for sample in _samples(data, what, progress)
        ]
        return {
            key: np.concatenate([np.atleast_1d(result[key].numpy()) for result in results])
            for key in results[0]
        }

    def find_infinite(self, request: Request, progress: Progress) -> dict[str, Any]:
        """Find the first node of a traced model that is not finite for samples of a .npz.

        Takes the model's folder, because infinite values may have crashed an earlier process.
        """
        import tensorflow as tf

        self.open(Path(request["folder"]))
        samples = (
            {key: tf.constant(value) for key, value in sample.items()}
            for sample in _samples(request["data"], "checking for infinite values", progress)
        )
        path, count = finite.find_infinite(self._signature, samples) or ("", 0)
        return {"path": path, "count": count}


def _samples(file: str, what: str, progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield the samples of a .npz one by one, each as a batch of one, by input."""
    columns = _columns(file)
    count = len(next(iter(columns.values())))
    for i in range(count):
        if i % 16 == 0:
            progress(f"{what}: sample {i + 1} of {count}")
        yield {key: column[i : i + 1] for key, column in columns.items()}


def _columns(file: str) -> dict[str, Any]:
    """Return the samples of a .npz, by input."""
    import numpy as np

    with np.load(file, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _in_order(data: bytes) -> bytes:
    """Return the .tflite with its ports in the order of the signature's names, the model's order.

    The converter writes them in the order of a hash table.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    buffer = bytearray(data)
    model = schema.Model.GetRootAs(buffer)
    graph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    for indices, count, entry in (
        (graph.InputsAsNumpy(), signature.InputsLength(), signature.Inputs),
        (graph.OutputsAsNumpy(), signature.OutputsLength(), signature.Outputs),
    ):
        named = {entry(i).Name(): entry(i).TensorIndex() for i in range(count)}
        indices[:] = [named[name] for name in sorted(named)]  # a view of the buffer
    return bytes(buffer)


def _named(data: bytes, names: Mapping[str, Any]) -> bytes:
    """Return the .tflite with other names in its signature.

    Args:
        names: what trace() wrote about the model, with those of its "inputs" and "outputs" in the
            order of the names that they replace.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    signature = schema.Model.GetRootAs(data).SignatureDefs(0)
    buffer = bytearray(data)
    for count, entry, new in (
        (signature.InputsLength(), signature.Inputs, names["inputs"]),
        (signature.OutputsLength(), signature.Outputs, names["outputs"]),
    ):
        old = sorted((entry(i) for i in range(count)), key=lambda port: bytes(port.Name()))
        for port, name in zip(old, new, strict=True):
            buffer.extend(bytes(-len(buffer) % 4))
            # Offsets are relative to where they are stored: the new text goes to the end.
            at = port._tab.Pos + port._tab.Offset(4)  # field 0
            struct.pack_into("<I", buffer, at, len(buffer) - at)
            text = name.encode("utf-8", "replace")
            buffer.extend(struct.pack("<I", len(text)) + text + b"\0")
    return bytes(buffer)


def _ports(data: bytes) -> dict[str, Any]:
    """Return scale and zero point of each port, None if it is not int8; and "finite"."""
    import numpy as np
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_content=data)
    found: dict[str, Any] = {
        side: [d["quantization"] if d["dtype"] is np.int8 else None for d in details]
        for side, details in (
            ("inputs", interpreter.get_input_details()),
            ("outputs", interpreter.get_output_details()),
        )
    }
    scales = (d["quantization_parameters"]["scales"] for d in interpreter.get_tensor_details())
    whole = all(d["dtype"] in (np.int8, np.int32) for d in interpreter.get_output_details())
    found["finite"] = whole and all(np.isfinite(s).all() for s in scales)
    return found


def serve(handlers: Mapping[str, Handler], requests: TextIO, answers: TextIO) -> None:
    """Answer requests one after another until stdin ends.

    An exception of TensorFlow ends the process, with its traceback at the end of the parent's log.
    """

    def send(answer: Mapping[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    for line in requests:
        request = json.loads(line)
        try:
            result = handlers[request["do"]](request, lambda text: send({"progress": text}))
        except TflmExtError as error:
            more = {}
            if isinstance(error, ToolError):
                more = {"command": error.command, "output": error.output}
            kind = _public(type(error))
            send({"error": kind, "problem": error.problem, "hint": error.hint, "more": more})
        else:
            send({"result": result})


def _public(kind: type[TflmExtError]) -> str:
    """Return the name of an error's class, or of its base class in errors.py."""
    return next(base.__name__ for base in kind.__mro__ if base.__module__ == "tflm_ext.errors")


def main(handlers: Mapping[str, Handler]) -> None:
    """Serve the parent that started this process."""
    _limit_memory()
    start_tensorflow()
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as answers:
        serve(handlers, sys.stdin, answers)


def start_tensorflow() -> None:
    """Import TensorFlow, and prepare it for a process that only converts and trains."""
    # Keras imports these, if they are installed, for wrappers and plots that nothing here uses.
    for name in ("matplotlib", "sklearn"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    import tensorflow as tf  # noqa: F401

    # Each conversion collects garbage, and would look through all objects of TensorFlow's modules.
    gc.freeze()


def _limit_memory() -> None:
    """Limit memory to this computer's size, so that a model that needs more fails alone."""
    most = max(_LEAST_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


if __name__ == "__main__":
    main(Converter().handlers)
