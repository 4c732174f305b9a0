"""convert(): converts a Keras model or a model file to an int8 .tflite."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.convert import faithful
from tflm_ext.convert.child import Child, ChildEnded, Progress
from tflm_ext.convert.data import (
    REALISTIC,
    RECORDINGS,
    calibration_warnings,
    gather_all,
    input_warnings,
    output_warnings,
)
from tflm_ext.convert.explain import explain
from tflm_ext.convert.files import FORMATS, compares, is_data_file, kind_of
from tflm_ext.convert.finite import infinite_refusal
from tflm_ext.convert.int8_model import Conversion, Int8Model, Known, looked_at
from tflm_ext.convert.lifted import Affines, affines_of, normalized
from tflm_ext.convert.pinned import Pinned, check_pinned, require_inputs, shaped_like
from tflm_ext.convert.remedies import (
    input_refusal,
    mask_refusal,
)
from tflm_ext.convert.samples import Array, InputSpec, Order
from tflm_ext.errors import (
    ConfigError,
    StorageError,
    ToolError,
    UnsupportedModelError,
    UnsupportedOperatorError,
    VerificationError,
)
from tflm_ext.frontend import strip_ports
from tflm_ext.options import NO_LABELS, Labels
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
    known: Known | None = None,
    dense_per_tensor: bool = False,
    pinned: Pinned = (),
    lift: bool = True,
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
        known: about a .tflite, from an earlier export of it.
        dense_per_tensor: one scale for the weights of a Dense layer, as in TFLM before 2024,
            instead of one per output.
        pinned: scale, zero point and shape that the inputs must have, in order; () leaves them to
            the calibration.
        lift: whether to leave out layers at the head of a Keras model that only scale its inputs;
            see Int8Model.affines. Nothing is lifted before pinned inputs.

    Raises:
        ConfigError: there is no such model, or data is missing, empty, not finite, or has the wrong
            shape; or a .tflite begins after such layers, and lift is false.
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

        wanted = Wanted(test_targets, labels)
        return take(path, given, wanted, known, lift=lift, pinned=pinned)
    with scratch_folder() as folder, _child(folder) as child:
        wanted = Wanted(test_targets, labels)
        work = _Work(child, folder, progress, dense_per_tensor, wanted, pinned)
        return work.run(model, path, kind, given, lift and not pinned and _lifts.get())


@contextmanager
def one_child(*, lift: bool = True) -> Iterator[None]:
    """Let all calls of convert() inside share a child process, which imports TensorFlow once.

    Args:
        lift: false lets no call inside lift anything.
    """
    if _shared.get() is not None:
        yield
        return
    with scratch_folder() as folder, Child(folder / "log.txt") as child:
        token, before = _shared.set(child), _lifts.set(lift)
        try:
            yield
        finally:
            _shared.reset(token)
            _lifts.reset(before)


_shared: ContextVar[Child | None] = ContextVar("shared", default=None)
_lifts: ContextVar[bool] = ContextVar("lifts", default=True)


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
        self.folder = self.traced = folder
        self.progress = progress
        self.layers: Mapping[str, str] = {}
        self.affines: Affines = ()

    def run(
        self, model: Any, path: Path | None, kind: str, given: Mapping[str, Any], lift: bool
    ) -> Conversion:
        self.progress("starting TensorFlow")
        self.child.start()
        live, wrapped = (None, []) if path else self._unwrapped(model)
        about = self._load(live, path, kind, lift)
        ports = _ports(about)
        self._check_types(ports, about["integers"])
        given = shaped_like(given, self.pinned, [port.shape for port in ports])
        self.progress("reading the data")
        data, warnings = gather_all(given, ports, Order(about["order"]))
        targets = self.wanted.check(about["outputs"], about["output_shapes"], data)
        if any(self.affines) and not self._lifts(live, about, ports, data):
            about = self._load(live, path, kind, lift=False)
        warnings += [*wrapped, *about["warnings"]]
        if not about["changes_state"]:
            with self._infinite_first(data):
                warnings += self._compare(live, about, ports, data)
        data = _as_floats(data, about["integers"])
        int8, kept = self._int8(about, ports, data, warnings)
        read_data = {what: [columns[k] for k in kept] for what, columns in data.items()}
        return Conversion.of(int8, read_data, targets)

    def _int8(
        self,
        about: Mapping[str, Any],
        ports: Sequence[InputSpec],
        data: Mapping[str, list[Array]],
        warnings: list[str],
    ) -> tuple[Int8Model, Sequence[int]]:
        """Return the int8 model with all warnings, and the numbers of the inputs that it reads."""
        from tflm_ext.rewrite import drop_unread, narrow_moves

        calibration = None
        # Calibration data in addition to trained ranges would produce float32 islands.
        if not about["quantisation_aware"]:
            wanted = RECORDINGS if self.pinned else REALISTIC
            warnings += calibration_warnings(data, ports, wanted)
            calibration = self._write(data["calibration_data"])
        out = self.folder / "model.tflite"
        quantised = self._quantise(data, calibration, out)
        taken = {what: normalized(columns, self.affines) for what, columns in data.items()}
        said = input_warnings(taken, ports, quantised["inputs"])
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
            affines=tuple(self.affines[place] for place in read.kept),
            warnings=tuple(warnings),
            log=self.child.output(),
            suspects=said.suspects,
            float_outputs=tuple(outputs) if "test_data" in data else None,
            calibration_outputs=tuple(outputs) if set(data) == {"calibration_data"} else None,
        )
        return int8, read.kept

    def _load(self, live: Any, path: Path | None, kind: str, lift: bool) -> dict[str, Any]:
        """Trace the model, and load it in the child."""
        from tflm_ext.convert.trace import trace

        self.traced = self.folder / ("model" if lift else "whole")
        if live is not None:
            with _storage():
                trace(live, self.traced, lift=lift)
        about = self._ask(
            "load",
            path=str((path or self.folder).absolute()),
            kind=kind,
            folder=str(self.traced),
            lift=lift,
        )
        self.layers, self.affines = about["layers"], affines_of(about)
        return about

    def _lifts(
        self,
        live: Any,
        about: Mapping[str, Any],
        ports: Sequence[InputSpec],
        data: Mapping[str, list[Array]],
    ) -> bool:
        """Whether the model computes the same if what is lifted is computed outside it."""
        for affine, port, integer in zip(self.affines, ports, about["integers"], strict=True):
            if affine and integer is None and port.dtype != "float32":
                return False  # the graph would take integers
        taken = (normalized(columns, self.affines) for columns in data.values())
        finite = all(np.isfinite(column).all() for columns in taken for column in columns)
        if about["changes_state"] or not finite:
            return False
        try:
            self._compare(live, about, ports, data)
        except (ToolError, UnsupportedModelError, VerificationError):
            return False  # if it is not because of that, the whole model will show it
        return True

    def _check_types(self, ports: Sequence[InputSpec], integers: Sequence[str | None]) -> None:
        for port, integer in zip(ports, integers, strict=True):
            if integer is None and port.dtype not in ("float32", "int32"):
                raise input_refusal(port.name, port.dtype, self.layers)
        require_inputs(self.pinned, [port.name for port in ports], [port.shape for port in ports])

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
            found = self._ask("find_infinite", folder=str(self.traced), data=self._write(columns))
            if found["count"]:
                raise infinite_refusal(found["path"], found["count"], len(columns[0]), self.layers)

    def _unwrapped(self, model: Any) -> tuple[Any, list[str]]:
        """Return a live model without wrappers, and warnings about these."""
        from tflm_ext.convert.order import library
        from tflm_ext.convert.wrappers import without_wrappers

        if library(model) is None:
            raise ConfigError(
                f"A {type(model).__name__} is not a model.",
                "Pass a keras.Model, a tf_keras.Model, or the path of a model file.",
            )
        self.progress("saving the model")
        return without_wrappers(model)

    def _write(self, columns: Sequence[Array]) -> str:
        """Write samples as the traced graph takes them: after what was lifted."""
        return self._store("samples.npz", normalized(columns, self.affines))

    def _store(self, name: str, columns: Sequence[Array]) -> str:
        file = self.folder / name
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
            given = self._store("given.npz", columns)
            answer = self._ask(
                "check", data=self._write(columns), given=given, coarse=coarse, **names
            )
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
