"""The calls for Keras users: export() and what it returns."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tflm_ext.emit.escape import printable
from tflm_ext.errors import AccuracyWarning, ConfigError
from tflm_ext.options import (
    DEFAULT_BOARD,
    UNSET,
    Budget,
    Unset,
    as_flag,
)
from tflm_ext.storage import as_path

if TYPE_CHECKING:
    from tflm_ext.convert.int8_model import Known
    from tflm_ext.options import Methods
    from tflm_ext.project.choices import Choices
    from tflm_ext.project.pio import BuildResult, TestResult
    from tflm_ext.replay import Replay
    from tflm_ext.report import Report
    from tflm_ext.signals import Pipeline
    from tflm_ext.stages import Options, Project


_LONGEST_PATH = 120  # characters of a folder in a summary


@dataclass(frozen=True, repr=False)
class ExportResult:
    """An exported project.

    Attributes:
        folder: the project's absolute path.
        report: all results; report.to_dict() is report.json.
        kept: generated files that you had edited and that were therefore not replaced; the new
            text is next to each of them, as <file>.new.
    """

    folder: Path
    report: Report
    kept: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<ExportResult in {self._place()}: {self.report!r}>"

    def __str__(self) -> str:
        """The folder and the summary of the report, in a few lines."""
        kept = f"\nedited files that were kept: {len(self.kept)}, in kept" if self.kept else ""
        return f"exported to {self._place()}\n{self.report}{kept}"

    def _place(self) -> str:
        text = printable(str(self.folder))
        return text if len(text) <= _LONGEST_PATH else f"...{text[-_LONGEST_PATH:]}"

    def build(self, environment: str = "native") -> BuildResult:
        """Run `pio run -e <environment>` and return what it measured.

        Args:
            environment: "native", that of the emulated core, like "cortex_m4", or the board's.

        Returns:
            The program, its sizes in bytes, and the time in seconds.

        Raises:
            ConfigError: platformio.ini has no such environment.
            ToolError: pio or a compiler is missing or failed.
            BudgetError: the program does not fit the memory of the environment.
        """
        from tflm_ext.project.pio import run

        return run(self.folder, environment)

    def test(self, environment: str = "native") -> TestResult:
        """Run `pio test -e <environment>` and return the results.

        Args:
            environment: "native" (with sanitizers), that of the emulated core, like "cortex_m4",
                or the board's.

        Returns:
            The number of passed tests, all test cases, and the time in seconds.

        Raises:
            ConfigError: platformio.ini has no such environment.
            ToolError: pio, a compiler or the emulator is missing or failed.
            VerificationError: a test failed.
        """
        from tflm_ext.project.pio import test

        return test(self.folder, environment)

    def replay(
        self, recording: Any, environment: str = "native", *, port: str | None = None
    ) -> Replay:
        """Run a recording through the pipeline's C, compare it with NumPy, and return the events.

        Args:
            recording: an array of samples, or the path of a WAV, CSV or .npy file.
            environment: "native" for this computer, or that of an emulated core, like "cortex_m4".
            port: serial port of a board with the project's firmware, which also gets the samples,
                in the place of its sensor.

        Returns:
            Windows, scores and events; its picture() draws them.

        Raises:
            ConfigError: the project has no pipeline, or the recording does not fit its source.
            VerificationError: C and NumPy differ; names the first stage that does, or the first
                event of the board.
            ToolError: a compiler or the emulator is missing or failed, or the port cannot be used.
        """
        from tflm_ext.replay import replay_port, replay_project

        if port is not None:
            return replay_port(self.folder, recording, port, environment)
        return replay_project(self.folder, recording, environment)


def export(
    model: Any,
    folder: str | os.PathLike[str],
    calibration_data: Any = None,
    *,
    test_data: Any = None,
    pipeline: Pipeline | str | os.PathLike[str] | Unset | None = UNSET,
    name: str | None = None,
    labels: Iterable[str] | Mapping[str, Iterable[str]] | None = None,
    version: str | None = None,
    url: str | None = None,
    board: str | Unset | None = UNSET,
    runtime: str | None = None,
    optimize: str | None = None,
    budget: Budget | Mapping[str, int] | None = None,
    tflm_source: str | os.PathLike[str] | None = None,
    encoding: Methods | None = None,
    lift: bool | None = None,
    capture_seconds: float | None = None,
    max_accuracy_drop: float | None = None,
    overwrite: bool = False,
    progress: bool | Callable[[str], None] = True,
) -> ExportResult:
    """Turn a Keras model into a firmware project whose C returns the same bytes as TFLM.

    The model is quantised to int8, read, planned and printed as plain C. The C is compiled with
    sanitizers and compared with TensorFlow Lite Micro on at least 64 inputs. Only then is the
    project written, completely or not at all. The model itself is not changed, and pio is not run.

    A pipeline that ends with a score, such as sense.Normal, needs no model: pass None. Its C is
    compared with NumPy.

    An export into the folder of an earlier one takes name, labels, version, url, board, runtime,
    optimize, budget, encoding, lift, capture_seconds and pipeline from it, unless they are passed.

    Args:
        model: keras.Model, tf_keras.Model, or the path of a .keras, .h5 or int8 .tflite file or of
            a SavedModel folder. All sizes except the batch must be fixed; the batch becomes 1.
            None if the pipeline computes a score itself.
        folder: the project's folder: new, empty, or an earlier export. A file in it that is passed
            as model is never removed.
        calibration_data: real inputs that determine the int8 ranges, scaled as in training,
            preferably 100 or more: a float array (samples, *shape), a list of such arrays (several
            inputs, in the order of model.inputs), a dict of them by input name, the nested lists
            and dicts that the model takes, a generator, a function without arguments that returns
            one of these, or a tf.data.Dataset. Only the first 1000 samples of a generator or
            Dataset are used. Not needed for a model that is int8 or quantisation-aware.
        test_data: (x, y). The report gets its score in float, int8 and C, and some samples become
            golden vectors. x is like calibration_data. y holds class numbers (samples,), class
            names from `labels`, one-hot rows, the class at each position of a mask, or real values
            in the output's shape: an array, a list, a pandas object, a tf.data.Dataset or a
            generator. The score is the accuracy or the mean absolute error. If there are several
            outputs, the first one is scored; to score others, pass y as a dict by output name, or
            as a list with one entry, or None, per output.
            Without test_data, the report has the error of the int8 outputs on calibration samples.
        pipeline: a tflm_ext.sense.Pipeline, or the path of its JSON, whose features are the model's
            input. The project gets its C, compared with NumPy after every stage. The data are then
            recordings: calibration_data is a list of them, arrays of samples or paths of WAV, CSV
            or .npy files; test_data is (recordings, labels), one label for each recording, or
            (x, y) with features. Where the compiler for the board's core and its emulator are
            installed, instructions and flash are measured, too, as by `tflm-ext bench`.
        name: C identifier in lower case, prefix of all symbols and files; by default derived from
            the folder's name.
        labels: names of the classes, in the order of the output: a list, an array, a pandas Series
            or any other collection with an order; blanks at the ends are removed. For a single
            probability, two, of which it is that of the second. If there are several outputs, they
            are those of the first one; or pass a dict of such collections by output name.
        version: of the model, three numbers like "1.2.0", for the C and for library.properties;
            by default "0.0.0".
        url: address of the model's page, for library.properties; by default, that of tflm_ext.
        board: a name that `tflm-ext boards` lists, by default "nano33ble_sense", or the path of a
            .toml file; None for this computer and an emulated Cortex-M4 only, with more memory
            than a board.
        runtime: "compiled" (the default), plain C that is generated for the model; or "tflm",
            TensorFlow Lite Micro's interpreter with the same C interface.
        optimize: "balanced" (the default), "speed" or "size".
        budget: limits for the model, in bytes and operations, as a Budget or as a dict like
            {"flash_bytes": 64_000}.
        tflm_source: with runtime "tflm", a folder with TensorFlow Lite Micro for this computer and
            the emulated core: its Arduino library, or a current tree with its downloads. By
            default, the folder in the variable TFLM_EXT_TFLM_SOURCE, or the one of an earlier
            export. Without it, only the board's environment can be built. With a current tree,
            operators that the board's TFLM lacks are allowed; the project then contains nothing
            for the board.
        encoding: with runtime "tflm", store weights encoded: "auto" or other methods of encode().
            Only a current TFLM decodes them, so the project contains nothing for the board.
        lift: whether Normalization, Rescaling and BatchNormalization at the head of a Keras model
            are computed in float32 before its int8 input, exact for each feature, instead of after
            it (the default). The generated quantise functions do this, and all data remains as it
            is passed to the Keras model. False leaves these layers in the model.
        capture_seconds: for how long the firmware of a pipeline remembers the sensor's samples,
            which it sends when a host asks for them; 0 (the default) for firmware that has no code
            to send samples.
        max_accuracy_drop: how much of the score on test_data int8 may lose, 0 to 1: accuracy, or
            for real values the increase of the mean absolute error divided by the mean absolute
            deviation of the targets from their median. A larger drop is an error.
        overwrite: replace generated files that were edited.
        progress: whether to show progress on a terminal; or a function that is called with a short
            text instead.

    Returns:
        The project and its report; its build() and test() run pio.

    Raises:
        ConfigError: an argument cannot be used.
        UnsupportedModelError: the model cannot be converted or run; names the Keras layer.
        BudgetError: the model does not fit the budget or the board.
        AccuracyError: the model loses more than max_accuracy_drop; a subclass of BudgetError.
        VerificationError: the C differs from TFLM; nothing is written.
        ToolError: a C compiler is missing, or the converter crashed.
        StorageError: the project cannot be written.

    Warns:
        AccuracyWarning: the int8 model is much worse than the float model.

    Example:
        >>> try:
        ...     export("missing.tflite", "digits")
        ... except ConfigError as error:
        ...     print(error.problem)
        There is no model at missing.tflite.
    """
    from tflm_ext.chosen import make_options
    from tflm_ext.project.choices import known_of
    from tflm_ext.report.measured import with_bench
    from tflm_ext.report.progress import show_progress
    from tflm_ext.warm import warm_python

    overwrite = as_flag("overwrite", overwrite)
    if model is None:
        _require_no_model(test_data, labels, runtime, encoding, tflm_source)
    target, given, earlier = _opened(folder, model)
    options = make_options(
        _name(name) or (earlier.name if earlier else target.resolve().name),
        derived=name is None and earlier is None,
        labels=labels,
        version=version,
        url=url,
        board=board,
        runtime=runtime,
        optimize=optimize,
        budget=budget,
        tflm_source=tflm_source,
        encoding=encoding,
        lift=lift,
        capture_seconds=capture_seconds,
        max_accuracy_drop=max_accuracy_drop,
        project=target,
        earlier=earlier,
        pipeline=pipeline,
        alone=model is None,
    )
    _require_means(options, test_data)
    with show_progress(progress) as say, warm_python():
        project = _made(model, calibration_data, test_data, options, known_of(given, earlier), say)
        kept = _written(project, options, target, overwrite, given, say)
    for loss in project.report.losses:
        warnings.warn(loss, AccuracyWarning, stacklevel=2)
    return ExportResult(target.resolve(), with_bench(project.report, target), kept)


def _opened(folder: Any, model: Any) -> tuple[Path, Path | None, Choices | None]:
    """Return the project's folder, the path of the model, and what is in the folder."""
    from tflm_ext.project.choices import earlier_choices
    from tflm_ext.project.write import check_folder
    from tflm_ext.signals import Pipeline

    target = as_path("folder", folder)
    if isinstance(model, Pipeline):
        raise _not_a_model("model")
    given = as_path("model", model) if isinstance(model, str | os.PathLike) else None
    if given is not None and given.suffix == ".json" and given.is_file():
        raise _not_a_model(str(given))
    check_folder(target, given)
    return target, given, earlier_choices(target)


def _made(
    model: Any,
    calibration_data: Any,
    test_data: Any,
    options: Options,
    known: Known | None,
    say: Callable[[str], None],
) -> Project:
    """Return the project of a model, or of a pipeline that needs none."""
    from tflm_ext.signals.data import features_of, recordings_alone
    from tflm_ext.stages import load, make_pipeline_project, make_project

    if model is None:
        own, recordings = recordings_alone(options.pipeline, calibration_data)
        return make_pipeline_project(own, options, say, recordings)
    data = features_of(options.pipeline, calibration_data, test_data)
    int8, samples = load(model, data.calibration, data.test, options, say, known)
    return make_project(int8, options, samples, say, data.recordings)


def _written(
    project: Project,
    options: Options,
    target: Path,
    overwrite: bool,
    spared: Path | None,
    say: Callable[[str], None],
) -> tuple[str, ...]:
    """Write a project, and return the edited files that were kept.

    Where the emulated core is at hand, the flash of a pipeline is checked, and bench.json written.
    """
    from tflm_ext.bench import check_pipeline_flash, keep, measured, tools_at_hand
    from tflm_ext.stages import write

    found = None
    if options.pipeline is not None and options.runtime.own_code and tools_at_hand():
        say("counting instructions on the emulated core")
        found = measured(project.analysis, project.sources, options)
        check_pipeline_flash(found, options)
    kept = write(project, target, overwrite=overwrite, spared=spared)
    if found is not None:
        keep(found, target)
    return kept


def _require_means(options: Options, test_data: Any) -> None:
    """Require what the limits of the user are measured with."""
    from tflm_ext.bench import require_tools

    if options.max_accuracy_drop is not None and test_data is None:
        raise ConfigError(
            "max_accuracy_drop needs test_data to measure the loss through int8.",
            "Pass test_data=(x, y), or --data on the command line; or omit the limit.",
        )
    limited = options.budget.flash_bytes is not None and options.runtime.own_code
    if options.pipeline is not None and limited:
        require_tools()


def _require_no_model(*given: Any) -> None:
    """Refuse arguments that are about a model where there is none."""
    names = ("test_data", "labels", "runtime", "encoding", "tflm_source")
    for name, value in zip(names, given, strict=True):
        if value is not None:
            raise ConfigError(
                f"{name} is for a model, but there is none.", f"Pass a model, or leave out {name}."
            )


def _not_a_model(what: str) -> ConfigError:
    return ConfigError(
        f"{what} is a pipeline, not a model.",
        "Pass pipeline= (--pipeline on the command line), and a model unless the pipeline computes "
        "a score itself.",
    )


def _name(name: Any) -> str | None:
    if name is not None and not isinstance(name, str):
        raise ConfigError(
            f"name is a {type(name).__name__}, not text.",
            'Pass a C identifier in lower case, as in name="digits".',
        )
    return name


def inspect_model(
    model: Any,
    *,
    calibration: str | None = None,
    name: str | None = None,
    board: str | None = DEFAULT_BOARD,
    runtime: str = "compiled",
    optimize: str = "balanced",
    detail: bool = False,
) -> Report:
    """Read and plan a model without writing, compiling or running anything.

    Args:
        model: as in export().
        calibration: path of a calibration .npz, for models that are not int8 yet.
        detail: also report what each rewrite of the graph did, and where each tensor is placed.

    Returns:
        Its report: operators, memory plan, sizes.

    Raises:
        ConfigError, UnsupportedModelError, ToolError: as in export().
    """
    from tflm_ext.chosen import make_options
    from tflm_ext.convert import load_npz
    from tflm_ext.project.choices import known_of
    from tflm_ext.report.detail import with_detail
    from tflm_ext.stages import analyse, describe, load

    options = make_options(
        name or Path(str(model)).stem,
        derived=name is None,
        board=board,
        runtime=runtime,
        optimize=optimize,
    )
    data = load_npz(calibration).x if calibration else None
    known = known_of(Path(model), None) if isinstance(model, str | os.PathLike) else None
    int8, _ = load(model, data, None, options, lambda text: None, known)
    analysis = analyse(int8, options)
    report = describe(analysis, options, int8.warnings)
    return with_detail(report, analysis.graph, analysis.passes) if detail else report
