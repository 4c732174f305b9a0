"""Checkpoints that compress() writes after every step, to resume from them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tflm_ext.compression.fingerprint import model_digest
from tflm_ext.compression.recipe import Recipe
from tflm_ext.compression.result import CompressionStep
from tflm_ext.compression.stored import restore_model, storage, store_model
from tflm_ext.errors import ConfigError

_STATE = "state.json"
# Format 1 had a key without the configuration of layers; format 2 had Keras files.
_FORMAT = 3


@dataclass(frozen=True)
class Done:
    """A finished step.

    Attributes:
        name: of the step, unique.
        metric: of its row.
        row: None if nothing was measured.
        notes: for the row of the step that is measured next.
    """

    name: str
    metric: str = ""
    row: CompressionStep | None = None
    notes: tuple[str, ...] = ()


class Checkpoints:
    """A folder with one model per step, bound to a recipe, a model and the shapes of its data.

    Args:
        folder: None saves nothing.
        key: values that must be equal when the run is resumed, by their names in messages.

    Raises:
        ConfigError: the folder belongs to another run, or contains other files.
        StorageError: it cannot be written.
    """

    def __init__(self, folder: Path | None, key: Mapping[str, Any]) -> None:
        self.folder = folder
        self._key = dict(key)
        self._done: list[Done] = []
        if folder is None:
            return
        with storage(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / _STATE).exists():
                self._done = self._read()
                return
            if any(folder.iterdir()):
                raise ConfigError(
                    f"The folder {folder} contains files, but no checkpoints of compress().",
                    "Pass a new or empty folder as checkpoints=.",
                )
            self._write()

    def done(self, name: str) -> Done | None:
        """Return the record of a step; None if it is not finished."""
        return next((entry for entry in self._done if entry.name == name), None)

    def state(self, name: str) -> Path | None:
        """Return a file for the state of a step's unfinished training."""
        return None if self.folder is None else self.folder / f"{name}-epochs.npz"

    def save(self, done: Done, model: Any = None) -> None:
        """Record a finished step, with its model if it made one.

        Raises:
            StorageError: the disk is full or read-only.
        """
        self._done.append(done)
        if self.folder is not None:
            with storage(self.folder):
                if model is not None:
                    store_model(self._model(done.name), model)
                self._write()

    def load(self, name: str, given: Any) -> Any:
        """The model after a step.

        Args:
            given: the user's model, whose library builds the new one.

        Raises:
            ConfigError: it cannot be loaded.
        """
        return restore_model(self._model(name), given)

    def _model(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}.npz"

    def _write(self) -> None:
        assert self.folder is not None
        state = {
            "format": _FORMAT,
            "key": self._key,
            "done": [asdict(entry) for entry in self._done],
        }
        part = self.folder / f"part-{_STATE}"
        part.write_text(json.dumps(state, indent=2) + "\n", "utf-8")
        os.replace(part, self.folder / _STATE)

    def _read(self) -> list[Done]:
        assert self.folder is not None
        path = self.folder / _STATE
        try:
            state = json.loads(path.read_text("utf-8"))
            if state["format"] in range(1, _FORMAT):
                raise ConfigError(
                    f"The checkpoints in {self.folder} are from an earlier version of tflm_ext.",
                    "Pass a new folder as checkpoints=; a run cannot resume from the old ones.",
                )
            if type(state["format"]) is int and state["format"] > _FORMAT:
                raise ConfigError(
                    f"The checkpoints in {self.folder} are from a later version of tflm_ext.",
                    "Install that version or a newer one, or pass a new folder as checkpoints=.",
                )
            key, done = dict(state["key"]), [_done(entry) for entry in state["done"]]
            if state["format"] != _FORMAT:
                raise ValueError(f"format {state['format']}")
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read as checkpoints of compress(): {error!r}.",
                "Pass a new folder as checkpoints=.",
            ) from error
        ours = json.loads(json.dumps(self._key))
        for what in ours:
            if key.get(what) != ours[what]:
                raise ConfigError(
                    f"The checkpoints in {self.folder} belong to another run: the {what} "
                    f"differs{_difference(key.get(what), ours[what])}.",
                    f"Resume with the same {what}, or pass a new folder as checkpoints=.",
                )
        return done


def _done(entry: Mapping[str, Any]) -> Done:
    row = entry["row"]
    return Done(
        name=str(entry["name"]),
        metric=str(entry["metric"]),
        row=None if row is None else CompressionStep(**{**row, "notes": tuple(row["notes"])}),
        notes=tuple(entry["notes"]),
    )


def _difference(theirs: Any, ours: Any) -> str:
    """Return the first value that differs, for a recipe or a budget."""
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return ""
    name = next(name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name))
    return f" ({name} was {theirs.get(name)!r} and is {ours.get(name)!r})"


def key_of(model: Any, recipe: Recipe, shapes: str, others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that identify a run."""
    return {"recipe": asdict(recipe), **others, "model": model_digest(model), "data": shapes}
