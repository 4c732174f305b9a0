"""convert(): converts a Keras model or a model file to an int8 .tflite."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.convert import faithful
from tflm_ext.convert.child import PATIENCE, Child, ChildEnded, Progress
from tflm_ext.convert.data import (
    calibration_warnings,
    gather_all,
    input_warnings,
    output_warnings,
)
from tflm_ext.convert.files import FORMATS, compares, is_data_file, kind_of
from tflm_ext.convert.finite import infinite_refusal
from tflm_ext.convert.int8_model import Conversion, Int8Model, KnownNames, looked_at
from tflm_ext.convert.pinned import Pinned, check_pinned, require_inputs
from tflm_ext.convert.remedies import (
    crash_refusal,
    input_refusal,
    mask_refusal,
    operator_refusal,
)
from tflm_ext.convert.samples import Array, InputSpec, Order
from tflm_ext.errors import (
    ConfigError,
    StorageError,
    TflmExtError,
    ToolError,
    UnsupportedModelError,
    UnsupportedOperatorError,
    VerificationError,
)
from tflm_ext.frontend import strip_ports
from tflm_ext.options import NO_LABELS, Labels
from tflm_ext.programs import limit_error
from tflm_ext.scratch import scratch_folder
from tflm_ext.verify.targets import Wanted


def convert(
    model: Any,
    calibration_data: Any = None,
    *,
    progress: Progress,
    test_inputs: Any = None,
    test_targets: Any = None,
    labels: Labels = NO_LABELS,
    known_names: KnownNames | None = None,
    dense_per_tensor: bool = False,
    pinned: Pinned = (),
) -> Conversion:
    """Quantise a model to int8 with batch size 1 and int8 inputs and outputs.

    TensorFlow runs in a child process, which always ends before this returns or raises, even after
    Ctrl-C. Its output is kept, but not shown. The model itself is not changed.

    Args:
        model: keras.Model, tf_keras.Model, or the path of a .keras or .h5 (never loaded if that
            would run code from the file), a SavedModel folder, or an int8 .tflite, which is used
            unchanged and without TensorFlow.
        calibration_data: at least 100 samples of realistic input, as an array (samples first), a
            list of arrays or a dict by name for several inputs, or a generator or tf.data.Dataset
            of these, of which the first 1000 samples are used. Labels are ignored. Required unless
            the model is quantisation-aware or already int8.
        progress: called with a short text at the start of each step.
        test_inputs: in the same forms; the float model runs on all of them.
        test_targets: of the test inputs, as for by_output(); checked before the conversion.
        labels: class names, for targets that are class names.
        known_names: of the ports of a .tflite, from an earlier export of it.
        dense_per_tensor: one scale for the weights of a Dense layer, as in TFLM before 2024,
            instead of one per output.
        pinned: scale and zero point that the inputs must have, in order; () leaves them to the
            calibration.

    Raises:
        ConfigError: there is no such model, or data is missing, empty, not finite, or has the wrong
            shape.
        UnsupportedModelError: the model cannot be converted to int8 with batch size 1.
        UnsupportedOperatorError: TensorFlow Lite has no operator for a layer.
        ToolError: TensorFlow is missing or crashed.
    """
    path = Path(model) if isinstance(model, str | os.PathLike) else None
    if path and not os.path.isdir(path) and is_data_file(path):
        raise ConfigError(f"{path} is data, not a model.", FORMATS)
    kind = kind_of(path) if path else "traced"
    given = {"calibration_data": calibration_data, "test_data": test_inputs}
    given = {what: data for what, data in given.items() if data is not None}
    if path and kind == "tflite":
        from tflm_ext.convert.taken import take

        taken = take(path, given, Wanted(test_targets, labels), known_names)
        check_pinned(taken.int8.bytes, pinned)
        return taken
    with scratch_folder() as folder, _child(folder) as child:
        wanted = Wanted(test_targets, labels)
        work = _Work(child, folder, progress, dense_per_tensor, wanted, pinned)
        return work.run(model, path, kind, given)


@contextmanager
def one_child() -> Iterator[None]:
    """Let all calls of convert() inside share a child process, which imports TensorFlow once."""
    if _shared.get() is not None:
        yield
        return
    with scratch_folder() as folder, Child(folder / "log.txt") as child:
        token = _shared.set(child)
        try:
            yield
        finally:
            _shared.reset(token)


_shared: ContextVar[Child | None] = ContextVar("shared", default=None)


def _child(folder: Path) -> AbstractContextManager[Child]:
    shared = _shared.get()
    return Child(folder / "log.txt") if shared is None else nullcontext(shared)


@contextmanager
def _storage() -> Iterator[None]:
    """Report errors of the file system, inside which only our temporary folder is used."""
    try:
        yield
    except OSError as error:
        raise _no_storage(error.strerror or str(error)) from error


def _no_storage(reason: str) -> StorageError:
    return StorageError(
        f"The folder for temporary files cannot be written: {reason}.",
        "Free some space there, or set TMPDIR to a different folder.",
    )


def _ports(about: Mapping[str, Any]) -> list[InputSpec]:
    """Return the inputs of a model that the child has loaded."""
    keys = ("inputs", "shapes", "dtypes", "keras_names", "paths")
    return [
        InputSpec(name, tuple(shape), dtype, keras_name, tuple(place))
        for name, shape, dtype, keras_name, place in zip(*(about[k] for k in keys), strict=True)
    ]


def _as_floats(
    data: Mapping[str, list[Array]], integers: Sequence[str | None]
) -> dict[str, list[Array]]:
    """Data for the traced graph, which takes floats where the model makes them of integers."""
    return {
        what: [
            column if integer is None else column.astype(np.float32)
            for column, integer in zip(columns, integers, strict=True)
        ]
        for what, columns in data.items()
    }


class _Work:
    """One conversion in its own folder."""

    def __init__(
        self,
        child: Child,
        folder: Path,
        progress: Progress,
        dense_per_tensor: bool,
        wanted: Wanted,
        pinned: Pinned = (),
    ) -> None:
        self.child = child
        self.pinned = pinned
        self.wanted = wanted
        self.dense_per_tensor = dense_per_tensor
        self.folder = folder
        self.progress = progress
        self.layers: Mapping[str, str] = {}

    def run(self, model: Any, path: Path | None, kind: str, given: Mapping[str, Any]) -> Conversion:
        from tflm_ext.rewrite import drop_unread, narrow_moves

        self.progress("starting TensorFlow")
        self.child.start()
        wrapped: list[str] = []
        if path is None:
            model, wrapped = self._trace(model)
        about = self._ask(
            "load",
            path=str((path or self.folder).absolute()),
            kind=kind,
            folder=str(self.folder / "model"),
        )
        self.layers = about["layers"]
        ports = _ports(about)
        self._check_types(ports, about["integers"])
        self.progress("reading the data")
        data, warnings = gather_all(given, ports, Order(about["order"]))
        targets = self.wanted.check(about["outputs"], about["output_shapes"], data)
        warnings += [*wrapped, *about["warnings"]]
        if not about["changes_state"]:
            with self._infinite_first(data):
                warnings += self._compare(None if path else model, about, ports, data)
        data = _as_floats(data, about["integers"])
        calibration = None
        # Calibration data in addition to trained ranges would produce float32 islands.
        if not about["quantisation_aware"]:
            warnings += calibration_warnings(data, ports)
            calibration = self._write(data["calibration_data"])
        out = self.folder / "model.tflite"
        quantised = self._quantise(data, calibration, out)
        said = input_warnings(data, ports, quantised["inputs"])
        warnings += said.warnings
        outputs: list[Array] = []
        if data:
            outputs = self._float_outputs(data)
            if "test_data" not in data and not all(np.isfinite(o).all() for o in outputs):
                self._refuse_infinite(data)
            warnings += output_warnings(about["outputs"], outputs, quantised["outputs"])
        if about["masks"] and compares(out.read_bytes()):
            raise mask_refusal(about["masks"], self.layers)
        read = drop_unread(narrow_moves(out.read_bytes()))
        warnings += read.notes(about["inputs"])
        content = read.data
        if any(port.dtype == "int32" for port in ports):
            content = strip_ports(content).data  # its wrapped positions
        check_pinned(content, self.pinned)
        int8 = Int8Model.of(
            content,
            input_names=tuple(about["inputs"][place] for place in read.kept),
            output_names=tuple(about["outputs"]),
            warnings=tuple(warnings),
            log=self.child.output(),
            suspects=said.suspects,
            float_outputs=tuple(outputs) if "test_data" in data else None,
            calibration_outputs=tuple(outputs) if set(data) == {"calibration_data"} else None,
        )
        read_data = {what: [columns[k] for k in read.kept] for what, columns in data.items()}
        return Conversion.of(int8, read_data, targets)

    def _check_types(self, ports: Sequence[InputSpec], integers: Sequence[str | None]) -> None:
        for port, integer in zip(ports, integers, strict=True):
            if integer is None and port.dtype not in ("float32", "int32"):
                raise input_refusal(port.name, port.dtype, self.layers)
        require_inputs(self.pinned, [port.name for port in ports])

    def _quantise(
        self, data: Mapping[str, list[Array]], calibration: str | None, out: Path
    ) -> dict[str, Any]:
        with self._infinite_first(data):
            quantised = self._ask(
                "convert",
                calibration=calibration,
                dense_per_tensor=self.dense_per_tensor,
                pinned=self.pinned,
                out=str(out),
            )
        if not quantised["finite"]:
            self._refuse_infinite(data)
        return quantised

    @contextmanager
    def _infinite_first(self, data: Mapping[str, list[Array]]) -> Iterator[None]:
        """If something inside fails because of infinite values, raise an error with the layer."""
        try:
            yield
        except UnsupportedOperatorError:
            raise
        except (ToolError, UnsupportedModelError, VerificationError):
            self._refuse_infinite(data)
            raise

    def _refuse_infinite(self, data: Mapping[str, list[Array]]) -> None:
        """Find the cause of a failure: infinite values of a layer for calibration data.

        Raises:
            UnsupportedModelError: a layer has infinite values; names the layer.
        """
        columns = data.get("calibration_data")
        if not columns:
            return
        with suppress(ToolError):  # report the failure that led here
            found = self._ask(
                "find_infinite", folder=str(self.folder / "model"), data=self._write(columns)
            )
            if found["count"]:
                raise infinite_refusal(found["path"], found["count"], len(columns[0]), self.layers)

    def _trace(self, model: Any) -> tuple[Any, list[str]]:
        """Save a live model; return it without wrappers, and warnings about these."""
        from tflm_ext.convert.order import library
        from tflm_ext.convert.trace import trace
        from tflm_ext.convert.wrappers import without_wrappers

        if library(model) is None:
            raise ConfigError(
                f"A {type(model).__name__} is not a model.",
                "Pass a keras.Model, a tf_keras.Model, or the path of a model file.",
            )
        self.progress("saving the model")
        model, wrapped = without_wrappers(model)
        with _storage():
            trace(model, self.folder / "model")
        return model, wrapped

    def _write(self, columns: Sequence[Array]) -> str:
        file = self.folder / "samples.npz"
        arrays = {f"x{i:03}": column for i, column in enumerate(columns)}
        with _storage():
            np.savez(file, allow_pickle=False, **arrays)
        return str(file)

    def _compare(
        self,
        live: Any,
        about: Mapping[str, Any],
        ports: Sequence[InputSpec],
        data: Mapping[str, list[Array]],
    ) -> list[str]:
        """Check that the graph computes the same as the model, and return warnings."""
        coarse = about["quantisation_aware"] or about["half_precision"]
        some = next(iter(data.values()), None)
        columns = faithful.chosen(some) if some else faithful.drawn(ports)
        names = {"inputs": about["inputs"], "outputs": about["outputs"]}
        if live is None:
            answer = self._ask("check", data=self._write(columns), coarse=coarse, **names)
            return list(answer["warnings"])
        traced = dict(zip(about["outputs"], self._predict(columns), strict=True))
        samples = dict(zip(about["inputs"], columns, strict=True))
        return faithful.check(faithful.model_reference(live), samples, traced, coarse=coarse)

    def _float_outputs(self, data: Mapping[str, list[Array]]) -> list[Array]:
        """Return the float outputs for all test data, or else for some calibration samples."""
        columns = data.get("test_data")
        if columns is None:
            columns = [column[looked_at(len(column))] for column in data["calibration_data"]]
        return self._predict(columns)

    def _predict(self, columns: Sequence[Array]) -> list[Array]:
        """Return the float model's outputs, one array per output, samples first."""
        out = self.folder / "outputs.npz"
        self._ask("predict", data=self._write(columns), out=str(out))
        with np.load(out, allow_pickle=False) as file:
            return [file[key] for key in sorted(file.files)]

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        try:
            return self.child.ask(do, self.progress, **request)
        except ChildEnded as ended:
            raise explain(do, ended, self.layers, self.child.command) from ended


def explain(
    do: str, ended: ChildEnded, layers: Mapping[str, str], command: Sequence[str]
) -> TflmExtError:
    """Return the error for the user after a child process ended unexpectedly.

    Args:
        do: the request that it did not answer.
        ended: how it ended, and its log.
        layers: class of every Keras layer, by name; empty if they are not known.
        command: that started it.
    """
    limit = limit_error("TensorFlow", ended.code, ended.log, command)
    if limit is not None:
        return limit
    missing = re.search(r"No module named '(tensorflow|keras|tf_keras|h5py)'", ended.log)
    if missing:
        return ToolError(
            f"{missing[1]} is not installed.",
            f"Run: {command[0]} -m pip install {missing[1]}",
            command=tuple(command),
            output=ended.log,
        )
    position = re.search(r"indices\[[\d,]*\] = (-?\d+) is not in \[0, (\d+)\)", ended.log)
    if position:
        return ConfigError(
            f"The data has the integer {position[1]} where the model looks up one from 0 to "
            f"{int(position[2]) - 1}.",
            "An Embedding has rows for 0 to its input_dim minus 1.",
        )
    refused = re.search(r"(?:TF Select|Custom) ops: (.*)", ended.log)
    if do == "convert" and refused:
        operators = [name.strip() for name in refused[1].split(",")]
        paths = [
            path
            for name in operators
            for path in re.findall(rf'"{re.escape(name)}:", "([^"@]+)@', ended.log)
        ]
        return operator_refusal(operators, paths, layers)
    crash = crash_refusal(layers) if do == "convert" and ended.code < 0 else None
    if crash:
        return crash
    if do == "load" and ended.code == -signal.SIGPROF:
        return UnsupportedModelError(
            f"The model cannot be loaded: it took more than {PATIENCE} seconds of processor time.",
            "The file may be damaged; save the model again with model.save('model.keras').",
        )
    said = next((line for line in reversed(ended.log.splitlines()) if line.strip()), "nothing")
    if do == "load" and ended.code > 0:
        return UnsupportedModelError(
            f"The model cannot be loaded: {said.strip()}",
            "If it has custom classes, load the model yourself and pass the live model.",
        )
    how = f"signal {-ended.code}" if ended.code < 0 else f"exit status {ended.code}"
    return ToolError(
        f"TensorFlow failed in the step {do!r} ({how}).",
        "Its last messages are shown above. To find the layer that causes this, remove layers "
        "until the conversion succeeds.",
        command=tuple(command),
        output=ended.log,
    )
