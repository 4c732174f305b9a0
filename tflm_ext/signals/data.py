"""Recordings as training, calibration and test data of the model after a pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean_file
from tflm_ext.signals.given import as_recordings
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.stage import Array

MOST_WINDOWS = 1000
"""Windows that calibration uses, spread evenly over all recordings."""


def as_pipeline(given: Any) -> Pipeline | None:
    """Return a pipeline; one in a file is read.

    Args:
        given: a Pipeline, the path of a file that Pipeline.to_json() wrote, or None.

    Raises:
        ConfigError: it is something else, or the file cannot be read.
    """
    if given is None or isinstance(given, Pipeline):
        return given
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(
            f"pipeline is a {type(given).__name__}, not a pipeline.",
            "Pass a tflm_ext.sense.Pipeline, or the path of its JSON.",
        )
    path = Path(given)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        near = did_you_mean_file(path, (".json",)) if not os.path.exists(path) else ""
        raise ConfigError(
            f"The pipeline {path} cannot be read.",
            f"{near}Write it with Pipeline.to_json().",
        ) from error
    return Pipeline.from_json(text)


def calibration_windows(pipeline: Pipeline, recordings: Sequence[Any]) -> Array:
    """Return features of windows that are spread evenly over recordings.

    Returns:
        (windows, *shape), float32; at most MOST_WINDOWS.

    Raises:
        ConfigError: all recordings are shorter than a window.
    """
    found = [pipeline.quantized(recording) for recording in recordings]
    total = sum(map(len, found))
    if total == 0:
        raise ConfigError(
            f"calibration_data has no recording of {pipeline.first_window:,} samples or more, "
            "which the first window takes.",
            "Pass longer recordings, or use a smaller Stack or Frames.",
        )
    every = max(total / MOST_WINDOWS, 1.0)
    wanted = np.unique((np.arange(min(total, MOST_WINDOWS)) * every).astype(np.int64))
    starts = np.cumsum([0, *map(len, found)])
    parts = [
        own[wanted[(wanted >= start) & (wanted < start + len(own))] - start]
        for own, start in zip(found, starts[:-1], strict=True)
    ]
    return pipeline.real(np.concatenate(parts))


def labelled_windows(
    pipeline: Pipeline, recordings: Sequence[Any], labels: Sequence[Any]
) -> tuple[Array, Array]:
    """Return features of all windows of recordings, and the label of each.

    Args:
        labels: one for each recording.

    Returns:
        (windows, *shape) float32, and (windows,).

    Raises:
        ConfigError: there are more or fewer labels than recordings.
    """
    if len(recordings) != len(labels):
        raise ConfigError(
            f"There are {len(recordings)} recordings and {len(labels)} labels.",
            "Pass one label for each recording.",
        )
    found = [pipeline.quantized(recording) for recording in recordings]
    repeated = np.repeat(np.asarray(labels), [len(own) for own in found], axis=0)
    return pipeline.real(np.concatenate(found)), repeated


@dataclass(frozen=True)
class JoinedData:
    """Data of an export, as the model takes them.

    Attributes:
        calibration, test: as in export() without a pipeline.
        recordings: samples of the pipeline's source, for its comparison.
    """

    calibration: Any
    test: Any
    recordings: tuple[Array, ...] = ()


def features_of(pipeline: Pipeline | None, calibration_data: Any, test_data: Any) -> JoinedData:
    """Return the features of recordings that a user passed to export().

    Args:
        calibration_data: recordings; without a pipeline, data that are returned unchanged.
        test_data: (recordings, labels), or (features, targets), which are returned unchanged.

    Raises:
        ConfigError: a recording does not fit the source.
    """
    if pipeline is None:
        return JoinedData(calibration_data, test_data)
    require_complete(pipeline)
    if pipeline.has_score:
        last = type(pipeline.stages[-1]).__name__
        raise ConfigError(
            f"The pipeline computes a score itself, with {last}, so it takes no model.",
            f"Pass None instead of the model, or leave out {last} to pass its features to a model.",
        )
    recordings, calibration = pipeline.recordings, None
    if calibration_data is not None:
        given = as_recordings(calibration_data, "calibration_data")
        recordings = tuple(pipeline.recording(own) for own in given)
    if recordings:
        calibration = calibration_windows(pipeline, recordings)
    if isinstance(test_data, tuple | list) and len(test_data) == 2 and _recorded(test_data[0]):
        given = as_recordings(test_data[0], "test_data")
        test_data = labelled_windows(pipeline, given, listed(test_data[1]))
    return JoinedData(calibration, test_data, recordings)


def recordings_alone(
    pipeline: Pipeline | None, recordings: Any
) -> tuple[Pipeline, tuple[Array, ...]]:
    """Return a pipeline that needs no model, and recordings as samples of its source.

    Args:
        recordings: as the user passed them; None for those that the pipeline was fitted on.

    Raises:
        ConfigError: there is no pipeline, it needs a model, or a recording does not fit it.
    """
    if pipeline is None:
        raise ConfigError(
            "There is neither a model nor a pipeline.", "Pass a model, or pipeline= with a score."
        )
    require_complete(pipeline)
    if not pipeline.has_score:
        raise ConfigError(
            "model is None, but the pipeline gives features for a model.",
            "Pass the model, or end the pipeline with a score, such as Normal or KMeans.",
        )
    if recordings is None:
        return pipeline, pipeline.recordings
    given = as_recordings(recordings, "calibration_data")
    return pipeline, tuple(pipeline.recording(own) for own in given)


def require_complete(pipeline: Pipeline) -> None:
    """Require that a pipeline has all its numbers.

    Raises:
        ConfigError: it does not.
    """
    if not pipeline.is_fitted:
        raise ConfigError(
            "The pipeline is not fitted: numbers of its stages come from recordings.",
            "Pass pipeline.fitted(recordings).",
        )
    if getattr(pipeline.decide, "on", 0) is None:
        raise ConfigError(
            f"{type(pipeline.decide).__name__} has no threshold yet.",
            "Call pipeline.calibrated(model, recordings, ...), or pass on= to the decision.",
        )


def listed(labels: Any) -> list[Any]:
    """Return the labels of recordings as a list.

    Raises:
        ConfigError: they are not a list.
    """
    try:
        return list(labels)
    except TypeError as error:
        raise ConfigError(
            f"labels is a {type(labels).__name__}, not a list.",
            "Pass one label for each recording.",
        ) from error


def _recorded(given: Any) -> bool:
    """Whether test inputs are recordings rather than features."""
    if isinstance(given, str | os.PathLike):
        return True
    if isinstance(given, list | tuple) and given:
        given = given[0]
    if isinstance(given, str | os.PathLike):
        return True
    return isinstance(given, np.ndarray) and given.dtype.kind in "iu"
