"""What a user chose for an export, as the project's report.json has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tflm_ext.convert.int8_model import Known
from tflm_ext.document import from_json
from tflm_ext.errors import ConfigError
from tflm_ext.ir.affine import Affine
from tflm_ext.options import (
    DEFAULT_RUNTIME,
    Budget,
    Labels,
    Methods,
    Optimize,
    as_budget,
    as_capture_seconds,
    as_url,
    as_version,
)
from tflm_ext.project.listing import REPORT
from tflm_ext.project.names import model_name
from tflm_ext.project.write import recover
from tflm_ext.report.parts import SCHEMAS

PIPELINE = "model/pipeline.json"
"""Path in a project of the JSON of its pipeline."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Choices:
    """Options of an export; those that a report does not have are None.

    Attributes:
        name: of the model in C.
        board: its name, or its file in the project.
        labels: class names of the outputs, by the names of the outputs if there are several.
        sha256: of the exported .tflite, or of the pipeline's JSON if there is no model.
        inputs, outputs: names of the ports, "" for those that have none.
        pipeline: the file of the pipeline in the project; None without one.
        pipeline_sha256: its digest; "" without one.
        capture_seconds: for how long the firmware remembers samples.
        lift: whether layers at the head of a Keras model may be lifted out of it.
        affines: what was lifted from each input.
    """

    name: str
    board: str
    runtime: str
    optimize: str
    labels: Labels
    budget: Budget | None
    encoding: Methods | None
    version: str | None
    url: str | None
    sha256: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    pipeline: Path | None = None
    pipeline_sha256: str = ""
    capture_seconds: float = 0.0
    lift: bool = True
    affines: tuple[Affine | None, ...] = ()

    @property
    def model_path(self) -> str:
        """Path in the project of what was exported: a .tflite, or a pipeline without a model."""
        return f"model/{self.name}.tflite" if self.outputs else PIPELINE


def earlier_choices(folder: Path) -> Choices | None:
    """Return what was chosen for the project in a folder; None if there is none to be read."""
    recover(folder)
    return _choices(folder)


def known_of(model: Path | None, earlier: Choices | None) -> Known | None:
    """What an export knows about a .tflite: that into the same folder, or else its own project.

    Args:
        model: the path that the user passed; None for a live model.
        earlier: options of an export into the same folder.
    """
    if earlier is not None:
        return Known(earlier.sha256, earlier.inputs, earlier.outputs, earlier.affines)
    if model is None or model.suffix != ".tflite":
        return None
    own = _choices(model.resolve().parent.parent)
    return Known(own.sha256, affines=own.affines) if own and any(own.affines) else None


def _choices(folder: Path) -> Choices | None:
    try:
        content = json.loads((folder / REPORT).read_bytes())
        return choices_in(folder, content)
    except (OSError, ConfigError, ValueError, KeyError, TypeError, RecursionError):
        return None


def choices_in(folder: Path, content: Mapping[str, Any]) -> Choices:
    """Return what was chosen, from the content of report.json; untrusted.

    Raises:
        ValueError, KeyError, TypeError: a key is missing, or has a value that it cannot have.
        ConfigError: the name is not valid.
    """
    if content["schema"] not in SCHEMAS or content["tool"]["name"] != "tflm_ext":
        raise ValueError("a different tool or schema")
    model, options = _object(content["model"]), _object(content["options"])
    board = from_json(str, options["board"])
    own = folder / board_path(board)
    runtime = from_json(str, options["runtime"])
    methods = from_json(tuple[str, ...] | None, options.get("encoding"))
    by_tensor = from_json(Mapping[str, str] | None, options.get("encoding_by_tensor"))
    pipeline = content.get("pipeline")
    if not model["outputs"] and not pipeline:
        raise ValueError("neither a model nor a pipeline")
    encoding = "auto" if methods == ("auto",) else methods or by_tensor
    if encoding is not None and runtime == DEFAULT_RUNTIME:
        raise ValueError("this runtime takes no encoding")
    return Choices(
        name=model_name(from_json(str, model["name"])),  # before it becomes part of a path
        board=str(own) if board.isidentifier() and own.is_file() else board,
        runtime=runtime,
        optimize=Optimize(options["optimize"]).value,
        labels=_labels(model),
        budget=_valid(as_budget, options.get("budget")),
        encoding=encoding,
        version=_valid(as_version, model.get("version")) if "version" in model else None,
        url=_valid(as_url, model.get("url")) if "url" in model else None,
        sha256=from_json(str, model["sha256"]),
        inputs=_names(model["inputs"]),
        outputs=_names(model["outputs"]),
        pipeline=folder / PIPELINE if pipeline else None,
        pipeline_sha256=from_json(str, _object(pipeline)["sha256"]) if pipeline else "",
        capture_seconds=_capture_seconds(pipeline),
        lift=from_json(bool | None, options.get("lift")) is not False,
        affines=tuple(_affine(_object(port)) for port in model["inputs"]),
    )


def _capture_seconds(pipeline: Any) -> float:
    found = _object(pipeline).get("capture_seconds") if pipeline else None
    return _valid(as_capture_seconds, found or 0.0)


def _affine(port: Mapping[str, Any]) -> Affine | None:
    affine: Affine | None = from_json(Affine | None, port.get("lifted"))
    if affine is not None and not affine.fits(from_json(tuple[int, ...], port["shape"])):
        raise ValueError("more or fewer numbers than the input has")
    return affine


def _valid(check: Callable[[Any], _T], value: Any) -> _T:
    """Return what a check of options makes of a value; it is the report that is wrong here."""
    try:
        return check(value)
    except ConfigError as error:
        raise ValueError(error.problem) from error


def _object(value: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = from_json(Mapping[str, Any], value)
    return found


def board_path(name: str) -> str:
    """Return the path in a project where the file of the user's own board is kept."""
    return f"model/{name}.toml"


def _names(ports: Any) -> tuple[str, ...]:
    return tuple(from_json(str, _object(port).get("port_name", "")) for port in ports)


def _labels(model: Mapping[str, Any]) -> Labels:
    first = from_json(tuple[str, ...], model["labels"])
    outputs = [_object(port) for port in model["outputs"]]
    found = {
        from_json(str, port.get("port_name", port["name"])): from_json(
            tuple[str, ...], port["labels"]
        )
        for port in outputs
        if port.get("labels")
    }
    if len(outputs) > 1 and found:
        return Labels(by_name=tuple(found.items()), kept=True)
    return Labels(first, kept=True)
