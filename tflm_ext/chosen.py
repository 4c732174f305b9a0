"""What a user chose for an export, checked, with what an earlier export into the folder chose."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from tflm_ext.errors import ConfigError
from tflm_ext.near import one_of
from tflm_ext.options import (
    DEFAULT_BOARD,
    DEFAULT_RUNTIME,
    UNSET,
    Budget,
    Methods,
    Optimize,
    Unset,
    as_budget,
    as_capture_seconds,
    as_flag,
    as_labels,
    as_url,
    as_version,
)
from tflm_ext.project.choices import Choices
from tflm_ext.project.names import model_name
from tflm_ext.runtimes import RUNTIMES, NoModel, make_runtime
from tflm_ext.signals.data import as_pipeline
from tflm_ext.stages import Options
from tflm_ext.targets import board as find_board


def make_options(
    name: str,
    *,
    derived: bool = False,
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
    max_accuracy_drop: float | None = None,
    project: Path | None = None,
    earlier: Choices | None = None,
    pipeline: Any = UNSET,
    capture_seconds: float | None = None,
    alone: bool = False,
) -> Options:
    """Check the user's options.

    Args:
        alone: whether there is no model, but a pipeline that needs none.
        project: a folder that may contain an earlier export.
        earlier: options of that export, for those that are not passed.
        pipeline: a Pipeline, or the path of its JSON.
        capture_seconds: for how long the firmware remembers samples; 0 if it must not send any.

    Raises:
        ConfigError: an option is not valid.
    """
    if board is UNSET:
        board = earlier.board if earlier else DEFAULT_BOARD
    if pipeline is UNSET:
        pipeline = earlier.pipeline if earlier else None
    runtimes = (NoModel.name,) if alone else RUNTIMES
    default = NoModel.name if alone else DEFAULT_RUNTIME
    if runtime is None:
        runtime = earlier.runtime if earlier and earlier.runtime in runtimes else default
    if optimize is None:
        optimize = earlier.optimize if earlier else Optimize.BALANCED.value
    if lift is None:
        lift = earlier.lift if earlier else True
    if capture_seconds is None:
        capture_seconds = earlier.capture_seconds if earlier and pipeline is not None else 0.0
    if earlier and encoding is None and runtime == earlier.runtime:
        encoding = earlier.encoding
    return Options(
        name=model_name(name, derived=derived),
        board=find_board(board),
        budget=as_budget(earlier.budget if earlier and budget is None else budget) or Budget(),
        runtime=make_runtime(
            one_of("runtime", runtime, runtimes),
            tflm_source=tflm_source,
            encoding=encoding,
            project=project,
        ),
        lift=as_flag("lift", lift),
        max_accuracy_drop=_share("max_accuracy_drop", max_accuracy_drop),
        optimize=Optimize(one_of("optimize", optimize, [o.value for o in Optimize])),
        labels=as_labels(earlier.labels if earlier and labels is None and not alone else labels),
        version=as_version(earlier.version if earlier and version is None else version),
        url=as_url(earlier.url if earlier and url is None else url),
        pipeline=as_pipeline(pipeline),
        capture_seconds=_capture_seconds(capture_seconds, pipeline),
    )


def _capture_seconds(given: Any, pipeline: Any) -> float:
    seconds = as_capture_seconds(given)
    if seconds and pipeline is None:
        raise ConfigError(
            "capture_seconds is for the samples of a pipeline, but there is none.",
            "Pass pipeline= (--pipeline), or leave out capture_seconds (--capture-seconds).",
        )
    return seconds


def _share(what: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ConfigError(
            f"{what}={value!r} is not a number from 0 to 1.", "Pass a number such as 0.02."
        )
    return float(value)
