"""Stages as JSON: their kind, its version, and their options."""

from __future__ import annotations

from typing import Any

from tflm_ext.document import from_json, to_json
from tflm_ext.errors import ConfigError
from tflm_ext.near import unknown
from tflm_ext.signals.stage import STAGES


def written(stage: Any) -> dict[str, Any]:
    """Return the object that a stage is in JSON."""
    kind = type(stage)
    return {"stage": kind.__name__, "version": kind.VERSION, **to_json(kind, stage)}


def read_stage(content: Any) -> Any:
    """Return the stage of an object that written() made.

    Raises:
        ConfigError: it is damaged, its kind or version is not known, or its options cannot be used.
    """
    if not isinstance(content, dict):
        raise damaged(f"{content!r:.40} is not an object")
    name = content.get("stage")
    if not isinstance(name, str) or name not in STAGES:
        raise unknown(f"The pipeline has a stage {name!r:.40}, which is not known.", name, STAGES)
    kind = STAGES[name]
    version = content.get("version")
    if version != kind.VERSION:
        raise ConfigError(
            f"The pipeline has version {version!r:.20} of {name}, which is not known.",
            "Install a newer tflm_ext.",
        )
    try:
        return from_json(kind, content)
    except ValueError as error:
        raise damaged(f"{name}: {error}") from error


def damaged(why: str) -> ConfigError:
    """Return the error for JSON that to_json() cannot have written."""
    return ConfigError(
        f"The pipeline cannot be read: {why}.", "Write it again with Pipeline.to_json()."
    )
