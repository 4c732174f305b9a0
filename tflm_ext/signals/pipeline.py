"""Pipeline: from a source to a model's input and on to a decision, defined once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.frames import Frames, Stack, StackBlock
from tflm_ext.signals.recordings import read_recording
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Block, State
from tflm_ext.signals.to_int8 import ToInt8
from tflm_ext.signals.written import damaged, read_stage, written

FORMAT = "tflm_ext.sense"
VERSION = 1
_MOST_STAGES = 32
_P = TypeVar("_P", bound="Pipeline")


@dataclass(frozen=True, init=False)
class Pipeline:
    """A source, the stages that turn its samples into a model's input, and a decision.

    Attributes:
        source: what the sensor gives.
        stages: in order: stages of streams, Frames, stages of frames and features, Stack.
        decide: turns the model's outputs into events; None if the firmware uses the outputs.
    """

    source: Any
    stages: tuple[Any, ...]
    decide: Any = None

    def __init__(self, source: Any, *stages: Any, decide: Any = None) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "stages", tuple(stages))
        object.__setattr__(self, "decide", decide)
        self._check()

    def _check(self) -> None:
        if not isinstance(getattr(self.source, "spec", None), Spec):
            raise ConfigError(
                f"A pipeline begins with a source, not with {_called(self.source)}.",
                "Pass a source first, as in Pipeline(Microphone(16_000), ...).",
            )
        for stage in self.stages:
            if not hasattr(stage, "bind") or isinstance(stage, type):
                raise ConfigError(
                    f"{_called(stage)} is not a stage.",
                    "Pass stages of tflm_ext.sense, with their arguments: Frames(480).",
                )
        if len(self.stages) > _MOST_STAGES:
            raise ConfigError(
                f"The pipeline has {len(self.stages)} stages.", f"Use at most {_MOST_STAGES}."
            )
        if sum(isinstance(stage, Frames) for stage in self.stages) != 1:
            raise ConfigError(
                "A pipeline needs Frames exactly once.",
                "Put Frames(length, hop) between the stages of streams and those of frames.",
            )
        self.blocks  # noqa: B018 - binds all stages

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The stages, bound; with the map to int8 where features enter a Stack or a model.

        Raises:
            ConfigError: a stage cannot work on what it receives.
        """
        found: list[Block] = []
        spec: Spec = self.source.spec
        for stage in self.stages:
            if isinstance(stage, Stack) and spec.form is Form.FEATURES and _wide(spec):
                found.append(ToInt8.of(spec))
                spec = found[-1].out
            found.append(stage.bind(spec))
            spec = found[-1].out
        if spec.form is Form.FEATURES and _wide(spec):
            found.append(ToInt8.of(spec))
        return tuple(found)

    @property
    def out(self) -> Spec:
        """What the model receives, or the score if a stage computes one."""
        return self.blocks[-1].out

    @property
    def window(self) -> int:
        """Samples of the source's stream that one item of `out` sees, without filters' memory."""
        length, hop, frames = 0, 0, 1
        ratio = self.source.spec.rate
        for block in self.blocks:
            if block.source.form is Form.STREAM and block.out.form is Form.FRAME:
                length = block.out.shape[0]
                hop = round(block.source.rate / block.out.rate)
                ratio /= block.source.rate
            if isinstance(block, StackBlock):
                frames = block.frames
        return round((length + (frames - 1) * hop) * ratio)

    def start(self) -> tuple[State, ...]:
        """Return the state of every block before the first sample."""
        return tuple(block.start() for block in self.blocks)

    def run(
        self, samples: Array, states: Sequence[State]
    ) -> tuple[tuple[Array, ...], tuple[State, ...]]:
        """Compute what every block gives for the next samples of a recording.

        Args:
            samples: (samples, channels) of the source's type.
            states: as start() or the last run() returned them.

        Returns:
            For every block its items, and the new states.
        """
        items, outputs, new = samples, [], []
        for block, state in zip(self.blocks, states, strict=True):
            items, after = block.run(items, state)
            outputs.append(items)
            new.append(after)
        return tuple(outputs), tuple(new)

    def recording(self, given: Any) -> Array:
        """Return a recording as samples of the source: (samples, channels).

        Args:
            given: an array, or the path of a WAV, CSV or .npy file.

        Raises:
            ConfigError: it does not fit the source.
        """
        return read_recording(given, self.source)

    def quantized(self, recording: Any) -> Array:
        """Return the bytes that the model receives for a recording: (items, *shape), int8."""
        outputs, _ = self.run(self.recording(recording), self.start())
        return outputs[-1]

    def features(self, recording: Any) -> Array:
        """Return the model's inputs for a recording, as real values.

        They are (q - zero_point) * scale of the bytes q that the device computes.

        Args:
            recording: an array, or the path of a WAV, CSV or .npy file.

        Returns:
            (items, *shape), float32.

        Raises:
            ConfigError: the recording does not fit the source, or is shorter than a window.
        """
        found = self.quantized(recording)
        if len(found) == 0:
            raise ConfigError(
                f"The recording is shorter than a window of {self.window:,} samples.",
                "Pass a longer recording, or use a smaller Stack or Frames.",
            )
        spec = self.out
        real = found.astype(np.float32) - np.float32(spec.zero_point)
        return real * np.float32(spec.scale)

    def with_(self: _P, *stages: Any, decide: Any = None) -> _P:
        """Return the same pipeline with other stages and another decision."""
        return type(self)(self.source, *stages, decide=decide)

    # ------------------------------------------------------------ JSON

    def to_json(self) -> str:
        """Return the pipeline as JSON, from which from_json() makes an equal one."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "source": written(self.source),
            "stages": [written(stage) for stage in self.stages],
            "decide": None if self.decide is None else written(self.decide),
        }
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls: type[_P], text: str) -> _P:
        """Return the pipeline of a text that to_json() wrote, maybe an older version of it.

        Raises:
            ConfigError: it is damaged, or a newer version wrote it.
        """
        try:
            content = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise damaged("it is not JSON") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise damaged(f'it has no "format": "{FORMAT}"')
        version = content.get("version")
        if version != VERSION:
            raise ConfigError(
                f"The pipeline is of version {version!r:.20}; this is version {VERSION}.",
                "Install a newer tflm_ext.",
            )
        stages = content.get("stages")
        if not isinstance(stages, list):
            raise damaged("it has no list of stages")
        decide = content.get("decide")
        return cls(
            read_stage(content.get("source")),
            *map(read_stage, stages),
            decide=None if decide is None else read_stage(decide),
        )


def _wide(spec: Spec) -> bool:
    return spec.dtype is not DType.INT8


def _called(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else f"{value!r:.60}"
